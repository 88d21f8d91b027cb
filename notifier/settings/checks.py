"""What no setting tells alone: secrets that lie in files, and settings that must suit each other."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any
from zoneinfo import ZoneInfo

from notifier.domain.duration import parse_duration
from notifier.settings.address import is_address, is_private
from notifier.settings.draft import Draft
from notifier.settings.kinds import CHANNEL_NAME, is_zone, written
from notifier.settings.moments import MOMENT, is_doubtful, is_moment, parse_moment
from notifier.settings.outline import Path, dotted, find
from notifier.settings.wording import found, missing

_FILE = "_file"
_CREDENTIALS = "add token (or token_file), or email and key (or key_file)"


def take_secret_files(draft: Draft, folder: FilePath) -> None:
    """Read each file named beside a secret, in the secret's place; relative paths begin at `folder`."""
    for path, file in list(secret_files(draft)):
        _take(draft, path, file, folder)


def secret_files(draft: Draft) -> Iterator[tuple[Path, str]]:
    """Yield the settings that name a secret's file, with that name."""
    for path, holder in _holders(draft.values):
        for name, file in holder.items():
            if name.endswith(_FILE) and find((*path, name)) and isinstance(file, str) and file:
                yield (*path, name), file


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
    """Note what is given twice or is not there, what accounts and channels lack, and times that make no window."""
    for name in ("accounts", "channels"):
        if draft.values.get(name) in ([], {}):
            draft.wrong((name,), missing((name,)))
    for path, _ in _holders(draft.values):
        match path:
            case ("accounts", _):
                _check_credentials(draft, path)
            case ("web",):
                _check_reach(draft)
            case ("channels", _) if not (draft.given((*path, "url")) or draft.given((*path, "url_file"))):
                draft.wrong(path, "found no URL; add url (or url_file)")
    _check_twins(draft, "accounts", "account", ("id", "name"))
    _check_twins(draft, "maintenance", "window", ("name",))
    for path, route in _entries(draft.values, "routes"):
        _check_channels(draft, (*path, "channels"), route)
        _check_channels(draft, (*path, "escalate", "channels"), route.get("escalate"))
    for path, window in _entries(draft.values, "maintenance"):
        _check_window(draft, path, window)
    _check_channels(draft, ("drill", "channels"), draft.values.get("drill"))
    _check_kept(draft)


def _check_reach(draft: Draft) -> None:
    """Note an address that others can reach, with nothing that keeps them out."""
    path, guarded = ("web", "listen"), any(draft.given(("web", name)) for name in ("token", "token_file"))
    listen = draft.values["web"].get("listen")
    if isinstance(listen, str) and is_address(listen) and not is_private(listen) and not guarded:
        shown = _shown(draft, path, listen)
        draft.wrong(path, f"found {shown}, which others can reach, and no token; add token (or token_file)")


def _check_twins(draft: Draft, section: str, each: str, names: tuple[str, ...]) -> None:
    seen: dict[tuple[str, str], Path] = {}
    for path, entry in _entries(draft.values, section):
        for name in names:
            value = entry.get(name)
            first = seen.setdefault((name, value), path) if isinstance(value, str) else path
            if first != path:
                draft.wrong((*path, name), f"found the {name} of {dotted(first)} again; each {each} needs its own")


def _check_channels(draft: Draft, path: Path, holder: Any) -> None:
    """Note channels that there are not; what can't be the name of one may be a secret, and is noted elsewhere."""
    named = holder.get("channels") if isinstance(holder, dict) else None
    known = [str(path[-1]) for path, _ in _entries(draft.values, "channels")]
    expected = " or ".join(name for name in known if re.fullmatch(CHANNEL_NAME, name))
    for index, name in enumerate(named if expected and isinstance(named, list) else ()):
        if isinstance(name, str) and re.fullmatch(CHANNEL_NAME, name) and name not in known:
            draft.wrong((*path, index), f"found {_shown(draft, (*path, index), name)}, expected {expected}")


def _check_window(draft: Draft, path: Path, window: dict[str, Any]) -> None:
    recurring, once = (
        [name for name in form if window.get(name) is not None] for form in (("cron", "for"), ("from", "until"))
    )
    if bool(recurring) == bool(once):
        given = " and ".join(recurring + once) or "no times"
        draft.wrong(path, f"found {given}; give cron and for, or else from and until")
    elif len(recurring) == 1:
        draft.wrong(path, f"found {recurring[0]} alone; cron and for go together")
    elif len(once) == 1:
        draft.wrong(path, f"found {once[0]} alone; from and until go together")
    elif once:
        _check_span(draft, path, window)


def _check_span(draft: Draft, path: Path, window: dict[str, Any]) -> None:
    zone = str(window.get("timezone") or draft.values.get("timezone") or "UTC")
    moments = [str(window[name]) for name in ("from", "until")]
    if not (is_zone(zone) and all(re.fullmatch(MOMENT, moment) and is_moment(moment) for moment in moments)):
        return  # each is noted by itself
    for name, moment in zip(("from", "until"), moments, strict=True):
        if is_doubtful(moment, ZoneInfo(zone)):
            shown = _shown(draft, (*path, name), moment)
            draft.wrong((*path, name), f"found {shown}, when {zone} changes its clocks; add an offset, such as +01:00")
    begin, end = (parse_moment(moment, ZoneInfo(zone)) for moment in moments)
    if begin >= end:
        until = (*path, "until")
        draft.wrong(until, f"found {_shown(draft, until, moments[1])}, expected a moment after from")


def _check_kept(draft: Draft) -> None:
    """Note an objective over a time of which not every delivery is kept."""
    over, kept = (
        _span(draft, path, default)
        for path, default in ((("objective", "over"), "28d"), (("retention", "deliveries"), "90d"))
    )
    if draft.given(("objective",)) and over is not None and kept is not None and over > kept:
        told = f"found {written(over)}, longer than deliveries are kept: retention.deliveries is {written(kept)}"
        draft.wrong(("objective", "over"), told)


def _span(draft: Draft, path: Path, default: str) -> timedelta | None:
    """Return a duration, the default where none is given; None if it can't be read, which is noted elsewhere."""
    section = draft.values.get(str(path[0]))
    given = section.get(path[1]) if isinstance(section, dict) else None
    try:
        return parse_duration(default if given is None else given)
    except (TypeError, ValueError, AttributeError):
        return None


def _shown(draft: Draft, path: Path, text: str) -> str:
    return found(draft.templates.get(path, text), shown=True)


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
    yield from (((name,), held) for name in ("web", "heartbeat") if isinstance(held := values.get(name), dict))
    yield from _entries(values, "accounts")
    yield from _entries(values, "channels")


def _entries(values: dict[str, Any], section: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the maps in a list, or in a map by names, whichever the section is to be."""
    held, outline = values.get(section), find((section,))
    entries: Iterable[tuple[str | int, Any]] = ()
    if outline is not None and outline.listed and isinstance(held, list):
        entries = enumerate(held)
    elif outline is not None and not outline.listed and isinstance(held, dict):
        entries = held.items()
    yield from (((section, key), entry or {}) for key, entry in entries if isinstance(entry, dict | None))
