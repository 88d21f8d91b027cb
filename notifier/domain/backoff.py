"""When a delivery is tried again, and when it is given up (R16). Pure: chance and time are arguments."""

from datetime import datetime, timedelta

from notifier.domain.notification import Action

_DELAYS = tuple(timedelta(seconds=s) for s in (5, 15, 30, 60, 120, 300))
_SPREAD = 0.2
_PATIENCE = timedelta(hours=24)
_PATIENCE_TO_CLOSE = timedelta(days=7)


def next_attempt(failed: int, now: datetime, *, retry_after: timedelta | None, chance: float) -> datetime:
    """Say when to try again after `failed` (≥ 1) attempts; `chance` in [0, 1) spreads it by ±20 %.

    A receiver's own `retry_after` is obeyed: never sooner than it says.
    """
    delay = _DELAYS[min(failed, len(_DELAYS)) - 1] * (1 + _SPREAD * (2 * chance - 1))
    return now + max(delay, retry_after or timedelta())


def due_as_of(now: datetime, due_at: datetime, tried_at: datetime | None, *, wait: timedelta) -> datetime:
    """Say when a delivery is due that was promised by a clock that may have been ahead (R7).

    From `now` on it waits no longer than it was to wait after its last attempt, which ended at `tried_at`; if there
    was none, no longer than `wait`. What this has said before stands.
    """
    was_to_wait = wait if tried_at is None else due_at - tried_at
    return due_at if was_to_wait < timedelta() else min(due_at, now + was_to_wait)


def gives_up_at(recorded_at: datetime, action: Action) -> datetime:
    """Say until when it is tried: 24 h; what closes an incident at a stateful receiver, 7 days (R16, R18)."""
    return recorded_at + (_PATIENCE_TO_CLOSE if action is Action.CLOSE else _PATIENCE)
