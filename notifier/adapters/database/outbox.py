"""Queries on what was promised to the channels (R15, R16)."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows
from notifier.adapters.database.entering import Entering
from notifier.adapters.database.journal import Journal
from notifier.adapters.database.punctuality import count
from notifier.adapters.database.tables import attempts, deliveries, notifications
from notifier.domain.backoff import due_as_of
from notifier.domain.chain import EntryKind
from notifier.domain.drill import LANES
from notifier.domain.merging import Waiting
from notifier.domain.notification import Action, Notification
from notifier.domain.objective import Punctuality
from notifier.domain.pacing import Sent
from notifier.domain.telling import Heard
from notifier.ports import Accepted, Claimed, Outcome, Promise, Settlement

_CAUSE_LENGTH = 500
_AT_MOST = 10_000  # deliveries in one claim; the databases take some 32,000 values in a statement
_CLAIMS = 1  # which of the database's advisory locks are those of claims


class SqlOutbox:
    """Keeps `ports.Outbox` on either database."""

    def __init__(self, conn: AsyncConnection, journal: Journal, entering: Entering) -> None:
        self._conn = conn
        self._journal = journal
        self._entering = entering

    async def promise(self, promised: Collection[tuple[Notification, Collection[Promise]]]) -> list[int]:
        """Write notifications, each with its deliveries; return the notifications' ids."""
        if not promised:
            return []
        written = (await self._conn.execute(_SAY, [rows.from_notification(told) for told, _ in promised])).all()
        self._entering.note(EntryKind.NOTIFICATION, written)
        values = [
            rows.values(promise) | {"notification": row.id, "outcome": Outcome.PENDING, "attempts": 0}
            for row, (_, promises) in zip(written, promised, strict=True)
            for promise in promises
        ]
        if values:
            await self._conn.execute(_PROMISE, values)
        return [row.id for row in written]

    async def notifications(self, ids: Collection[int]) -> dict[int, Notification]:
        """Return notifications by id."""
        if not ids:
            return {}
        found = await self._conn.execute(_WORDS, {"ids": list(set(ids))})
        return {row.id: rows.to_notification(row.content) for row in found}

    async def hold(self, channel: str, now: datetime) -> bool:
        """Say whether anything is due for the channel; if so, no other claims for it until the transaction ends.

        One at a time makes a storm's count and a lane's order right for several processes. SQLite has one writer
        anyway.
        """
        held = await self._conn.execute(_HOLD[self._conn.dialect.name], {"whose": channel, "now": now})
        return held.first() is not None

    async def passing(self, channel: str, now: datetime) -> list[Waiting]:
        """Return, in order, what waits unleased in the channel's lanes where a close waits behind anything else."""
        these = {"whose": channel, "now": now}
        lanes = list(await self._conn.scalars(_PASSED, these))
        found = await self._conn.execute(_PASSING, {"lanes": lanes, **these}) if lanes else ()
        return [_to_waiting(row) for row in found]

    async def waiting(self, channel: str) -> list[Waiting]:
        """Return, in order, everything that is pending for a channel and tells of an incident."""
        d = deliveries.c
        found = await self._conn.execute(_queue(d.outcome == Outcome.PENDING, d.channel == channel))
        return [_to_waiting(row) for row in found]

    async def call_off(self, ids: Collection[int], cause: str, at: datetime) -> None:
        """Settle pending deliveries as moot."""
        d = deliveries
        if ids:
            moot = await self._conn.execute(
                update(d)
                .where(d.c.id.in_(ids), d.c.outcome == Outcome.PENDING)
                .values(outcome=Outcome.MOOT, cause=cause, settled_at=at)
                .returning(d)
            )
            for claimed in await self._with_words(moot.all()):
                self._note(claimed, Outcome.MOOT, at, cause)

    async def sent(self, channel: str, *, since: datetime, now: datetime) -> list[Sent]:
        """Return the channel's messages since then; each lane that is being sent now counts as one of this moment."""
        found = await self._conn.execute(_MESSAGES, {"whose": channel, "since": since, "now": now})
        return [Sent(at=row.at, lanes=row.lanes) for row in found]

    async def claim(
        self, channel: str, *, whole: bool, lanes: int | None, now: datetime, until: datetime, owner: str
    ) -> list[Claimed]:
        """Lease what is due, lane by lane; see `ports.Outbox.claim`."""
        these = {"whose": channel, "now": now}
        due = await self._conn.execute(_DUE, {"at_most": lanes or _AT_MOST, **these})
        found = due.all()
        if whole and found:
            place = {row.lane: place for place, row in enumerate(found)}
            held = await self._conn.execute(_HELD, {"lanes": list(place), **these})
            found = sorted(held, key=lambda row: (place[row.lane], row.id))
        if not found:
            return []
        leased = await self._conn.execute(
            _LEASE, {"ids": [row.id for row in found], "until": until, "owner": owner, **these}
        )
        ours = set(leased.scalars())
        return [_claimed(row, rows.to_notification(row.content)) for row in found if row.id in ours]

    async def renew(self, ids: Collection[int], *, until: datetime, owner: str) -> None:
        """Lease anew what the owner still has leased."""
        d = deliveries
        if ids:
            await self._conn.execute(
                update(d).where(d.c.id.in_(ids), d.c.leased_by == owner).values(leased_until=until)
            )

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """Write what came of a message's deliveries; return those whose lease was not lost to another meanwhile."""
        leased = await self._conn.execute(_LEASED, {"ids": [each.claimed.id for each in settlements]})
        owners = {row.id: (row.leased_by, row.attempts) for row in leased}
        held = [each for each in settlements if owners.get(each.claimed.id) == (each.owner, each.claimed.attempt)]
        if held:
            await self._conn.execute(_SETTLE, [_settled(settlement) for settlement in held])
            written = await self._conn.execute(_ATTEMPT, [_attempt(settlement) for settlement in held])
            accounts = {s.claimed.id: s.claimed.notification.account for s in held}
            self._entering.note(EntryKind.ATTEMPT, written, lambda row: accounts[row.delivery])
        for s in held:
            if s.outcome is not Outcome.PENDING:
                self._note(s.claimed, s.outcome, s.ended_at, s.cause)
        return held

    async def abandoned(self, delivery: int) -> Claimed | None:
        """Return a delivery that was abandoned."""
        d = deliveries
        found = await self._conn.execute(select(d).where(d.c.id == delivery, d.c.outcome == Outcome.ABANDONED))
        return next(iter(await self._with_words(found.all())), None)

    async def last_heard(self, lost: Claimed) -> Heard | None:
        """Return the last that the channel of a delivery took, or may have taken, of its subject."""
        d, n = deliveries, notifications
        perhaps = and_(d.c.outcome == Outcome.ABANDONED, d.c.uncertain)
        found = await self._conn.execute(
            select(n.c.content, d.c.outcome)
            .join_from(d, n, n.c.id == d.c.notification)
            .where(d.c.channel == lost.promise.channel, d.c.lane == lost.promise.lane)
            .where(n.c.account == lost.notification.account, n.c.subject == lost.notification.subject)
            .where(or_(d.c.outcome == Outcome.SENT, perhaps))
            .order_by(d.c.settled_at.desc(), d.c.id.desc())
            .limit(1)
        )
        row = found.first()
        return None if row is None else Heard(rows.to_notification(row.content), surely=row.outcome == Outcome.SENT)

    async def retry(self, delivery: int, *, due_at: datetime, give_up_at: datetime) -> bool:
        """Make an abandoned delivery pending again, and uncertain."""
        d = deliveries
        retried = await self._conn.execute(
            update(d)
            .where(d.c.id == delivery, d.c.outcome == Outcome.ABANDONED)
            .values(outcome=Outcome.PENDING, settled_at=None, due_at=due_at, give_up_at=give_up_at, uncertain=True)
        )
        return retried.rowcount > 0

    async def bring_back(self, now: datetime, *, wait: timedelta, lease: timedelta) -> None:
        """Have nothing wait from `now` on longer than it was to."""
        d, a = deliveries, attempts
        await self._conn.execute(update(d).where(d.c.leased_until > now + lease).values(leased_until=now + lease))
        tried = (
            select(d.c.id, d.c.due_at, func.max(a.c.ended_at).label("at"))
            .join_from(d, a, a.c.delivery == d.c.id, isouter=True)
            .where(d.c.outcome == Outcome.PENDING, d.c.due_at > now)
            .group_by(d.c.id, d.c.due_at)
        )
        sooner = [
            {"late": row.id, "due": due_at}
            for row in await self._conn.execute(tried)
            if (due_at := due_as_of(now, row.due_at, row.at, wait=wait)) < row.due_at
        ]
        await self._conn.execute(
            update(d).where(d.c.outcome == Outcome.PENDING, d.c.sighted_at > now).values(sighted_at=now)
        )
        if sooner:
            at_id = update(d).where(d.c.id == bindparam("late")).values(due_at=bindparam("due"))
            await self._conn.execute(at_id, sooner)

    async def release(self, owner: str | None = None) -> None:
        """Give up leases: an owner's, or everybody's."""
        d = deliveries
        mine = d.c.leased_by.is_not(None) if owner is None else d.c.leased_by == owner
        await self._conn.execute(update(d).where(mine).values(leased_until=None, leased_by=None))

    async def readdress(self, old: str, new: str, *, to: str) -> dict[int, int]:
        """Give what is pending for a channel to another name, copying the words that `to` was promised as well."""
        d, other = deliveries, deliveries.alias()
        pending = and_(d.c.channel == old, d.c.outcome == Outcome.PENDING)
        both = select(d.c.notification).join(other, other.c.notification == d.c.notification)
        told = await self.notifications(list(await self._conn.scalars(both.where(pending, other.c.channel == to))))
        copies = dict(zip(told, await self.promise([(words, []) for words in told.values()]), strict=True))
        for original, copy in copies.items():
            mine = and_(d.c.notification == original, d.c.channel == old)
            await self._conn.execute(update(d).where(mine).values(notification=copy))
        await self._conn.execute(update(d).where(pending).values(channel=new))
        return copies

    async def abandon(self, channel: str, cause: str, at: datetime) -> list[Claimed]:
        """Abandon what is pending for a channel, but what closes an incident in time; return it, in order."""
        d = deliveries
        given_up = or_(d.c.action != Action.CLOSE, d.c.give_up_at <= at)
        ended = await self._conn.execute(
            update(d)
            .where(d.c.channel == channel, d.c.outcome == Outcome.PENDING, given_up)
            .values(outcome=Outcome.ABANDONED, cause=cause, settled_at=at, leased_until=None, leased_by=None)
            .returning(d)
        )
        found = await self._with_words(sorted(ended, key=lambda row: row.id))
        for claimed in found:
            self._note(claimed, Outcome.ABANDONED, at, cause)
        return found

    def _note(self, delivery: Claimed, outcome: Outcome, at: datetime, cause: str | None) -> None:
        told = delivery.notification
        about = {"title": told.title, "incident": told.incident_key, "channel": delivery.promise.channel}
        more = {"delivery": delivery.id, "outcome": str(outcome), "cause": cause and cause[:_CAUSE_LENGTH]}
        self._journal.note("delivery", at, told.account, told.subject, **more, **about)

    async def _with_words(self, found: Sequence[Row[Any]]) -> list[Claimed]:
        told = await self.notifications([row.notification for row in found])
        return [_claimed(row, told[row.notification]) for row in found]

    async def earliest_due(self, channels: Collection[str]) -> datetime | None:
        """Return when the first of what is pending for these channels is due; of each lane its oldest counts."""
        d, head = deliveries.c, deliveries.alias()
        pending = select(func.min(d.id).label("head")).where(d.outcome == Outcome.PENDING, d.channel.in_(channels))
        lanes = pending.group_by(d.channel, d.lane).subquery()
        due_at: datetime | None = await self._conn.scalar(
            select(func.min(head.c.due_at)).join(lanes, head.c.id == lanes.c.head)
        )
        return due_at

    async def waiting_channels(self) -> set[str]:
        """Return the channels for which something is pending."""
        d = deliveries
        found = await self._conn.execute(select(d.c.channel).where(d.c.outcome == Outcome.PENDING).distinct())
        return {row.channel for row in found}

    async def punctuality(
        self, channels: Collection[str], *, since: datetime, within: timedelta, now: datetime
    ) -> Punctuality:
        """Count what was in time, and what late, of changes first seen since then."""
        return await count(self._conn, channels, since=since, within=within, now=now)


