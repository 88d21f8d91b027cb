"""How many requests may be made, whatever the calls (R32). Pure: time is an argument."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Use:
    """The permits that were taken, and until when there are none."""

    taken: deque[datetime] = field(default_factory=deque)
    blocked_until: datetime | None = None


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
            return False
        self.use.taken.append(now)
        return True

    def free_at(self, now: datetime) -> datetime:
        """Say when the next permit can be had; `now` if at once."""
        self._forget(now)
        full = len(self.use.taken) >= self.requests
        window = self.use.taken[-self.requests] + self.per if full else now
        return max(window, self.blocked_until(now) or now)

    def block(self, until: datetime) -> None:
        """Give no permit before `until`; a longer block stays as it is."""
        self.use.blocked_until = max(until, self.use.blocked_until or until)

    def blocked_until(self, now: datetime) -> datetime | None:
        """Say until when Cloudflare does not want to be asked; None if it may be."""
        until = self.use.blocked_until
        return until if until is not None and until > now else None

    def used(self, now: datetime) -> float:
        """Return the share of the budget in use, from 0 to 1."""
        self._forget(now)
        return min(1.0, len(self.use.taken) / self.requests)

    def _forget(self, now: datetime) -> None:
        taken = self.use.taken
        while taken and taken[0] <= now - self.per:
            taken.popleft()
        # A clock set back must not keep permits for longer than the window (R7).
        for i in range(len(taken) - 1, -1, -1):
            if taken[i] <= now:
                break
            taken[i] = now
