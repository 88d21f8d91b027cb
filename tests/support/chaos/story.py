"""What was done to the replicas and to what they need, and when; all moments are the simulator's, in seconds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
        return lived and not any(trouble.overlap(began, ended) for trouble in troubles)

    def paused_since(self, began: float, ended: float) -> float:
        """Return when the earliest pause began that any process was in between two moments; the first if none was."""
        pauses = [pause for life in self.lives for pause in life.pauses if pause.overlap(began, ended)]
        return min((pause.began for pause in pauses), default=began)

    def was_away(self, span: Span) -> bool:
        """Whether the database was away, or just back, meanwhile."""
        return any(span.overlap(away.began, away.ended + _RECOVERED_S) for away in self.away)

    def __str__(self) -> str:
        """Tell it in the order of time, by the machine's clock."""
        offset = time.time() - time.monotonic()
        events = [(span.began, f"{what} begins") for what, span in self._spans()]
        events += [(span.ended, f"{what} ends") for what, span in self._spans() if span.ended < inf]
        return "\n".join(
            f"{datetime.fromtimestamp(at + offset, UTC):%H:%M:%S.%f} {what}" for at, what in sorted(events)
        )

    def _spans(self) -> Iterator[tuple[str, Span]]:
        for away in self.away:
            yield "the database's absence", away
        for life in self.lives:
            yield f"a life of {life.door}{', to be killed' * life.killed},", life.span
            for pause in life.pauses:
                yield f"a pause of {life.door}", pause
