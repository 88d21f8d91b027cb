"""What the service did, counted as it happens: it outlives a reload, not the process."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.domain.decision import Change, Transition
from notifier.domain.notification import Kind, Notification
from notifier.domain.observation import CauseKind, Seen, Sight

SEEN = "seen"
FAULT = "fault"  # of ours: what Cloudflare answered, if it did, is lost
_NOT_SEEN = (*(kind for kind in CauseKind if kind is not CauseKind.EMPTY_LISTING), FAULT)

_POLL_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENCY_S = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)


class Distribution:
    """How many values, in seconds, fell between which bounds, and their sum.

    `counts` has one number for each bound, of the values up to it and above the one before, and one for all beyond.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


class Polls:
    """What came of an account's polls, and how long those took that asked."""

    __slots__ = ("_not_seen", "_seen", "took")

    def __init__(self) -> None:
        self._seen = 0
        self._not_seen: dict[str, int] = dict.fromkeys(_NOT_SEEN, 0)
        self.took = Distribution(_POLL_S)

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many came to what."""
        return {SEEN: self._seen, **self._not_seen}

    def ended(self, sight: Sight, took: timedelta) -> None:
        """Count a poll. Every one passes here: it may cost no more than it must."""
        if isinstance(sight, Seen):
            self._seen += 1
        else:
            self._not_seen[sight.cause.kind] += 1
            if sight.cause.kind is CauseKind.OVER_BUDGET:
                return
        self.took.add(took.total_seconds())

    def failed(self) -> None:
        """Count one that came to nothing by a fault of ours."""
        self._not_seen[FAULT] += 1


class Transitions:
    """How often an account's links changed, and how."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: dict[Change, int] = dict.fromkeys(Change, 0)

    def recorded(self, transitions: Iterable[Transition]) -> None:
        """Count transitions that are on record."""
        for transition in transitions:
            self.changes[transition.change] += 1


class End(StrEnum):
    """What came of a delivery, or of one attempt to make it."""

    SENT = "sent"
    AGAIN_LATER = "again later"
    ABANDONED = "abandoned"
    MOOT = "moot"


class Deliveries:
    """What came of a channel's deliveries; of those that were taken, how long after the observation."""

    __slots__ = ("ends", "latency")

    def __init__(self) -> None:
        self.ends: dict[End, int] = dict.fromkeys(End, 0)
        self.latency = Distribution(_LATENCY_S)

    def ended(self, end: End, number: int = 1) -> None:
        """Count deliveries."""
        self.ends[end] += number

    def sent(self, told: Notification, at: datetime) -> None:
        """Count a delivery that was taken; a reminder is late by its nature."""
        self.ended(End.SENT)
        if told.kind is not Kind.REMINDER:
            self.latency.add((at - told.observed_at).total_seconds())


class Tally:
    """All of it: `polls` and `transitions` by account, `deliveries` by channel."""

    def __init__(self) -> None:
        self._polls: dict[str, Polls] = {}
        self._transitions: dict[str, Transitions] = {}
        self._deliveries: dict[str, Deliveries] = {}

    def polls(self, account: str) -> Polls:
        """Return an account's; counting goes on where it was."""
        return self._polls.setdefault(account, Polls())

    def transitions(self, account: str) -> Transitions:
        """Return an account's."""
        return self._transitions.setdefault(account, Transitions())

    def deliveries(self, channel: str) -> Deliveries:
        """Return a channel's."""
        return self._deliveries.setdefault(channel, Deliveries())
