"""When each link is due, so that polls are spread evenly and the budget is kept (R32). Pure."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GOLDEN = (5**0.5 - 1) / 2


def phase(index: int) -> float:
    """Place the link with this index (from 0) in the interval: a fraction in [0, 1).

    Steps of the golden ratio lie evenly for any number of links, and adding one moves no other.
    """
    return index * _GOLDEN % 1.0


def stretched(interval: timedelta, *, links: int, budget_requests: int, per: timedelta, reserve: int) -> timedelta:
    """Return the shortest interval, not below `interval`, at which `links` can be polled (R32).

    Of `budget_requests` in any `per`, `reserve` are left to discovery, re-checks, and the one or two
    polls by which an even spread is uneven; at least one request is spent on polls.
    """
    for_polls = max(budget_requests - reserve, 1)
    return max(interval, -(-links * per // for_polls))


def next_due(now: datetime, interval: timedelta, phase: float) -> datetime:
    """Return the first moment strictly after `now`, and at most one interval later, that is due.

    The grid is anchored to the epoch: a restart changes nobody's turn, so it causes no burst.
    """
    first = _EPOCH + interval * phase
    return first + ((now - first) // interval + 1) * interval
