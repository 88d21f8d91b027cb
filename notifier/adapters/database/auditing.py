"""Queries on whether the record adds up (R28): each finds what should not be there, by index, and little of it."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, cast, exists, func, literal, null, or_, select, text
from sqlalchemy import Text as SqlText
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows
from notifier.adapters.database.tables import (
    attempts,
    channels,
    conditions,
    deliveries,
    incidents,
    notifications,
    states,
    told,
    transitions,
    verdicts,
)
from notifier.domain.condition import Condition
from notifier.domain.incident import IncidentKind
from notifier.domain.notification import Action
from notifier.domain.status import HEALTHY, PENDING
from notifier.domain.violation import Flaw, Violation
from notifier.ports import Outcome

_EACH = 100
_UNTOLD = 1000  # many of them are not reached by any route
_SETTLED = [outcome for outcome in Outcome if outcome is not Outcome.PENDING]


class SqlAuditing:
    """Keeps `ports.Auditing` on either database."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    async def violations(
        self,
        stateful: Mapping[str, bool],
        *,
        since: datetime | None,
        taken_since: datetime,
        look_before: datetime,
        due_before: datetime,
    ) -> list[Violation]:
        """Return what does not add up, at most 100 of each flaw."""
        if self._conn.dialect.name == "postgresql":  # SQLite shows one moment anyway
            await self._conn.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        keeping = [name for name, keeps in stateful.items() if keeps]
        asked = {
            Flaw.MISSING: _missing(since),
            Flaw.UNRECORDED: _unrecorded(),
            Flaw.NO_INCIDENT: _no_incident(),
            Flaw.KEYLESS: _keyless(),
            Flaw.NO_CONDITION: _no_condition(),
            Flaw.ENDED: _ended(),
            Flaw.MISSTATED: _misstated(),
            Flaw.HELD_OPEN: _held_open(keeping),
            Flaw.STRANDED: _stranded(keeping, taken_since),
            Flaw.OUTDATED: _outdated([name for name, keeps in stateful.items() if not keeps]),
            Flaw.FORGOTTEN: _forgotten(stateful, look_before),
            Flaw.OVERDUE: _overdue(stateful, due_before),
        }
        return [violation for flaw, query in asked.items() async for violation in self._found(flaw, query)]

    async def _found(self, flaw: Flaw, query: Select[Any]) -> AsyncIterator[Violation]:
        for row in await self._conn.execute(query.limit(_EACH)):
            subject = None if row.kind is None else rows.to_subject(row)
            yield Violation(flaw=flaw, since=row.since, subject=subject, channel=row.channel, number=row.number)

    async def untold(self, channel: str, changed_before: datetime) -> list[Condition]:
        """Return the problems of which a channel knows nothing, and nothing says why."""
        c, t, v = conditions, told, verdicts
        knows = exists().where(
            t.c.channel == channel, _same(t, c), or_(t.c.incident == c.c.incident, t.c.kept.is_not(None))
        )
        explained = exists().where(v.c.notification == c.c.notification, v.c.channel == channel)
        query = (
            select(c)
            .where(c.c.incident.is_not(None), c.c.problem, c.c.changed_at < changed_before, ~knows, ~explained)
            .limit(_UNTOLD)
        )
        return [rows.to_condition(row) for row in await self._conn.execute(query)]


def _missing(since: datetime | None) -> Select[Any]:
    t, before = transitions.c, transitions.alias().c
    preceded = exists().where(before.account == t.account, before.name == t.name, before.number == t.number - 1)
    gaps = _of(t, t.number - 1, t.confirmed_at).where(t.number > 1, ~preceded)
    return gaps if since is None else gaps.where(t.confirmed_at >= since)


def _unrecorded() -> Select[Any]:
    s, t = states, transitions
    newest = select(func.max(t.c.number)).where(t.c.account == s.c.account, t.c.name == s.c.name).scalar_subquery()
    return _of(s.c, s.c.number, s.c.observed_at).where(func.coalesce(newest, 0) != s.c.number)


def _no_incident() -> Select[Any]:
    s = states
    # As `domain.status.is_problem` has it.
    problem = and_(s.c.status != HEALTHY, or_(s.c.status != PENDING, s.c.was_healthy))
    is_open = _open(s.c.account, s.c.name, s.c.incident, kind=literal(IncidentKind.INTERCONNECT.value))
    return _of(s.c, s.c.incident, s.c.since).where(or_(problem, s.c.incident.is_not(None)), ~is_open)


def _keyless() -> Select[Any]:
    i = incidents.c
    return _of(i, i.number, i.opened_at).where(
        i.closed_at.is_(None), i.key.not_like(literal("cni:%:") + cast(i.number, SqlText))
    )


