"""What no setting tells alone: secrets that lie in files, and settings that must suit each other."""

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from notifier.settings.draft import Draft
from notifier.settings.outline import Path, dotted, find
from notifier.settings.wording import found, missing

_FILE = "_file"
_CREDENTIALS = "add token (or token_file), or email and key (or key_file)"


def take_secret_files(draft: Draft, folder: FilePath) -> None:
    """Read each file named beside a secret, in the secret's place; relative paths begin at `folder`."""
    for path, holder in list(_holders(draft.values)):
        for name, file in holder.items():
            if name.endswith(_FILE) and find((*path, name)) and isinstance(file, str) and file:
                _take(draft, (*path, name), file, folder)


def _take(draft: Draft, path: Path, file: str, folder: FilePath) -> None:
    secret: Path = (*path[:-1], str(path[-1]).removesuffix(_FILE))
    if draft.given(secret):
        draft.wrong(path, f"found {secret[-1]} beside it; give one of them")
        return
    url = "://" in file
    shown = file if "/" in file and not url else found(file, shown=not url)
    try:
        text = (folder / file).read_text(encoding="utf-8").strip()
    except OSError as error:
        draft.wrong(path, f"cannot read {shown}: {error.strerror}")
    except ValueError:
        draft.wrong(path, f"cannot read {shown}: it is not text")
    else:
        if text:
            draft.put(secret, text, draft.place(path))
        else:
            draft.wrong(path, f"cannot read {shown}: it is empty")


def check(draft: Draft) -> None:
    """Note accounts given twice, accounts and channels without what they need, and that there are none."""
    for name in ("accounts", "channels"):
        if draft.values.get(name) in ([], {}):
            draft.wrong((name,), missing((name,)))
    for path, _ in _holders(draft.values):
        match path:
            case ("accounts", _):
                _check_credentials(draft, path)
            case ("channels", _) if not (draft.given((*path, "url")) or draft.given((*path, "url_file"))):
                draft.wrong(path, "found no URL; add url (or url_file)")
    _check_twins(draft)


def _check_twins(draft: Draft) -> None:
    seen: dict[tuple[str, str], Path] = {}
    for path, account in _holders(draft.values):
        for name in ("id", "name"):
            value = account.get(name)
            first = seen.setdefault((name, value), path) if isinstance(value, str) else path
            if first != path:
                draft.wrong((*path, name), f"found the {name} of {dotted(first)} again; each account needs its own")


def _check_credentials(draft: Draft, path: Path) -> None:
    token, email, key = (
        any(draft.given((*path, form)) for form in (name, name + _FILE)) for name in ("token", "email", "key")
    )
    if not (token or email or key):
        draft.wrong(path, f"found no credentials; {_CREDENTIALS}")
    elif token and (email or key):
        draft.wrong(path, "found a token beside email and key; give one of them")
    elif email != key:
        draft.wrong(path, "found one of email and key; they go together")


def _holders(values: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the maps that secrets stand in."""
    yield (), values
    accounts, channels = values.get("accounts"), values.get("channels")
    entries: list[tuple[Path, Any]] = []
    if isinstance(accounts, list):
        entries += [(("accounts", index), entry) for index, entry in enumerate(accounts)]
    if isinstance(channels, dict):
        entries += [(("channels", name), entry) for name, entry in channels.items()]
    yield from ((path, entry or {}) for path, entry in entries if isinstance(entry, dict | None))
