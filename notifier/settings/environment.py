"""Settings from the environment: `NOTIFIER_POLL__INTERVAL=30s`, and the variables that do without any file."""

import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from notifier.errors import ConfigurationError
from notifier.settings.document import Reader
from notifier.settings.draft import Draft, Place
from notifier.settings.outline import ENTRIES, Path, find
from notifier.settings.wording import unknown

_PREFIX = "NOTIFIER_"
_NO_SETTINGS = ("NOTIFIER_CONFIG", "NOTIFIER_TEST_")
_ID, _TOKEN, _CHANNELS = "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN", "NOTIFIER_CHANNELS"
_SINGLE = {
    "_".join(map(str, path)): _PREFIX + "__".join(map(str, path)).upper()
    for path in ENTRIES
    if path and "*" not in path
}


def take_account(draft: Draft, environ: Mapping[str, str]) -> None:
    """Take the one account that the environment describes, if it does."""
    if environ.get(_ID) and environ.get(_TOKEN):
        draft.put(("accounts", 0, "id"), environ[_ID], _place(_ID))
        draft.put(("accounts", 0, "token"), environ[_TOKEN], _place(_TOKEN))


def lacking(draft: Draft, environ: Mapping[str, str]) -> list[str]:
    """Name the variables that must still be set to do without a file."""
    account = [] if "accounts" in draft.values else [name for name in (_TOKEN, _ID) if not environ.get(name)]
    return account + ([] if "channels" in draft.values else [_CHANNELS])


def take_overrides(draft: Draft, environ: Mapping[str, str]) -> None:
    """Put what each `NOTIFIER_` variable says in the place of the setting it names; an empty one says nothing."""
    if environ.get(_CHANNELS):
        _take_channels(draft, environ[_CHANNELS])
    given = [name for name in environ if name.startswith(_PREFIX) and name != _CHANNELS and environ[name]]
    for variable in sorted(given, key=lambda name: [part.zfill(9) for part in name.split("__")]):
        if not variable.startswith(_NO_SETTINGS):
            _override(draft, variable, environ[variable])


def _take_channels(draft: Draft, urls: str) -> None:
    """Take URLs between spaces; each channel is called what its URL begins with: `slack`, `slack-2`."""
    draft.put(("channels",), {}, _place(_CHANNELS))
    seen: Counter[str] = Counter()
    for url in urls.split():
        scheme = re.match(r"[A-Za-z][A-Za-z0-9.-]*(?=://)", url)
        kind = scheme[0].lower() if scheme else "channel"
        seen[kind] += 1
        name = kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"
        draft.put(("channels", name, "url"), url, _place(_CHANNELS))


def _override(draft: Draft, variable: str, text: str) -> None:
    place = _place(variable)
    names = variable.removeprefix(_PREFIX).lower().split("__")
    try:
        path = _path(draft.values, names)
    except IndexError as error:
        draft.wrong((), str(error), place)
        return
    entry = find(path)
    if entry is None and len(path) == 1:
        _suspect(draft, names[0], place)
    elif entry is None:
        wrong = next(path[:end] for end in range(1, len(path) + 1) if find(path[:end]) is None)
        draft.wrong(wrong, unknown(wrong), place)
    elif entry.inside is not None:
        _put_yaml(draft, path, text, place)
    else:
        draft.put(path, text, place)


def _path(values: Any, names: list[str]) -> Path:
    """Find the setting meant: a list's entries by number from 0, names in either case and with `_` for `-` and `.`."""
    path: Path = ()
    for name in names:
        entry = find(path)
        key: str | int = name
        if entry is not None and entry.listed and re.fullmatch("[0-9]{1,4}", name):
            key = int(name)
            values = values if isinstance(values, list) else []
            if key > len(values):
                raise IndexError(f"found entry {key} of {len(values)}; number the entries from 0, without gaps")
            values = values[key] if key < len(values) else None
        else:
            values = values if isinstance(values, dict) else {}
            key = next((known for known in values if _folded(known) == name), name)
            values = values.get(key)
        path = (*path, key)
    return path


def _folded(name: str) -> str:
    return re.sub("[.-]", "_", name.lower())


def _put_yaml(draft: Draft, path: Path, text: str, place: Place) -> None:
    apart = Draft(place.source)
    try:
        draft.put(path, Reader(apart, lambda _: place).read(text, path), place)
    except ConfigurationError as error:
        draft.put(path, None, place)
        apart.wrong(path, error.problems[0].removeprefix(f"{place}: "), place)
    draft.problems += apart.problems


def _suspect(draft: Draft, name: str, place: Place) -> None:
    """Report a near miss only: other tools make such variables too, as Kubernetes does of a service's name."""
    meant = get_close_matches(name, _SINGLE, n=1, cutoff=0.75)
    if meant:
        draft.wrong((), f"unknown setting; did you mean {_SINGLE[meant[0]]}?", place)


def _place(variable: str) -> Place:
    return Place(f"environment {variable}")