# Put together once: that takes longer than to run them. What is pending is never joined with itself but by id: as
# most deliveries are settled, PostgreSQL expects one or two to be pending, and would go through thousands for each.


def _waiting(d: FromClause) -> ColumnElement[bool]:
    """Pending for the channel, and nobody is sending it."""
    return and_(d.c.outcome == Outcome.PENDING, d.c.channel == bindparam("whose"), _free(d.c.leased_until))


def _free(leased_until: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(leased_until.is_(None), leased_until <= bindparam("now"))


def _queue(*these: ColumnElement[bool]) -> Select[Any]:
    """What tells of incidents, in order."""
    d, n = deliveries, notifications
    return (
        select(d.c.id, n.c.incident_key.label("key"), d.c.action, d.c.uncertain)
        .join_from(d, n, n.c.id == d.c.notification)
        .where(*these, n.c.incident_key.is_not(None))
        .order_by(d.c.id)
    )


def _passed() -> Select[Any]:
    """The lanes in which a close waits behind anything else, the oldest first, as they are sent."""
    d = deliveries.c
    last_close = func.max(case((d.action == Action.CLOSE, d.id)))
    lanes = select(d.lane).where(_waiting(deliveries)).group_by(d.lane).having(last_close > func.min(d.id))
    return lanes.order_by(func.min(d.id)).limit(_AT_MOST)


def _due() -> Select[Any]:
    """The oldest of each lane whose oldest is due, and of which nothing is leased; urgent lanes first.

    These oldest ones are locked. A lane whose oldest another process is just writing is passed over, not waited for:
    it comes next time. That they still are pending is asked of a column without an index, or that would be used.
    """
    d, head = deliveries.c, deliveries.alias()
    lanes = (
        select(func.min(d.id).label("head"), func.min(d.urgency).label("urgency"))
        .where(d.outcome == Outcome.PENDING, d.channel == bindparam("whose"))
        .group_by(d.lane)
        .having(_free(func.max(d.leased_until)))
        .subquery()
    )
    return (
        select(head, notifications.c.content)
        .join(lanes, head.c.id == lanes.c.head)
        .join(notifications, notifications.c.id == head.c.notification)
        .where(head.c.settled_at.is_(None), _free(head.c.leased_until), head.c.due_at <= bindparam("now"))
        .order_by(lanes.c.urgency, lanes.c.head)
        .limit(bindparam("at_most", type_=Integer))
        .with_for_update(of=head, skip_locked=True)
    )


def _messages() -> CompoundSelect[Any, int]:
    """When the channel's messages went out, and of how many lanes each told; a drill makes no storm.

    Each lane that is being sent is one of this moment.
    """
    d, a = deliveries.c, attempts.c
    ours = and_(d.channel == bindparam("whose"), d.lane.not_like(f"{LANES}%"))
    sent = (
        select(func.max(a.started_at).label("at"), func.count(d.lane.distinct()).label("lanes"))
        .join_from(attempts, deliveries, d.id == a.delivery)
        .where(ours, a.started_at > bindparam("since"), a.message.is_not(None))
        .group_by(a.message)
    )
    leased = and_(d.outcome == Outcome.PENDING, d.leased_until > bindparam("now"))
    now = bindparam("now", type_=d.leased_until.type)
    under_way = select(now, literal(1)).where(ours, leased).group_by(d.lane)
    return sent.union_all(under_way)


_SAY = insert(notifications).returning(notifications, sort_by_parameter_order=True)
_PROMISE = insert(deliveries)
_ATTEMPT = insert(attempts).returning(attempts)
_WORDS = select(notifications.c.id, notifications.c.content).where(
    notifications.c.id.in_(bindparam("ids", expanding=True))
)
_MESSAGES = _messages()
_ANY_DUE = exists().where(
    deliveries.c.outcome == Outcome.PENDING,
    deliveries.c.channel == bindparam("whose"),
    deliveries.c.due_at <= bindparam("now"),
)
_HOLD = {
    "postgresql": select(func.pg_advisory_xact_lock(_CLAIMS, func.hashtext(bindparam("whose")))).where(_ANY_DUE),
    "sqlite": select(literal(1)).where(_ANY_DUE),
}
_LEASED = (
    select(deliveries.c.id, deliveries.c.leased_by, deliveries.c.attempts)
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(deliveries.c.id)
    .with_for_update()
)
_SETTLE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("its"))
    .values(
        outcome=bindparam("outcome"),
        cause=bindparam("cause"),
        receipt=bindparam("receipt"),
        uncertain=bindparam("uncertain"),
        settled_at=bindparam("settled_at"),
        due_at=bindparam("due_at"),
        leased_until=None,
        leased_by=None,
    )
)
_IN_LANES = deliveries.c.lane.in_(bindparam("lanes", expanding=True))
_PASSED = _passed()
_PASSING = _queue(_waiting(deliveries), _IN_LANES)
_DUE = _due()
_HELD = (
    select(deliveries, notifications.c.content)
    .join(notifications, notifications.c.id == deliveries.c.notification)
    .where(_waiting(deliveries), _IN_LANES)
    .order_by(deliveries.c.id)
    .limit(_AT_MOST)
)
_LEASE = (
    update(deliveries)
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True)), _waiting(deliveries))
    .values(
        leased_until=bindparam("until"),
        leased_by=bindparam("owner"),
        attempts=deliveries.c.attempts + 1,
        uncertain=True,
    )
    .returning(deliveries.c.id)
)


