"""What Cloudflare's answers say. CNI answers have no envelope around them (docs/cloudflare.md)."""

import json
import re
from dataclasses import dataclass
from typing import Any

from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import Seen
from notifier.errors import NotifierError

_STATE = 100  # longer, in characters, is no word
_NAME = 255
_REASON = 2_000
_FIELD = 255

# Controls, line separators, text direction marks and halves of characters: they break lines, tables and databases.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class MalformedError(NotifierError):
    """The answer is not what the API promises; the text says what was found."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; `next` is the cursor of the page after it, None at the end."""

    interconnects: tuple[Interconnect, ...]
    next: int | None


def read_status(body: bytes) -> Seen:
    """Read a link's status: any word is taken as it came (R8). Raises MalformedError."""
    found = _object(body)
    state = found.get("state")
    if not isinstance(state, str):
        raise MalformedError(_instead_of("state", found))
    if not _is_word(state, _STATE):
        raise MalformedError("its state is no word")
    return Seen(state, _text(found.get("reason"), _REASON), body)


def read_page(body: bytes, account: str) -> Page:
    """Read one page of an account's listing; only names are required of it. Raises MalformedError."""
    found = _object(body)
    items = found.get("items")
    if not isinstance(items, list):
        raise MalformedError(_instead_of("items", found))
    return Page(tuple(_interconnect(item, account) for item in items), _cursor(found.get("next")))


def plain(text: str, limit: int) -> str:
    """Make one printable line of at most `limit` characters."""
    line = _UNFIT.sub(" ", text).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError(f"expected JSON, found {_look(body)}") from None
    if not isinstance(found, dict):
        raise MalformedError(f"expected an object, found {_kind(found)}")
    if found.get("success") is False:
        raise MalformedError("it says success: false")
    return found


def _look(body: bytes) -> str:
    if not body.strip():
        return "nothing"
    return "HTML" if body.lstrip().startswith(b"<") else "something else"


def _instead_of(key: str, found: dict[str, Any]) -> str:
    if key in found:
        return f"its {key} is {_kind(found[key])}"
    return f"an envelope stands around it, with no {key}" if "result" in found else f"it has no {key}"


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def _interconnect(item: Any, account: str) -> Interconnect:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str) or not _is_word(name, _NAME):
        raise MalformedError("it lists an interconnect without a proper name")
    facility = item.get("facility")
    return Interconnect(
        account=account,
        name=name,
        site=_field(item, "site") or _field(item, "region"),
        facility=_field(facility, "name") if isinstance(facility, dict) else None,
        speed=_field(item, "speed"),
        type=_field(item, "type"),
        reservation=_field(item, "virtual_port_reservation_id") or _field(item, "slot_id"),
    )


def _cursor(found: Any) -> int | None:
    """Read `next`: absent, null and the documentation's own 0 are the end."""
    if found is None or found == 0:
        return None
    if not isinstance(found, int) or isinstance(found, bool):
        raise MalformedError(f"its next is {_kind(found)}")
    return found


def _is_word(text: str, limit: int) -> bool:
    return bool(text.strip()) and len(text) <= limit and not _UNFIT.search(text)


def _field(item: dict[str, Any], key: str) -> str | None:
    return _text(item.get(key), _FIELD)


def _text(value: Any, limit: int) -> str | None:
    """Take an optional text; what is none, or of another type, is nothing."""
    return (plain(value, limit) or None) if isinstance(value, str) else None
