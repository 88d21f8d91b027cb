"""What no setting tells alone: secrets that lie in files, and settings that must suit each other."""

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from notifier.settings.draft import Draft
from notifier.settings.outline import Path, dotted, find
from notifier.settings.wording import found

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
    shown = file if "/" in file and "://" not in file else found(file, shown=True)
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


def check_accounts(draft: Draft) -> None:
    """Note accounts given twice, or without the means to ask Cloudflare."""
    seen: dict[tuple[str, str], Path] = {}
    for path, account in _holders(draft.values):
        if path[:1] != ("accounts",):
            continue
        _check_credentials(draft, path, account)
        for name, value in (("id", account.get("id")), ("name", account.get("name") or account.get("id"))):
            first = seen.setdefault((name, value), path) if isinstance(value, str) else path
            if first != path:
                draft.wrong((*path, name), f"found the {name} of {dotted(first)} again; each account once")


def _check_credentials(draft: Draft, path: Path, account: dict[str, Any]) -> None:
    token, email, key = (
        any(draft.given((*path, form)) for form in (name, name + _FILE)) for name in ("token", "email", "key")
    )
    if not (token or email or key):
        draft.wrong(path, f"found no credentials; {_CREDENTIALS}")
    elif token and (email or key):
        draft.wrong(path, "found a token beside email and key; give one of them")
    elif email != key:
        draft.wrong(path, "found one of email and key; they go together")


def check_channels(draft: Draft) -> None:
    """Note channels without a URL."""
    for path, channel in _holders(draft.values):
        if path[:1] == ("channels",) and channel.get("url") is None and channel.get("url_file") is None:
            draft.wrong(path, "found no URL; add url (or url_file)")


def _holders(values: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the maps that secrets stand in."""
    yield (), values
    accounts, channels = values.get("accounts"), values.get("channels")
    inside = [*enumerate(accounts)] if isinstance(accounts, list) else []
    yield from ((("accounts", i), entry) for i, entry in inside if isinstance(entry, dict))
    named = channels.items() if isinstance(channels, dict) else ()
    yield from ((("channels", name), entry) for name, entry in named if isinstance(entry, dict))
