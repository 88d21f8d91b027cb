"""Whether the service does its own work, and in a sentence what is wrong with it (R30). Pure.

The sentences name no account, link or channel: they go to whoever asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.domain.duration import format_duration

_STILL = timedelta(seconds=15)  # the schedule moves each second
_SILENT = timedelta(minutes=1)  # the database is asked each 10 s
_UNSHARED = timedelta(minutes=1)  # leases are renewed each 5 s
_UNSENT = timedelta(minutes=5)  # R30
_UNAUDITED = timedelta(minutes=5)  # an audit is made each minute
_SLACK = timedelta(minutes=1)  # to be begun, and to be written


class Vital(StrEnum):
    """A sign of life: what shows that the service does its work."""

    LOOP = "loop"  # the schedule moves
    DATABASE = "database"  # it answers
    LEASES = "leases"  # the accounts are shared out, and ours are watched
    POLLS = "polls"  # they begin, end and are written; what Cloudflare answers is another matter (R6)
    DELIVERIES = "deliveries"  # what is due is being sent
    AUDIT = "audit"  # it is made, and it passes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the polls of one account are.

    `begun_at` is when the one began that is under way for longest, `due_at` when the one was due that waits for longest
    to be begun. `turns` is how many polls, one after the other, may rightly come before that one. `seen_at` is when the
    oldest was seen of what is not written yet.
    """

    begun_at: datetime | None = None
    due_at: datetime | None = None
    turns: int = 0
    seen_at: datetime | None = None

    def stuck_for(self, now: datetime, timeout: timedelta) -> timedelta | None:
        """Return for how long a poll is due, under way or unwritten, if that can't be Cloudflare's doing.

        `timeout` is for one request; a poll may have to wait for a listing's first.
        """
        allowed = ((self.begun_at, 2 * timeout), (self.due_at, self.turns * timeout), (self.seen_at, timedelta()))
        return max((now - at for at, span in allowed if at and now - at > span + _SLACK), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the health is judged by.

    `moved_at` is when the schedule last moved (None: it is not meant to), `answered_at` when the database last
    answered, `audited_at` when the last audit was made; before the first time, when the service began. `shared_at` is
    when the accounts were last shared out among the replicas, and all that is ours was under watch (None: there are no
    replicas). `earliest_due_at` is when the first of the pending deliveries is due, as the database answered;
    `violations` are those that the last audit found. `timeout` is that of a request to Cloudflare.
    """

    moved_at: datetime | None
    answered_at: datetime
    audited_at: datetime
    shared_at: datetime | None
    earliest_due_at: datetime | None
    violations: int
    polls: Sequence[Progress]
    timeout: timedelta


def ailments(signs: Signs, now: datetime) -> dict[Vital, str]:
    """Return what is wrong, each in a sentence; nothing if the service is healthy."""
    found = {
        Vital.LOOP: _loop(signs, now),
        Vital.DATABASE: _database(signs, now),
        Vital.LEASES: _leases(signs, now),
        Vital.POLLS: _polls(signs, now),
        Vital.DELIVERIES: _deliveries(signs),
        Vital.AUDIT: _audit(signs, now),
    }
    return {vital: ailment for vital, ailment in found.items() if ailment is not None}


def _loop(signs: Signs, now: datetime) -> str | None:
    still = timedelta() if signs.moved_at is None else now - signs.moved_at
    return f"nothing was begun for {format_duration(still)}" if still > _STILL else None


def _database(signs: Signs, now: datetime) -> str | None:
    silent = now - signs.answered_at
    return f"the database has not answered for {format_duration(silent)}" if silent > _SILENT else None


def _leases(signs: Signs, now: datetime) -> str | None:
    ago = timedelta() if signs.shared_at is None else now - signs.shared_at
    return f"accounts may be unwatched for {format_duration(ago)}" if ago > _UNSHARED else None


def _polls(signs: Signs, now: datetime) -> str | None:
    stuck = [span for each in signs.polls if (span := each.stuck_for(now, signs.timeout)) is not None]
    if not stuck:
        return None
    return f"polls of {_count(len(stuck), 'account')} are stuck, for {format_duration(max(stuck))} now"


def _deliveries(signs: Signs) -> str | None:
    waiting = timedelta() if signs.earliest_due_at is None else signs.answered_at - signs.earliest_due_at
    return f"a delivery is due for {format_duration(waiting)} and was not sent" if waiting > _UNSENT else None


def _audit(signs: Signs, now: datetime) -> str | None:
    if signs.violations:
        return f"the record does not add up: {_count(signs.violations, 'violation')}"
    ago = now - signs.audited_at
    return f"no audit was made for {format_duration(ago)}" if ago > _UNAUDITED else None


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
