"""How many requests may be made, whatever the calls (R32). Pure: time is an argument."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

VALID = timedelta(seconds=10)  # how long an allotment holds: two turns, one of which may fail
_SOON = timedelta(milliseconds=200)  # until there is an allotment again


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """Permits of a budget that several processes share: so many are this one's, `until` then.

    `at` is when they were set aside, by the database's clock.
    """

    permits: int
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonBudget:
    """What several processes have set aside of one credential's budget: when, and how many permits.

    `blocked_until`: Cloudflare does not want to be asked before. All by the database's clock.
    """

    taken: tuple[tuple[datetime, int], ...] = ()
    blocked_until: datetime | None = None

    def as_of(self, now: datetime) -> "CommonBudget":
        """Bring back what was set aside in the future, and the block with it: that clock was ahead (R7)."""
        ahead = max((at for at, _ in self.taken), default=now) - now
        if ahead <= timedelta():
            return self
        until = self.blocked_until
        return CommonBudget(
            taken=tuple((at - ahead, permits) for at, permits in self.taken),
            blocked_until=until and until - ahead,
        )

    def returned(self, at: datetime, permits: int) -> "CommonBudget":
        """Take back what was set aside then and not used."""
        taken = ((when, number - permits if when == at else number) for when, number in self.taken)
        return replace(self, taken=tuple(each for each in taken if each[1] > 0))

    def allotted(self, now: datetime, want: int, *, requests: int, window: timedelta) -> tuple["CommonBudget", int]:
        """Set aside up to `want` permits, so that no more than `requests` are in any `window`; return how many."""
        taken = {at: number for at, number in self.taken if at > now - window}
        permits = max(0, min(want, requests - sum(taken.values())))
        if permits:
            taken[now] = taken.get(now, 0) + permits  # of one moment there is one number, and it is lessened once
        return replace(self, taken=tuple(taken.items())), permits


@dataclass(slots=True)
class Use:
    """The permits that were taken, and until when there are none.

    Where others share the budget, `allotment` is this process's part of it, which `lacked` so many permits.
    """

    taken: deque[datetime] = field(default_factory=deque)
    blocked_until: datetime | None = None
    allotment: Allotment | None = None
    lacked: int = 0


class RequestBudget:
    """At most `requests` permits in any window of `per`: an exact sliding window, not a leaky bucket.

    A leaky bucket lets a full burst pass beside the refill, twice the limit in one window.
    Everything that asks with the same credential shares one budget: Cloudflare counts by user.
    """

    def __init__(self, requests: int, per: timedelta, before: "RequestBudget | None" = None) -> None:
        """What was, and is still being, taken of the budget `before` this one counts, and so does its block."""
        if requests < 1:
            raise ValueError("a budget needs at least one request")
        self.requests = requests
        self.per = per
        self.use: Use = Use() if before is None else before.use

    def take(self, now: datetime) -> bool:
        """Take one permit, if there is one."""
        if self.free_at(now) > now:
            self.use.lacked += self.use.allotment is not None
            return False
        self.use.taken.append(now)
        if (mine := self.use.allotment) is not None:
            self.use.allotment = replace(mine, permits=mine.permits - 1)
        return True

    def free_at(self, now: datetime) -> datetime:
        """Say when the next permit can be had; `now` if at once."""
        self._forget(now)
        full = len(self.use.taken) >= self.requests
        window = self.use.taken[-self.requests] + self.per if full else now
        mine = self.use.allotment
        ours = now if mine is None or (mine.permits > 0 and now < mine.until) else now + _SOON
        return max(window, ours, self.blocked_until(now) or now)

    @property
    def lacked(self) -> int:
        """How many permits the allotment lacked."""
        return self.use.lacked

    def allot(self, allotment: Allotment | None) -> Allotment | None:
        """Give no more than these permits from now on, and return what is left of those before."""
        before, self.use.allotment, self.use.lacked = self.use.allotment, allotment, 0
        return before

    def block(self, until: datetime) -> None:
        """Give no permit before `until`; a longer block stays as it is."""
        self.use.blocked_until = max(until, self.use.blocked_until or until)

    def blocked_until(self, now: datetime) -> datetime | None:
        """Say until when Cloudflare does not want to be asked; None if it may be."""
        until = self.use.blocked_until
        return until if until is not None and until > now else None

    def used(self, now: datetime) -> int:
        """Return how many permits of the present window are taken."""
        self._forget(now)
        return len(self.use.taken)

    def _forget(self, now: datetime) -> None:
        taken = self.use.taken
        while taken and taken[0] <= now - self.per:
            taken.popleft()
        # A clock set back must not keep permits for longer than the window (R7).
        for i in range(len(taken) - 1, -1, -1):
            if taken[i] <= now:
                break
            taken[i] = now
