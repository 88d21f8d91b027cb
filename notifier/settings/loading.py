"""From files and the environment to `Settings`, or to a list of everything that is wrong."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from notifier.errors import ConfigurationError
from notifier.settings.checks import check, secret_files, take_secret_files
from notifier.settings.document import Reader
from notifier.settings.draft import Draft, Place
from notifier.settings.environment import lacking, take_account, take_overrides
from notifier.settings.model import Settings
from notifier.settings.wording import path_of, sentence

_USUAL = (Path("config/notifier.yaml"), Path("/etc/notifier/notifier.yaml"))


def load(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Settings:
    """Read the settings.

    The file is `path`, else what NOTIFIER_CONFIG names, else config/notifier.yaml in `cwd`, else
    /etc/notifier/notifier.yaml. With none of them, CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID and
    NOTIFIER_CHANNELS suffice. Variables such as NOTIFIER_POLL__INTERVAL overrule the file.

    Raises:
        ConfigurationError: One line for each mistake, all of them at once; never with a secret (R33).
    """
    file = _locate(path, environ, cwd)
    draft = _written(file, environ, cwd)
    if file is None:
        _require_enough(draft, environ)
    take_secret_files(draft, _folder(file, cwd))
    return _settings(draft)


def files(path: Path | None, environ: Mapping[str, str], cwd: Path) -> list[Path]:
    """Return the files that `load` reads, there or not: the configuration, and those of the secrets that it names."""
    file = _locate(path, environ, cwd)
    own = [cwd / file] if file else []
    try:
        draft = _written(file, environ, cwd)
    except ConfigurationError:
        return own  # nothing can be taken until it is written anew
    return own + [_folder(file, cwd) / secret for _, secret in secret_files(draft)]


def _locate(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    named = path or (Path(environ["NOTIFIER_CONFIG"]) if environ.get("NOTIFIER_CONFIG") else None)
    return named or next((usual for usual in _USUAL if _is_there(cwd / usual)), None)


def _is_there(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # reading it will say what is wrong with it
    return True


def _folder(file: Path | None, cwd: Path) -> Path:
    """Return where the paths in a configuration begin."""
    return (cwd / file).parent if file else cwd


def _written(file: Path | None, environ: Mapping[str, str], cwd: Path) -> Draft:
    """Read what the file and the environment say."""
    draft = _from_file(file, environ, cwd) if file else Draft("environment")
    if file is None:
        take_account(draft, environ)
    take_overrides(draft, environ)
    return draft


def _from_file(file: Path, environ: Mapping[str, str], cwd: Path) -> Draft:
    draft = Draft(str(file))
    try:
        text = (cwd / file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot read it: {error.strerror}"]) from None
    except ValueError:
        raise ConfigurationError([f"{file}: cannot read it: it is not UTF-8 text"]) from None
    values = Reader(draft, lambda line: Place(str(file), line), environ).read(text)
    if not isinstance(values, dict | None):
        raise ConfigurationError([f"{file}: found no settings; expected a map such as 'timezone: UTC'"])
    draft.values = values or {}
    return draft


def _require_enough(draft: Draft, environ: Mapping[str, str]) -> None:
    if names := lacking(draft, environ):
        files, variables = " or ".join(map(str, _USUAL)), ", ".join(names)
        nothing = f"no configuration: there is no {files}; write one, or set {variables} in the environment"
        raise ConfigurationError([nothing, *draft.error().problems])


def _follows(mistake: ErrorDetails) -> bool:
    """Whether it is nothing but the consequence of another one."""
    match mistake["type"]:
        case "default_factory_not_called":
            return True  # an account's name defaults to its id, and that is wrong
        case "too_short":
            return bool(mistake["input"])  # what is wrong in a list doesn't count
        case _:
            return False


def _settings(draft: Draft) -> Settings:
    check(draft)
    settings = None
    try:
        settings = Settings.model_validate(draft.values)
    except ValidationError as invalid:
        for mistake in invalid.errors(include_url=False):
            path = path_of(mistake)
            if not (_follows(mistake) or draft.is_wrong(path)):
                draft.wrong(path, sentence(mistake, draft.templates.get(path)))
    if settings is None or draft.problems:
        raise draft.error()
    return settings
