"""What follows from a delivery that was taken, or refused for good (R16, R18)."""

from dataclasses import replace

from notifier.domain import words
from notifier.domain.backoff import gives_up_at
from notifier.domain.condition import FAILING, WORKING, Condition
from notifier.domain.incident import Incident, IncidentKind, Subject
from notifier.domain.notification import Action, Notification
from notifier.domain.status import Severity
from notifier.domain.telling import REFUSED_FOR, undelivered
from notifier.pipeline.telling import News, Teller
from notifier.ports import Outcome, Settlement, UnitOfWork

_NOBODYS = ""  # the account of what belongs to none


class Settler:
    """Keeps the ledger right about what channels know, and tells of channels that refuse."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    async def settled(self, work: UnitOfWork, settlement: Settlement) -> bool:
        """Do what follows, in the transaction that settles. True if something was promised to a channel.

        A channel that refuses is an incident, told on the others; it ends with the next message it takes. What it
        did not take is owed to it again; the end of what it holds open, each hour for as long as that is tried (R18).
        """
        if settlement.outcome is Outcome.ABANDONED:
            await self._take_back(work, settlement)
            return await self._failing(work, settlement)
        closed = await self._close_late(work, settlement)
        return await self._works(work, settlement) or closed

    async def _close_late(self, work: UnitOfWork, settlement: Settlement) -> bool:
        """Promise the end of what was taken open when it was over: whoever sent it was paused, or overtaken (R18)."""
        told, promise, now = settlement.claimed.notification, settlement.claimed.promise, settlement.ended_at
        if promise.action not in {Action.OPEN, Action.UPDATE} or (key := told.incident_key) is None:
            return False
        incident = (await work.record.incidents([key])).get(key)
        if incident is None or incident.closed_at is None:
            return False
        waiting = await work.outbox.waiting(promise.channel)
        if any(each.key == key and each.action is Action.CLOSE for each in waiting):
            return False
        close = replace(
            promise, action=Action.CLOSE, lane=key, urgency=1, due_at=now, give_up_at=gives_up_at(now, Action.CLOSE)
        )
        await work.outbox.promise([(replace(told, recorded_at=now), [close])])
        return True

    async def _works(self, work: UnitOfWork, settlement: Settlement) -> bool:
        """End the channel's trouble, if it was in any."""
        channel, now = settlement.claimed.promise.channel, settlement.ended_at
        last = await work.record.last_incident(IncidentKind.CHANNEL, _NOBODYS, channel)
        if last is None or last.closed_at is not None:
            return False
        await work.ledger.lock(_NOBODYS)
        await work.record.close_incidents({last.key: now})
        await work.ledger.look_again(now, channel=channel)
        told = words.tell_channel_works(last, now)
        return await self._teller.tell(work, _NOBODYS, [_news(last, told, failing=False)], now)

    async def _take_back(self, work: UnitOfWork, settlement: Settlement) -> None:
        """Count the channel as not told, unless it was promised something newer meanwhile."""
        claimed = settlement.claimed
        lost, promise, at = claimed.notification, claimed.promise, settlement.ended_at
        if promise.action is Action.CLOSE:
            if (again := at + REFUSED_FOR) < promise.give_up_at:
                # In a lane of its own: the next incident need not wait for it.
                await work.outbox.promise([(lost, [replace(promise, lane=lost.incident_key or "", due_at=again)])])
            return
        await work.ledger.lock(lost.account)
        told = await work.ledger.told_by(claimed.notification_id, promise.channel)
        if told is not None:
            back = undelivered(told, lost, promise.action, uncertain=settlement.uncertain, at=at)
            await work.ledger.save_told([back])

    async def _failing(self, work: UnitOfWork, settlement: Settlement) -> bool:
        name, now = settlement.claimed.promise.channel, settlement.ended_at
        await work.ledger.lock(_NOBODYS)
        last = await work.record.last_incident(IncidentKind.CHANNEL, _NOBODYS, name)
        if last is not None and last.closed_at is None:
            return False
        incident = Incident(
            kind=IncidentKind.CHANNEL,
            account=_NOBODYS,
            subject=name,
            number=1 if last is None else last.number + 1,
            severity=Severity.WARNING,
            opened_at=now,
        )
        await work.record.open_incidents([incident])
        told = words.tell_channel_failed(incident, settlement.cause or "", settlement.claimed.notification)
        return await self._teller.tell(work, _NOBODYS, [_news(incident, told, failing=True)], now)


def _news(incident: Incident, told: Notification, *, failing: bool) -> News:
    condition = Condition(
        subject=Subject(kind=IncidentKind.CHANNEL, account=_NOBODYS, name=incident.subject),
        status=FAILING if failing else WORKING,
        before=WORKING if failing else FAILING,
        problem=failing,
        severity=told.severity,
        incident=incident.number if failing else None,
        changed_at=told.recorded_at,
    )
    return News(condition, told)
