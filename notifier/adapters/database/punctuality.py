"""How soon changes were told: one statement, by an index on when they were first seen."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, and_, case, extract, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.tables import deliveries
from notifier.domain.objective import Count, Punctuality
from notifier.ports import Outcome

_DAY_MS = 86_400_000


async def count(
    conn: AsyncConnection, channels: Collection[str], *, since: datetime, within: timedelta, now: datetime
) -> Punctuality:
    """Keep `ports.Outbox.punctuality`; to the millisecond, which is what SQLite reckons with."""
    query = counting(conn.dialect.name, channels, since=since, within=within, now=now)
    return Punctuality({row.channel: Count(row.in_time, row.late) for row in await conn.execute(query)})


def counting(
    dialect: str, channels: Collection[str], *, since: datetime, within: timedelta, now: datetime
) -> Select[str, int, int]:
    """Make the query: channel, how many in time, how many late."""
    # Not as it is: SQLite would use an index on it, and go through all that was ever sent.
    channel = deliveries.c.channel.concat(literal_column("''"))
    d = deliveries.c
    soon = _milliseconds(dialect, d.settled_at, d.sighted_at) <= within // timedelta(milliseconds=1)
    taken, over = d.outcome == Outcome.SENT, d.outcome == Outcome.MOOT
    late = or_(
        d.outcome == Outcome.ABANDONED,
        and_(d.outcome == Outcome.PENDING, d.sighted_at < now - within),
        and_(or_(taken, over), ~soon),
    )
    return (
        select(channel.label("channel"), _number(and_(taken, soon)).label("in_time"), _number(late).label("late"))
        .where(d.sighted_at >= since, channel.in_(channels))
        .group_by(channel)
    )


def _number(these: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((these, 1)))


def _milliseconds(dialect: str, until: Any, since: Any) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return extract("epoch", until - since) * 1000
    return func.round((func.julianday(until, type_=Float) - func.julianday(since, type_=Float)) * _DAY_MS)