def _no_condition() -> Select[Any]:
    i, c = incidents.c, conditions
    compared = exists().where(_same(c, incidents), c.c.incident == i.number)
    return _of(i, i.number, i.opened_at).where(i.closed_at.is_(None), ~compared)


def _ended() -> Select[Any]:
    c = conditions.c
    is_open = _open(c.account, c.subject, c.incident, kind=c.kind)
    return _of(c, c.incident, c.changed_at).where(c.incident.is_not(None), ~is_open)


def _misstated() -> Select[Any]:
    c, s = conditions.c, states.c
    agrees = exists().where(s.account == c.account, s.name == c.subject, s.incident == c.incident, s.status == c.status)
    return _of(c, c.incident, c.changed_at).where(c.kind == IncidentKind.INTERCONNECT, c.incident.is_not(None), ~agrees)


def _held_open(stateful: Collection[str]) -> Select[Any]:
    t, c = told.c, conditions
    still = exists().where(_same(c, told), c.c.incident == t.incident)
    return _of(t, t.incident, t.told_at, t.channel).where(
        t.channel.in_(stateful), t.incident.is_not(None), t.kept.is_(None), ~still
    )


def _stranded(stateful: Collection[str], since: datetime) -> Select[Any]:
    d, n, close, words = deliveries, notifications, deliveries.alias(), notifications.alias()
    a, i = attempts.c, incidents.c
    after = and_(close.c.outcome.in_([Outcome.SENT, Outcome.ABANDONED]), close.c.settled_at >= d.c.settled_at)
    closes = (
        exists()
        .where(words.c.incident_key == n.c.incident_key, close.c.notification == words.c.id)
        .where(close.c.channel == d.c.channel, close.c.action == Action.CLOSE)
        .where(or_(close.c.outcome == Outcome.PENDING, after))
    )
    another = exists().where(channels.c.name == d.c.channel, channels.c.since >= a.started_at)
    query = _of(i, i.number, d.c.settled_at, d.c.channel).select_from(attempts)
    return (
        query.join(d, d.c.id == a.delivery)
        .join(n, n.c.id == d.c.notification)
        .join(incidents, i.key == n.c.incident_key)
        .where(a.started_at >= since, a.outcome == Outcome.SENT, i.closed_at.is_not(None), ~closes)
        .where(d.c.channel.in_(stateful), d.c.action.in_([Action.OPEN, Action.UPDATE]), ~another)
    )


def _outdated(messages: Collection[str]) -> Select[Any]:
    t, c = told.c, conditions
    still = exists().where(_same(c, told), c.c.status == t.status)
    return _of(t, t.incident, t.told_at, t.channel).where(t.channel.in_(messages), t.problem, t.kept.is_(None), ~still)


def _forgotten(channels: Collection[str], before: datetime) -> Select[Any]:
    t = told.c
    return _of(t, t.incident, t.look_at, t.channel).where(t.look_at < before, t.channel.in_(channels))


def _overdue(channels: Collection[str], before: datetime) -> Select[Any]:
    d, other = deliveries, deliveries.alias()
    lane = and_(other.c.channel == d.c.channel, other.c.lane == d.c.lane)
    earlier = exists().where(lane, other.c.outcome == Outcome.PENDING, other.c.id < d.c.id)
    moved = exists().where(lane, other.c.outcome.in_(_SETTLED), other.c.settled_at >= before)
    return (
        select(null().label("kind"), d.c.channel, d.c.id.label("number"), d.c.due_at.label("since"))
        .where(d.c.outcome == Outcome.PENDING, d.c.channel.in_(channels))
        .where(or_(d.c.due_at < before, d.c.give_up_at < before))
        .where(or_(d.c.leased_until.is_(None), d.c.leased_until < before), ~earlier, ~moved)
        .order_by(d.c.due_at)
    )


def _of(c: Any, number: Any, since: Any, channel: Any = None) -> Select[Any]:
    """Select what a violation says of a row's subject, the oldest first; a link's own tables name no kind."""
    return select(
        (c.kind if "kind" in c else literal(IncidentKind.INTERCONNECT.value)).label("kind"),
        c.account,
        (c.subject if "subject" in c else c.name).label("subject"),
        (null() if channel is None else channel).label("channel"),
        number.label("number"),
        since.label("since"),
    ).order_by(since)


def _open(account: Any, subject: Any, number: Any, *, kind: Any) -> ColumnElement[bool]:
    i = incidents.c
    return exists().where(
        i.kind == kind, i.account == account, i.subject == subject, i.number == number, i.closed_at.is_(None)
    )


def _same(one: Table, other: Table) -> ColumnElement[bool]:
    return and_(*(one.c[name] == other.c[name] for name in ("kind", "account", "subject")))
