"""How soon changes are to be told, and how soon they were: the notifier's objective for itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction

from notifier.domain.duration import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What share of the notifications of confirmed changes a channel is to take how soon, over the time just past.

    `notify_within` counts from the first sighting of the change; `share` lies between 0 and 1, both excluded.
    """

    notify_within: timedelta
    share: Fraction
    over: timedelta

    def __str__(self) -> str:
        """Say it in words."""
        within, over = format_duration(self.notify_within), format_duration(self.over)
        return f"{percent(self.share)} within {within}, over {over}"


@dataclass(frozen=True, slots=True)
class Count:
    """So many in time, so many late: not taken in time, or never to be."""

    in_time: int = 0
    late: int = 0

    @property
    def all(self) -> int:
        """How many that is; what may still be in time is not counted yet."""
        return self.in_time + self.late


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How many notifications each channel took in time, and how many not."""

    channels: Mapping[str, Count] = field(default_factory=dict)

    @property
    def whole(self) -> Count:
        """All channels together."""
        found = self.channels.values()
        return Count(sum(each.in_time for each in found), sum(each.late for each in found))

    @property
    def share(self) -> Fraction | None:
        """What share was in time; None if there was nothing to tell."""
        whole = self.whole
        return Fraction(whole.in_time, whole.all) if whole.all else None

    def meets(self, objective: Objective) -> bool:
        """Whether it is enough; where nothing was to be told nothing was missed."""
        share = self.share
        return share is None or share >= objective.share


def missed(objective: Objective) -> str:
    """Return the status in which this objective is missed; missing another one is another story."""
    return f"missed: {objective}"


def percent(share: Fraction) -> str:
    """Write a share with two places at most, rounded down: what is less than 99 % never reads as 99 %."""
    whole, hundredths = divmod(int(share * 10_000), 100)
    return f"{whole}.{hundredths:02}".rstrip("0").rstrip(".") + "%"
