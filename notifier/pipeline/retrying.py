"""What an operator has sent once more: an abandoned delivery, whose channel counts as told of it again (R16, R18)."""

from dataclasses import replace
from datetime import datetime, timedelta

from notifier.domain.backoff import gives_up_at
from notifier.domain.incident import number_in
from notifier.domain.notification import Action
from notifier.domain.telling import Told, taken
from notifier.ports import Claimed, UnitOfWork


async def resend(work: UnitOfWork, delivery: int, now: datetime, *, remind: timedelta) -> str | None:
    """Have an abandoned delivery sent once more; return what keeps it from that, if anything does.

    From now on its channel counts as told again: what comes next is compared with that, so that what it opens is
    closed. What is out of date is not sent: how things stand is owed to the channel anyway. `remind` is the time
    between reminders (0: none).
    """
    lost = await work.outbox.abandoned(delivery)
    if lost is None:
        return "was not abandoned"
    telling, does = lost.notification, lost.promise.action
    await work.ledger.lock(telling.account)
    told = await work.ledger.told_by(lost.notification_id, lost.promise.channel)
    if (why := await _outdated(work, lost, told)) is not None:
        return why
    if not await work.outbox.retry(delivery, due_at=now, give_up_at=gives_up_at(now, does)):
        return "was not abandoned"  # somebody else was quicker
    if told is not None and does is not Action.CLOSE:
        again = taken(told, telling, does)
        remind_at = now + remind if remind and again.problem and does is Action.TELL else None
        await work.ledger.save_told([replace(again, look_at=now, remind_at=remind_at)])
    return None


async def _outdated(work: UnitOfWork, lost: Claimed, told: Told | None) -> str | None:
    """Say why it is not to be sent any more, if that is so."""
    telling = lost.notification
    match lost.promise.action:
        case Action.CLOSE:
            return None
        case Action.TELL:
            current = told is not None or telling.status is None
        case Action.OPEN | Action.UPDATE:
            conditions = [] if told is None else await work.ledger.conditions(telling.account, [told.subject], ())
            if told is not None and [c.incident for c in conditions] != [number_in(telling.incident_key)]:
                return "would open an incident that has ended"
            current = told is not None
    return None if current else f"is out of date: it says how {telling.subject} stood then"
