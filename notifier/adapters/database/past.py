"""Queries on what a replay goes by, and the empty database that it works on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import and_, event, exists, func, insert, or_, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import opening, rows, schema, tables
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.engine import connection
from notifier.adapters.database.record import LISTING, START
from notifier.domain.decision import Change
from notifier.domain.drill import LANES
from notifier.domain.incident import Acknowledgement
from notifier.domain.interconnect import Interconnect, Link
from notifier.domain.notification import Action
from notifier.domain.observation import Observation, Seen, Unseen
from notifier.domain.suppression import Silence
from notifier.past import Attempt, Batch, Belief, Deed, Listing, Past, Start, Telling
from notifier.ports import Due, Look, Outcome


async def recall(database: SqlDatabase, since: datetime, now: datetime, *, kept: timedelta) -> Past:
    """Read all that a replay goes by which shows what was told `since` then; observations are `kept` for so long.

    Nothing is written, and nothing is made where no database is.

    Raises:
        DatabaseUnreachableError: It is not there.
        SchemaError: The schema isn't this release's.
    """
    if database.absent:
        await database.require()  # which says so
    await schema.require(database.reading_engine)
    async with connection(database.reading_engine) as conn:
        kept_since = max(now - kept, await opening.first_moment(conn) or now)
        begins_at = await opening.quiet_moment(conn, min(since, now), kept_since)
        past = await read_past(conn, begins_at, now)
        return replace(past, kept_since=kept_since, opening=await opening.read(conn, begins_at, past))


async def read_past(conn: AsyncConnection, since: datetime, until: datetime) -> Past:
    """Read all that happened from `since` on; one transaction, of one moment."""
    i = tables.inputs
    inputs = (await conn.execute(select(i).where(i.c.at >= since, i.c.at <= until).order_by(i.c.id))).all()
    return Past(
        begins_at=since,
        kept_since=since,
        ends_at=until,
        starts=[_start(row) for row in inputs if row.kind == START],
        listings=[_listing(row) for row in inputs if row.kind == LISTING],
        came_to={due: sorted({row.at for row in inputs if row.kind == due}) for due in Due},
        batches=await _batches(conn, since, until),
        deeds=await _deeds(conn, since, until),
        silences=await _silences(conn, since),
        tellings=await read_tellings(conn, since),
        beliefs=await _beliefs(conn, since),
        seen=await _seen(conn),
    )


def _start(row: Any) -> Start:
    alive = row.content["alive"]
    return Start(at=row.at, alive_at=datetime.fromisoformat(alive) if alive else None)


def _listing(row: Any) -> Listing:
    cause = rows.to_cause(row.content.get("cause"))
    listed = [Interconnect(**link) for link in row.content.get("listed", ())]
    return Listing(at=row.at, account=row.account, listed=listed if cause is None else cause)


async def _batches(conn: AsyncConnection, since: datetime, until: datetime) -> list[Batch]:
    o = tables.observations
    written = func.coalesce(o.c.written_at, o.c.at)
    query = select(o).where(written >= since, written <= until).order_by(o.c.account, written, o.c.id)
    batches: list[Batch] = []
    for row in await conn.execute(query):
        at = row.written_at or row.at
        cause = rows.to_cause(row.cause)
        sight = Seen(row.status, row.reason) if cause is None else Unseen(cause)
        look = Look(Observation(account=row.account, name=row.name, at=row.at, sight=sight), row.last_seen_before)
        if row.place:
            batches[-1] = Batch(at=at, account=row.account, looks=[*batches[-1].looks, look])
        else:
            batches.append(Batch(at=at, account=row.account, looks=[look]))
    return sorted(batches, key=lambda batch: batch.at)


async def _silences(conn: AsyncConnection, since: datetime) -> list[Silence]:
    """Return the silences that held since then, as they were given: one may have been ended early."""
    s, a = tables.silences, tables.acts.c
    added = await conn.execute(select(a.target, a.given).where(a.act == "add", a.given.is_not(None)))
    until = {row.target: datetime.fromisoformat(row.given["until"]) for row in added}
    found = await conn.execute(select(s).where(s.c.until_at > since).order_by(s.c.id))
    silences = map(rows.to_silence, found)
    return [replace(each, until_at=until.get(f"silence {each.id}", each.until_at)) for each in silences]


async def _deeds(conn: AsyncConnection, since: datetime, until: datetime) -> list[Deed]:
    a, i = tables.acts, tables.incidents
    query = (
        select(a, i.c.kind, i.c.account, i.c.subject)
        .join_from(a, i, i.c.key == a.c.target, isouter=True)
        .where(a.c.at >= since, a.c.at <= until)
        .order_by(a.c.id)
    )
    return [_deed(row) for row in await conn.execute(query)]


def _deed(row: Any) -> Deed:
    number = row.target.rpartition(" ")[2]
    given = None
    if row.act == "ack":
        held = row.given or {}
        until = held.get("until")
        ends = datetime.fromisoformat(until) if until else None
        given = Acknowledgement(by=row.done_by, at=row.at, until=ends, sticky=held.get("sticky", False))
    return Deed(
        at=row.at,
        act=row.act,
        by=row.done_by,
        about=rows.to_subject(row) if row.kind is not None else None,
        number=int(number) if row.kind is None and number.isdigit() else None,
        given=given,
    )


async def read_tellings(conn: AsyncConnection, since: datetime) -> list[Telling]:
    """Return what was promised to the channels since then, but for drills, in the order in which it was promised."""
    d, n, a = tables.deliveries, tables.notifications, tables.attempts
    meant = n.c.recorded_at >= since, d.c.lane.not_like(f"{LANES}%")
    these = select(d.c.id).join_from(d, n, n.c.id == d.c.notification).where(*meant)
    attempts: defaultdict[int, list[Attempt]] = defaultdict(list)
    tried = select(a).where(a.c.delivery.in_(these)).order_by(a.c.delivery, a.c.number)
    for row in await conn.execute(tried):
        attempts[row.delivery].append(
            Attempt(
                number=row.number,
                started_at=row.started_at,
                ended_at=row.ended_at,
                outcome=Outcome(row.outcome),
                code=row.code,
                cause=row.cause,
                message=row.message,
            )
        )
    query = select(d, n.c.content).join_from(d, n, n.c.id == d.c.notification).where(*meant).order_by(d.c.id)
    return [
        Telling(
            number=row.id,
            channel=row.channel,
            action=Action(row.action),
            notification=rows.to_notification(row.content),
            outcome=Outcome(row.outcome),
            attempts=attempts[row.id],
            due_at=row.due_at,
            settled_at=row.settled_at,
            uncertain=row.uncertain,
        )
        for row in await conn.execute(query)
    ]


async def _beliefs(conn: AsyncConnection, since: datetime) -> dict[Link, list[Belief]]:
    """Return each link's beliefs since then, and the last before."""
    t, last = tables.transitions, opening.last_numbers(since)
    query = (
        select(t.c.account, t.c.name, t.c.confirmed_at, t.c.change, t.c.after, t.c.reason)
        .join_from(t, last, and_(last.c.account == t.c.account, last.c.name == t.c.name), isouter=True)
        .where(or_(t.c.confirmed_at >= since, t.c.number == last.c.number))
    )
    found = await conn.execute(query.order_by(t.c.account, t.c.name, t.c.number))
    return {
        link: [_belief(row) for row in changes]
        for link, changes in groupby(found, key=lambda row: (row.account, row.name))
    }


