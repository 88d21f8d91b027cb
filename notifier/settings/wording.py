"""What a mistake is called: what was found, what is expected, what to do."""

import json
import re
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from notifier.settings.outline import Path, find, known

_SHOWN = 30  # characters; what is longer may be a secret in the wrong place
_MISSING: dict[Path, str] = {
    ("accounts",): "add an account: its id and a token",
    ("channels",): 'add a channel by a name, such as noc: {url: "slack://…"}',
    ("routes", "*", "channels"): "name the channels it leads to",
    ("routes", "*", "escalate", "channels"): "name the channels it leads to",
}


def path_of(error: ErrorDetails) -> Path:
    """Return the setting that is wrong."""
    return tuple(name for name in error["loc"] if name != "[key]")


def sentence(error: ErrorDetails, template: str | None) -> str:
    """Put a mistake into words; `template` is what was written, if a part of it came from the environment."""
    path, value = path_of(error), error["input"]
    match error["type"]:
        case "expected":
            shown = error["ctx"]["shown"]
            default = _default(path)
            return f"found {found(template or value, shown=shown)}, expected {error['ctx']['what']}{default}"
        case "extra_forbidden":
            return unknown(path)
        case "tuple_type" if value is not None:
            return f"found {found(value, shown=False)}, expected a list"
        case "model_type" | "mapping_type" | "dict_type" if value is not None:
            return f"found {found(value, shown=False)}, expected a map of settings by name"
        case _:
            return missing(path)


def missing(path: Path) -> str:
    """Say that a setting must be given."""
    return f"missing; {_MISSING.get(known(path), 'add it')}"


def unknown(path: Path) -> str:
    """Say that there is no such setting, which there are instead, and which may have been meant."""
    entry = find(path[:-1])
    names = (entry and entry.inside) or ()
    meant = get_close_matches(str(path[-1]), names, n=1, cutoff=0.7)
    return f"unknown setting; known here: {', '.join(names) or 'none'}{f'; did you mean {meant[0]}?' if meant else ''}"


def found(value: Any, *, shown: bool) -> str:
    """Name a value that was found; quote it only if that is allowed, and it is too short to be a secret."""
    match value:
        case None | "":
            return "nothing"
        case str() if not shown:
            return "a text (not shown)"
        case str() if len(value) > _SHOWN:
            return f"a text of {len(value)} characters"
        case str():
            return value if re.fullmatch(r"[\w.:/${}*+-]+", value) else json.dumps(value, ensure_ascii=False)
        case list():
            return "a list"
        case _:
            return "a map"


def _default(path: Path) -> str:
    entry = find(path)
    return f"; leave it out for the default, {entry.default}" if entry and entry.default else ""
