"""What was done to the replicas and to what they need, and when; all moments are the simulator's, in seconds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

_RECOVERED_S = 5  # from the database's return until everybody has noticed


@dataclass(slots=True)
class Span:
    """From one moment to another; the end is open as long as it lasts."""

    began: float
    ended: float = inf

    def overlap(self, began: float, ended: float) -> float:
        """Return for how long it was so between two moments."""
        return max(0.0, min(self.ended, ended) - max(self.began, began))


@dataclass(slots=True)
class Life:
    """One process of a replica, which asks at a door of its own, from its start to its end."""

    door: str
    span: Span
    killed: bool = False
    pauses: list[Span] = field(default_factory=list)

    def resumed_within(self, seconds: float, at: float) -> bool:
        """Whether a pause ended so shortly before."""
        return any(at - seconds < pause.ended <= at for pause in self.pauses)


@dataclass(slots=True)
class Story:
    """The lives of all processes, when the database was away, and what went wrong that was not our doing."""

    lives: list[Life] = field(default_factory=list)
    away: list[Span] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)

    def life(self, door: str, at: float) -> Life | None:
        """Return who asked at a door at a moment."""
        return next((life for life in self.lives if life.door == door and life.span.overlap(at, at + 1e-6)), None)

    def undisturbed(self, life: Life, began: float, ended: float) -> bool:
        """Whether a process could do all that it should between two moments."""
        troubles = [*life.pauses, *(Span(away.began, away.ended + _RECOVERED_S) for away in self.away)]
        lived = life.span.began <= began and ended <= life.span.ended
        return lived and not _overlap(troubles, began, ended)

    def paused(self, began: float, ended: float) -> float:
        """Return for how long processes were paused between two moments, all taken together."""
        return _overlap((pause for life in self.lives for pause in life.pauses), began, ended)

    def is_away(self, at: float) -> bool:
        """Whether the database was away, or just back, at a moment."""
        return any(away.began <= at <= away.ended + _RECOVERED_S for away in self.away)


def _overlap(spans: Iterable[Span], began: float, ended: float) -> float:
    return sum(span.overlap(began, ended) for span in spans)
