"""How many requests may be made, whatever the calls (R32). Pure: time is an argument."""

from collections import deque
from datetime import datetime, timedelta


class RequestBudget:
    """At most `requests` permits in any window of `per`: an exact sliding window, not a leaky bucket.

    A leaky bucket lets a full burst pass beside the refill, twice the limit in one window.
    Everything that asks with the same credential shares one budget: Cloudflare counts by user.
    """

    def __init__(self, requests: int, per: timedelta) -> None:
        if requests < 1:
            raise ValueError("a budget needs at least one request")
        self.requests = requests
        self.per = per
        self._taken: deque[datetime] = deque()
        self._blocked_until: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Take one permit, if there is one."""
        if self.free_at(now) > now:
            return False
        self._taken.append(now)
        return True

    def free_at(self, now: datetime) -> datetime:
        """Say when the next permit can be had; `now` if at once."""
        self._forget(now)
        full = len(self._taken) >= self.requests
        window = self._taken[0] + self.per if full else now
        return max(window, self.blocked_until(now) or now)

    def block(self, until: datetime) -> None:
        """Give no permit before `until`; a longer block stays as it is."""
        self._blocked_until = max(until, self._blocked_until or until)

    def blocked_until(self, now: datetime) -> datetime | None:
        """Say until when Cloudflare does not want to be asked; None if it may be."""
        until = self._blocked_until
        return until if until is not None and until > now else None

    def used(self, now: datetime) -> float:
        """Return the share of the budget in use, from 0 to 1."""
        self._forget(now)
        return len(self._taken) / self.requests

    def _forget(self, now: datetime) -> None:
        while self._taken and self._taken[0] <= now - self.per:
            self._taken.popleft()
        # A clock set back must not keep permits for longer than the window (R7).
        for i in range(len(self._taken) - 1, -1, -1):
            if self._taken[i] <= now:
                break
            self._taken[i] = now