def _to_waiting(row: Row[Any]) -> Waiting:
    return Waiting(id=row.id, key=row.key, action=Action(row.action), uncertain=row.uncertain)


def _claimed(row: Row[Any], told: Notification) -> Claimed:
    return Claimed(
        id=row.id,
        attempt=row.attempts + 1,
        notification_id=row.notification,
        notification=told,
        uncertain=row.uncertain,
        promise=Promise(
            channel=row.channel,
            lane=row.lane,
            action=Action(row.action),
            urgency=row.urgency,
            due_at=row.due_at,
            give_up_at=row.give_up_at,
            why=row.why or "",
            sighted_at=row.sighted_at,
        ),
    )


def _settled(s: Settlement) -> rows.Values:
    return {
        "its": s.claimed.id,
        "outcome": s.outcome,
        "cause": s.cause and s.cause[:_CAUSE_LENGTH],
        "receipt": s.answer.receipt if isinstance(s.answer, Accepted) else None,
        "uncertain": s.uncertain,
        "settled_at": s.ended_at if s.outcome is not Outcome.PENDING else None,
        "due_at": s.due_at or s.claimed.promise.due_at,
    }


def _attempt(s: Settlement) -> rows.Values:
    return {
        "delivery": s.claimed.id,
        "number": s.claimed.attempt,
        "message": s.message,
        "started_at": s.started_at,
        "ended_at": s.ended_at,
        "outcome": s.outcome,
        "code": s.answer.code,
        "cause": s.cause and s.cause[:_CAUSE_LENGTH],
        "channel": s.claimed.promise.channel,
        "receipt": s.answer.receipt if isinstance(s.answer, Accepted) else None,
    }
