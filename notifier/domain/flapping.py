"""Changes that come too often to be told one by one; it goes by time, not by the number of polls (R10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

FLAPPING = "flapping"  # what a link was, as far as words go, when it has become calm


@dataclass(frozen=True, slots=True, kw_only=True)
class Flapping:
    """A link flaps from `changes` (≥ 2) changes `within` that time on, until it has had none for `quiet`."""

    changes: int = 4
    within: timedelta = timedelta(minutes=60)
    quiet: timedelta = timedelta(minutes=30)

    def newest(self, earlier: Sequence[datetime], at: datetime) -> tuple[datetime, ...]:
        """Add a change, and keep as many of the newest as it takes to judge."""
        return (*earlier, at)[-self.changes :]

    def begins(self, newest: Sequence[datetime]) -> bool:
        """Whether these changes, oldest first, are too many in too short a time."""
        return len(newest) == self.changes and newest[-1] - newest[0] <= self.within

    def is_over(self, newest: Sequence[datetime], now: datetime) -> bool:
        """Whether the last of these changes is long enough ago."""
        return not newest or now - newest[-1] >= self.quiet
