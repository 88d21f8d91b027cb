"""What follows from a delivery that was taken, or refused for good (R16, R18)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from notifier.domain import words
from notifier.domain.backoff import gives_up_at
from notifier.domain.condition import FAILING, WORKING, Condition
from notifier.domain.incident import NOBODYS, Incident, IncidentKind, Subject
from notifier.domain.notification import Action, Notification
from notifier.domain.status import Severity
from notifier.domain.telling import REFUSED_FOR, undelivered
from notifier.pipeline.telling import News, Teller
from notifier.ports import Claimed, Outcome, Promise, Settlement, UnitOfWork


class Settler:
    """Keeps the ledger right about what channels know, and tells of channels that refuse."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    async def settle(self, work: UnitOfWork, settlements: Sequence[Settlement]) -> tuple[list[Settlement], bool]:
        """Write what came of a channel's deliveries, and do what follows.

        Returns those whose lease was not lost to another meanwhile, and whether something was promised to a channel.
        A channel that refuses is an incident, told on the others; it ends with the next message it takes. What it
        did not take is owed to it again; the end of what it holds open, each hour for as long as that is tried (R18).
        """
        trouble = await self._alone(work, settlements)
        held = await work.outbox.settle(settlements)
        # What a receiver took it took, whoever has the lease by now.
        promised = await self._close_late(work, [each for each in settlements if each.outcome is Outcome.SENT])
        for each in (each for each in held if each.outcome is Outcome.ABANDONED):
            await self._take_back(work, each)
            promised |= await self._failing(work, each)
        if trouble is not None:
            promised |= await self._works(work, trouble, settlements[-1].ended_at)
        return held, promised

    async def _alone(self, work: UnitOfWork, settlements: Sequence[Settlement]) -> Incident | None:
        """Be alone with every subject that may be written, before anything is; return the trouble that ends, if any."""
        channel = settlements[0].claimed.promise.channel
        taken = any(each.outcome is Outcome.SENT for each in settlements)
        if taken and await self._trouble(work, channel) is not None:
            await work.ledger.lock_all()
            return await self._trouble(work, channel)
        refused = {each.claimed.notification.account for each in settlements if each.outcome is Outcome.ABANDONED}
        if refused:
            await work.ledger.lock(NOBODYS, *refused)
        return None

    @staticmethod
    async def _trouble(work: UnitOfWork, channel: str) -> Incident | None:
        last = await work.record.last_incident(IncidentKind.CHANNEL, NOBODYS, channel)
        return last if last is not None and last.closed_at is None else None

    @staticmethod
    async def _close_late(work: UnitOfWork, sent: Sequence[Settlement]) -> bool:
        """Promise the ends of what was taken open when it was over: who sent it was paused, or overtaken (R18)."""
        opening = [each for each in sent if each.claimed.promise.action in {Action.OPEN, Action.UPDATE}]
        keys = [each.claimed.notification.incident_key or "" for each in opening]
        incidents = await work.record.incidents(keys)
        over = {key for key, incident in incidents.items() if incident.closed_at is not None}
        over |= await work.drills.over(keys)
        if over:
            waiting = await work.outbox.waiting(opening[0].claimed.promise.channel)
            over -= {each.key for each in waiting if each.action is Action.CLOSE}
        late = [each for each in opening if each.claimed.notification.incident_key in over]
        await work.outbox.promise([_close(each) for each in late])
        return bool(late)

    async def _works(self, work: UnitOfWork, trouble: Incident, now: datetime) -> bool:
        """End a channel's trouble."""
        await work.record.close_incidents({trouble.key: now})
        await work.ledger.look_again(now, channel=trouble.subject)
        told = words.tell_channel_works(trouble, now)
        return await self._teller.tell(work, NOBODYS, [_news(trouble, told, failing=False)], now)

    async def _take_back(self, work: UnitOfWork, settlement: Settlement) -> None:
        """Have what was given up tried again: an end that is due each hour, everything else by what is owed."""
        claimed = settlement.claimed
        lost, promise, at = claimed.notification, claimed.promise, settlement.ended_at
        if promise.action is Action.CLOSE:
            if (again := at + REFUSED_FOR) < promise.give_up_at:
                # In a lane of its own: the next incident need not wait for it.
                await work.outbox.promise(
                    [(lost, [replace(promise, lane=lost.incident_key or "", due_at=again, sighted_at=None)])]
                )
            return
        await take_back(work, claimed, at, uncertain=settlement.uncertain)

    async def _failing(self, work: UnitOfWork, settlement: Settlement) -> bool:
        name, now = settlement.claimed.promise.channel, settlement.ended_at
        last = await work.record.last_incident(IncidentKind.CHANNEL, NOBODYS, name)
        if last is not None and last.closed_at is None:
            return False
        incident = Incident(
            kind=IncidentKind.CHANNEL,
            account=NOBODYS,
            subject=name,
            number=1 if last is None else last.number + 1,
            severity=Severity.WARNING,
            opened_at=now,
        )
        await work.record.open_incidents([incident])
        told = words.tell_channel_failed(incident, settlement.cause or "", settlement.claimed.notification)
        return await self._teller.tell(work, NOBODYS, [_news(incident, told, failing=True)], now)


async def take_back(work: UnitOfWork, lost: Claimed, at: datetime, *, uncertain: bool) -> None:
    """Count a channel as not told of what was given up, unless it was promised something newer meanwhile."""
    told = await work.ledger.told_by(lost.notification_id, lost.promise.channel)
    if told is None:
        return
    heard, does = await work.outbox.last_heard(lost), lost.promise.action
    back = undelivered(told, lost.notification, does, uncertain=uncertain, heard=heard, at=at)
    await work.ledger.save_told([back])


def _close(settlement: Settlement) -> tuple[Notification, list[Promise]]:
    told, promise, now = settlement.claimed.notification, settlement.claimed.promise, settlement.ended_at
    lane, gives_up = told.incident_key or "", gives_up_at(now, Action.CLOSE)
    close = replace(
        promise, action=Action.CLOSE, lane=lane, urgency=1, due_at=now, give_up_at=gives_up, sighted_at=None
    )
    return replace(told, recorded_at=now), [close]


def _news(incident: Incident, told: Notification, *, failing: bool) -> News:
    condition = Condition(
        subject=Subject(kind=IncidentKind.CHANNEL, account=NOBODYS, name=incident.subject),
        status=FAILING if failing else WORKING,
        before=WORKING if failing else FAILING,
        problem=failing,
        severity=told.severity,
        incident=incident.number if failing else None,
        changed_at=told.recorded_at,
    )
    return News(condition, told)
