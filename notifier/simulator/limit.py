"""Cloudflare's limit on requests, as its documentation describes it. Pure: time is an argument, in seconds."""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from notifier.domain.duration import parse_duration


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in any span of `per`; whoever asks for more is not answered at all for another `per`."""

    requests: int
    per: timedelta

    def __str__(self) -> str:
        return f"{self.requests}/{self.per.total_seconds():g}s"


def parse_limit(text: str) -> Limit:
    """Read `1200/5m`; ValueError for anything else."""
    requests, _, per = text.partition("/")
    if not (requests.isascii() and requests.isdigit() and int(requests)):
        raise ValueError("expected a number of requests and a duration, such as 1200/5m")
    span = parse_duration(per)
    if not span:
        raise ValueError("expected a duration longer than nothing, such as 5m")
    return Limit(int(requests), span)


@dataclass(slots=True)
class Allowance:
    """What one credential has used of the limit."""

    taken: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0

    def take(self, limit: Limit, now: float) -> tuple[bool, dict[str, str]]:
        """Take one request; say whether it may be answered, and the headers to say so with."""
        per = limit.per.total_seconds()
        while self.taken and self.taken[0] <= now - per:
            self.taken.popleft()
        if now >= self.blocked_until and len(self.taken) >= limit.requests:
            self.blocked_until = now + per
        allowed = now >= self.blocked_until
        if allowed:
            self.taken.append(now)
        return allowed, self._headers(limit, now)

    def _headers(self, limit: Limit, now: float) -> dict[str, str]:
        per = limit.per.total_seconds()
        blocked = self.blocked_until > now
        left = 0 if blocked else limit.requests - len(self.taken)
        reset = ceil(round((self.blocked_until if blocked else self.taken[0] + per) - now, 6))
        headers = {
            "ratelimit": f'"default";r={left};t={reset}',
            "ratelimit-policy": f'"default";q={limit.requests};w={per:g}',
        }
        return {**headers, "retry-after": str(reset)} if blocked else headers