def _belief(row: Any) -> Belief:
    gone = row.change == Change.REMOVED
    return Belief(row.confirmed_at, None if gone else row.after, None if gone else row.reason)


async def _seen(conn: AsyncConnection) -> dict[Link, datetime]:
    s = tables.states.c
    found = await conn.execute(select(s.account, s.name, s.last_seen_at).where(s.last_seen_at.is_not(None)))
    return {(row.account, row.name): row.last_seen_at for row in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """What is due by time alone: the next look, deliveries by channel; when each link that flaps last changed.

    `newest` is the last delivery that was promised to each channel.
    """

    look_at: datetime | None
    deliver_at: Mapping[str, datetime]
    newest: Mapping[str, int]
    flapping: Sequence[datetime]


class Workbench(SqlDatabase):
    """An empty database of this release in a folder that nobody keeps: it may be lost at any moment."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"sqlite:///{folder}/replay.db")
        event.listen(self.engine.sync_engine, "connect", _hasten)

    async def make(self, rows_by_table: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Make the tables, with these rows."""
        async with connection(self.engine) as conn:
            await conn.run_sync(tables.metadata.create_all)
            for table in tables.metadata.sorted_tables:
                if rows_by_table.get(table.name):
                    await conn.execute(insert(table), list(rows_by_table[table.name]))

    async def agenda(self) -> Agenda:
        """Return what is due next."""
        d, other, t = tables.deliveries, tables.deliveries.alias(), tables.told.c
        pending = d.c.outcome == Outcome.PENDING
        ahead = exists().where(
            other.c.channel == d.c.channel,
            other.c.lane == d.c.lane,
            other.c.outcome == Outcome.PENDING,
            other.c.id < d.c.id,
        )
        heads = select(d.c.channel, func.min(d.c.due_at).label("at")).where(pending, ~ahead).group_by(d.c.channel)
        looks = select(func.min(t.look_at), func.min(t.remind_at))
        async with connection(self.engine) as conn:
            look_at = min(filter(None, (await conn.execute(looks)).one()), default=None)
            deliver_at = {row.channel: row.at for row in await conn.execute(heads)}
            last = select(d.c.channel, func.max(d.c.id).label("id")).group_by(d.c.channel)
            newest = {row.channel: row.id for row in await conn.execute(last)}
            s = tables.states.c
            changes = (await conn.scalars(select(s.changes).where(s.flapping))).all()
        return Agenda(
            look_at=look_at,
            deliver_at=deliver_at,
            newest=newest,
            flapping=[datetime.fromisoformat(each[-1]) for each in changes if each],
        )

    async def tellings(self) -> list[Telling]:
        """Return what was promised to the channels."""
        async with connection(self.engine) as conn:
            return await read_tellings(conn, datetime.min.replace(tzinfo=UTC))


def _hasten(raw: DBAPIConnection, _record: object) -> None:
    raw.cursor().execute("PRAGMA synchronous=OFF")
