"""Which settings there are, read off the models; a list's and a map's entries are written `*`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from notifier.settings.kinds import written
from notifier.settings.model import Section, Settings

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One setting: the names inside it, if it holds others, and its default, if it has one worth telling.

    `listed` tells a list from a map of names that the operator chooses; for both, `inside` is empty.
    """

    inside: tuple[str, ...] | None = None
    listed: bool = False
    default: str | None = None


def dotted(path: Path) -> str:
    """Write a setting's name: `accounts[0].token`; `…` stands for what looks like no name, and so may be a secret."""
    return "".join(_part(path[:end], path[end]) for end in range(len(path))).removeprefix(".")


def _part(holder: Path, name: str | int) -> str:
    if isinstance(name, int):
        return f"[{name}]"
    harmless = "[A-Za-z0-9_.-]{1,30}" if find((*holder, name)) else "[A-Za-z_-]{1,30}"
    return f".{name}" if re.fullmatch(harmless, name) else ".…"


def find(path: Path) -> Entry | None:
    """Return the setting at a path; None if there is no such setting."""
    return ENTRIES.get(known(path))


def known(path: Path) -> Path:
    """Write `*` for every entry of a list or map."""
    stars: Path = ()
    for name in path:
        stars = (*stars, name) if (*stars, name) in ENTRIES else (*stars, "*")
    return stars


def _entries(section: type[Section], path: Path = ()) -> Iterator[tuple[Path, Entry]]:
    fields = {field.alias or name: field for name, field in section.model_fields.items()}
    yield path, Entry(inside=tuple(fields))
    for name, field in fields.items():
        here: Path = (*path, name)
        kind: Any = field.annotation
        if get_origin(kind) in (Union, UnionType):
            kind = get_args(kind)[0]  # the other is None
        while get_origin(kind) in (tuple, Mapping):
            yield here, Entry(inside=(), listed=get_origin(kind) is tuple)
            here, kind = (*here, "*"), [kind for kind in get_args(kind) if kind is not Ellipsis][-1]
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _entries(kind, here)
        else:
            yield here, Entry(default=_default(field))


def _default(field: FieldInfo) -> str | None:
    match field.default:
        case timedelta() as span:
            return written(span)
        case bool() as value:
            return str(value).lower()
        case str() | int() | float() as value:
            return str(value)
        case _:
            return None


ENTRIES: Mapping[Path, Entry] = dict(_entries(Settings))
