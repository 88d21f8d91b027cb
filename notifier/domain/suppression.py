"""What keeps messages back for a time, never records (R24)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from notifier.domain.condition import Condition
from notifier.domain.matching import Matcher


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a message is kept back, and until when; None: not by time alone."""

    why: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A suppression that an operator set, from `from_at` until just before `until_at`; `id` is 0 until it is stored."""

    id: int
    match: Matcher
    from_at: datetime
    until_at: datetime
    by: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A suppression planned in the configuration; `until` tells the end of a moment's window, None outside."""

    name: str
    match: Matcher
    until: Callable[[datetime], datetime | None]


def suppressed(
    condition: Condition, silences: Iterable[Silence], windows: Iterable[Window], at: datetime
) -> Kept | None:
    """Say what keeps a condition back at a moment: of several the one that ends last.

    Nothing does if it is the notifier's own trouble: that may be why something else was not told (R16).
    """
    if condition.own:
        return None
    kept = [
        (silence.until_at, f"silence {silence.id}")
        for silence in silences
        if silence.from_at <= at < silence.until_at and silence.match.takes(condition)
    ]
    kept += [
        (end, f"maintenance {window.name}")
        for window in windows
        if window.match.takes(condition) and (end := window.until(at)) is not None
    ]
    until, why = max(kept, default=(None, ""))
    return Kept(why, until) if until is not None else None
