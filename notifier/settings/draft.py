"""Settings as they were written, before anything is known of their meaning."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from notifier.errors import ConfigurationError
from notifier.settings.outline import Path, dotted


class Place(NamedTuple):
    """Where something was written: a file, or a variable of the environment; lines count from 1."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Problem(NamedTuple):
    """A mistake; these sort as one reads."""

    place: Place
    path: Path
    sentence: str

    def __str__(self) -> str:
        return f"{self.place}: {dotted(self.path)}: {self.sentence}" if self.path else f"{self.place}: {self.sentence}"


@dataclass(slots=True)
class Draft:
    """Text, lists and maps, where each was written, and what is wrong so far.

    `templates` keeps the text of values that took a part from the environment: it may be shown, they may not.
    """

    source: str
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    templates: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Return where a setting, or the nearest that holds it, was written."""
        return self.places.get(path) or (self.place(path[:-1]) if path else Place(self.source))

    def given(self, path: Path) -> bool:
        """Whether something is written at a path."""
        value: Any = self.values
        for name in path:
            try:
                value = value[name]
            except (LookupError, TypeError):
                return False
        return value is not None

    def put(self, path: Path, value: Any, place: Place) -> None:
        """Put a value in the place of what a setting held, and forget whatever is known of that."""
        for table in (self.places, self.templates):
            for old in [old for old in table if old[: len(path)] == path]:
                del table[old]
        self.problems = [problem for problem in self.problems if problem.path[: len(path)] != path]
        self.values = _with(self.values, path, value)
        self.places[path] = place

    def wrong(self, path: Path, sentence: str, place: Place | None = None) -> None:
        """Note a mistake."""
        self.problems.append(Problem(place or self.place(path), path, sentence))

    def is_wrong(self, path: Path) -> bool:
        """Whether a mistake of this setting is noted already."""
        return any(problem.path == path for problem in self.problems)

    def error(self) -> ConfigurationError:
        """Return everything that is wrong, in the order of the file, then of the environment."""
        problems = sorted(self.problems, key=lambda problem: (problem.place.line == 0, problem.place))
        return ConfigurationError([str(problem) for problem in problems])


def _with(holder: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(key, int):
        entries = holder if isinstance(holder, list) else []
        inside = _with(entries[key] if key < len(entries) else None, rest, value)
        return [*entries[:key], inside, *entries[key + 1 :]]
    settings = holder if isinstance(holder, dict) else {}
    return {**settings, key: _with(settings.get(key), rest, value)}
