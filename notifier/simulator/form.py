"""Plain values, from YAML or JSON, taken apart with every mistake noted where it stands."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from notifier.domain.duration import parse_duration
from notifier.errors import ConfigurationError
from notifier.simulator.limit import Limit, parse_limit

T = TypeVar("T")
D = TypeVar("D")
E = TypeVar("E", bound=StrEnum)

_SHOWN = 40  # characters of what was found


class Located(dict[str, Any]):
    """A map that knows where it was written: its line, and those of its names, from 1."""

    line = 0

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


@dataclass(slots=True)
class Mistakes:
    """What is wrong so far; `source` names the file, if there is one."""

    source: str = ""
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, path: str, sentence: str) -> None:
        """Note a mistake."""
        place = f"{self.source}:{line}: " if self.source and line else f"{self.source}: " if self.source else ""
        self.found.append((line, f"{place}{path}: {sentence}" if path else f"{place}{sentence}"))

    def require_none(self) -> None:
        """Raise ConfigurationError with all of them, if there are any."""
        if self.found:
            raise ConfigurationError([text for _, text in sorted(self.found, key=lambda mistake: mistake[0])])


@dataclass(slots=True)
class Form:
    """One map on its way to become a value; a name is known once it was asked for.

    `line` is where it was written, from 1; 0 if that is not known.
    """

    values: Mapping[str, Any]
    path: str
    mistakes: Mistakes
    line: int = 0
    _known: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether the name is given."""
        self._known.append(name)
        return name in self.values

    def take(self, name: str, kind: Callable[[Any], T], default: D) -> T | D:
        """Return what stands under a name, `default` if nothing does or it is wrong."""
        if not self.has(name):
            return default
        try:
            return kind(self.values[name])
        except ValueError as error:
            shown = "something else" if name in ("token", "key") else _shown(self.values[name])
            self.wrong(f"found {shown}, {error}", name)
            return default

    def need(self, name: str, kind: Callable[[Any], T], default: D) -> T | D:
        """Do the same, but note it if nothing stands there."""
        if not self.has(name):
            self.wrong(f"missing; {_expectation(kind)}", name)
        return self.take(name, kind, default)

    def inside(self, name: str, read: "Callable[[Form], T | None]") -> T | None:
        """Read the map under a name; nothing at all counts as an empty one."""
        self._known.append(name)
        value = self.values.get(name)
        return self._read({} if value is None else value, name, read)

    def each(self, name: str, read: "Callable[[Form], T | None]") -> list[T]:
        """Read a list of maps; those with mistakes are left out."""
        entries = self.take(name, a_list, [])
        read_all = [self._read(entry, f"{name}[{index}]", read) for index, entry in enumerate(entries)]
        return [entry for entry in read_all if entry is not None]

    def wrong(self, sentence: str, name: str = "") -> None:
        """Note a mistake, of this map or of one of its names."""
        self.mistakes.add(self._line_of(name), f"{self.path}.{name}".strip("."), sentence)

    def _line_of(self, name: str) -> int:
        if not isinstance(self.values, Located):
            return self.line
        return self.values.lines.get(name.partition("[")[0], self.line)

    def _read(self, value: Any, name: str, read: "Callable[[Form], T | None]") -> T | None:
        if not isinstance(value, Mapping):
            self.wrong(f"found {_shown(value)}, expected a map", name)
            return None
        return read_form(value, f"{self.path}.{name}".strip("."), self.mistakes, read, self._line_of(name))

    def finish(self) -> None:
        """Note every name that nobody asked for."""
        for name in self.values:
            if name not in self._known:
                meant = get_close_matches(str(name), self._known, n=1)
                asked = f"; did you mean {meant[0]}?" if meant else ""
                self.wrong(f"unknown; known here: {', '.join(dict.fromkeys(self._known))}{asked}", name)


def read_form(
    values: Mapping[str, Any], path: str, mistakes: Mistakes, read: Callable[[Form], T | None], line: int = 0
) -> T | None:
    """Read a map; None if there is a mistake in it."""
    before = len(mistakes.found)
    form = Form(values, path, mistakes, values.line if isinstance(values, Located) else line)
    result = read(form)
    form.finish()
    return result if len(mistakes.found) == before else None


def text(value: Any) -> str:
    """Take text that is not empty."""
    quotes = "" if value is None or isinstance(value, (str, list, dict)) else "; put it in quotes"
    return str(_expect(value, f"text{quotes}", right=isinstance(value, str) and bool(value)))


def text_or_null(value: Any) -> str | None:
    """Take text or null."""
    return None if value is None else text(value)


def texts(value: Any) -> tuple[str, ...]:
    """Take a text, or a list of them."""
    return tuple(text(entry) for entry in value) if isinstance(value, list) and value else (text(value),)


def text_or_number(value: Any) -> str:
    """Take text, or a whole number for its digits."""
    return str(value) if type(value) is int else text(value)


def texts_by_name(value: Any) -> dict[str, str]:
    """Take a map of texts."""
    entries = _expect(value, "a map of texts", right=isinstance(value, Mapping))
    return {text(name): text_or_number(entry) for name, entry in entries.items()}


def anything(value: Any) -> Any:
    """Take whatever it is."""
    return value


def a_list(value: Any) -> list[Any]:
    """Take a list."""
    return list(_expect(value, "a list", right=isinstance(value, list)))


def flag(value: Any) -> bool:
    """Take true or false."""
    return bool(_expect(value, "true or false", right=isinstance(value, bool)))


def whole(least: int, most: int) -> Callable[[Any], int]:
    """Take a whole number within bounds, both included."""
    what = f"a whole number from {least} to {most}"
    return lambda value: int(_expect(value, what, right=type(value) is int and least <= value <= most))


def duration(value: Any) -> timedelta:
    """Take a duration."""
    return parse_duration(value if isinstance(value, str) else "")


def limit(value: Any) -> Limit | None:
    """Take a limit such as `1200/5m`, or null for none."""
    return None if value is None else parse_limit(value if isinstance(value, str) else "")


def one_of(kind: type[E]) -> Callable[[Any], E]:
    """Take one of an enum's values."""
    return lambda value: kind(_expect(value, f"one of {', '.join(kind)}", right=value in list(kind)))


def _expect(value: Any, what: str, *, right: bool) -> Any:
    if not right:
        raise ValueError(f"expected {what}")
    return value


def _expectation(kind: Callable[[Any], Any]) -> str:
    try:
        kind(None)
    except ValueError as error:
        return str(error)
    return "add it"


def _shown(value: Any) -> str:
    whole = json.dumps(value, ensure_ascii=False, default=str)
    return whole if len(whole) <= _SHOWN else whole[: _SHOWN - 1] + "…"
