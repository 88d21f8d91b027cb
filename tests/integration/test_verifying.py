"""The record is sealed, and whoever alters it is found: on both databases, with what the pipeline really writes."""

import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import tables, verifying
from notifier.adapters.database.chain import REMOVED, to_entry
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.tables import UtcDateTime, chain, heads
from notifier.adapters.database.verifying import ROWS, Verifying
from notifier.domain.chain import REMOVABLE, EntryKind, Head, Walk, digest_of
from notifier.ports import Look, TryAgain
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import ACCOUNT, LINK, NIGHT, observation, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.planned import plan
from tests.support.sealing import seal


async def history(database: SqlDatabase, clock: FakeClock | None = None, outages: int = 2) -> datetime:
    """Let links fall and return, channels fail, an operator act and polls go missing; all of it sealed. Return when."""
    clock, cloudflare, noc = clock or FakeClock(), FakeCloudflare(), FakeChannel()
    cloudflare.add(LINK)
    async with at_work(database, clock, cloudflare, noc, FakeChannel("pager", stateful=True)) as bench:
        await bench.advance(INTERVAL)
        for _ in range(outages):
            noc.answers = [TryAgain(cause="connection refused")]
            for word in ("Down", "timeout", "Healthy"):
                cloudflare.words[LINK.name] = word
                await bench.advance(2 * INTERVAL, step=seconds(15))
            clock.advance(timedelta(minutes=10))
            await bench.step()
        async with database.begin() as work:
            await work.ledger.act(at=clock.now(), by="ada", act="ack", target="cni:1", comment="")
    await seal(database)
    return clock.now()


async def walk(database: SqlDatabase, account: str = ACCOUNT, *noted: bytes) -> Walk:
    async with database.verify() as record:
        return await record.walk(account, noted)


async def prune(database: SqlDatabase, before: datetime, at: datetime | None = None) -> None:
    more = True
    while more:
        async with database.begin() as work:
            more = await work.chain.prune(at or before, deliveries_before=before, observations_before=before)


@asynccontextmanager
async def meddling(database: SqlDatabase) -> AsyncIterator[AsyncConnection]:
    """A transaction in which somebody may do what he likes: it is taken back."""
    async with database.engine.connect() as conn, conn.begin() as transaction:
        yield conn
        await transaction.rollback()


async def test_what_the_pipeline_writes_is_sealed_and_holds(sql_database: SqlDatabase) -> None:
    await history(sql_database)
    found = await walk(sql_database)
    assert (found.first, found.unsealed) == (None, 0)
    for kind, table in ROWS.items():
        async with sql_database.begin() as work:
            rows = await work.conn.scalar(select(func.count()).select_from(table))
        others = 1 if kind is EntryKind.ACT else 0
        assert found.entries[kind] == (rows or 0) - others, kind
        assert found.entries[kind] or kind in {EntryKind.ACT, EntryKind.RETENTION}, kind
    assert (await walk(sql_database, "")).entries == {EntryKind.ACT: 1}


async def test_what_is_not_sealed_yet_is_checked_as_well(sql_database: SqlDatabase) -> None:
    async with sql_database.begin() as work:
        await work.record.observations([Look(observation("Down", NIGHT), None)], NIGHT)
    found = await walk(sql_database)
    assert (found.first, found.unsealed, found.head.number) == (None, 1, 0)
    async with meddling(sql_database) as conn:
        await conn.execute(update(tables.observations).values(status="Healthy"))
        flaw = (await Verifying(conn).walk(ACCOUNT)).first
    assert flaw is not None
    assert (flaw.number, flaw.kind, flaw.about, flaw.at) == (None, "observation", LINK.name, NIGHT)


# --- Whoever alters it is found ------------------------------------------------------------------------------


def another(column: Any, value: Any) -> Any:
    """Return a value that a column takes and does not hold."""
    match column.type:
        case JSON():
            return ["altered"]
        case Boolean():
            return not value
        case Integer():
            return 1_000_000 if value is None else value + 1_000_000
        case UtcDateTime() | DateTime():
            return NIGHT if value is None else value + timedelta(microseconds=1)
        case LargeBinary():
            return b"altered" if value is None else bytes([value[0] ^ 1]) + value[1:]
        case _:
            return f"{value or ''}x"


def row_of(table: Table, entry: Any) -> ColumnElement[bool]:
    if entry.part is None:
        return and_(table.c.id == entry.row)
    return and_(table.c.delivery == entry.row, table.c.number == entry.part)


TIED = {("notifications", "id"), ("attempts", "delivery")}  # others point there: the database keeps them


async def test_any_column_of_any_row_that_is_altered_names_that_row(sql_database: SqlDatabase) -> None:
    at = await history(sql_database)
    await prune(sql_database, at - timedelta(minutes=10))
    await history(sql_database, clock=FakeClock(at))
    for kind, table in ROWS.items():
        account = "" if kind is EntryKind.ACT else ACCOUNT
        for column in table.c:
            if (table.name, column.name) in TIED:
                continue
            async with meddling(sql_database) as conn:
                entry = (await entries(conn, chain.c.kind == kind, account=account))[-1]
                key = row_of(table, entry)
                value = (await conn.execute(select(column).where(key))).scalar_one()
                await conn.execute(update(table).where(key).values({column: another(column, value)}))
                flaw = (await Verifying(conn).walk(account)).first
            assert flaw is not None, column
            assert (flaw.number, flaw.kind, flaw.about) == (entry.number, kind, entry.about), column


async def entries(conn: AsyncConnection, *these: ColumnElement[bool], account: str = ACCOUNT) -> list[Any]:
    mine = select(chain).where(chain.c.account == account, *these).order_by(chain.c.number)
    return list((await conn.execute(mine)).all())


async def test_a_row_that_is_deleted_is_named(sql_database: SqlDatabase) -> None:
    await history(sql_database)
    for kind in (EntryKind.OBSERVATION, EntryKind.TRANSITION, EntryKind.GAP, EntryKind.ATTEMPT):
        async with meddling(sql_database) as conn:
            entry = (await entries(conn, chain.c.kind == kind))[-1]
            await conn.execute(delete(ROWS[kind]).where(row_of(ROWS[kind], entry)))
            flaw = (await Verifying(conn).walk(ACCOUNT)).first
        assert flaw is not None
        assert (flaw.number, flaw.kind, flaw.about, flaw.at) == (entry.number, kind, entry.about, entry.at)
        assert flaw.problem == "the row is missing"


async def test_any_column_of_an_entry_that_is_altered_is_found_there(sql_database: SqlDatabase) -> None:
    await history(sql_database)
    for column in chain.c:
        if column.name in {"account", "counts"}:
            continue
        async with meddling(sql_database) as conn:
            entry = (await entries(conn, chain.c.kind == EntryKind.TRANSITION))[1]
            value = REMOVED if column.name == "kind" else another(column, getattr(entry, column.name))
            its = (chain.c.account == ACCOUNT) & (chain.c.number == entry.number)
            await conn.execute(update(chain).where(its).values({column: value, "counts": {"observation": 1}}))
            flaw = (await Verifying(conn).walk(ACCOUNT)).first
        assert flaw is not None, column
        assert flaw.number in {entry.number, entry.row}, column


async def cut_out(conn: AsyncConnection, entry: Any) -> None:
    await conn.execute(delete(chain).where(chain.c.number == entry.number))


async def cut_out_with_its_row(conn: AsyncConnection, entry: Any) -> None:
    await cut_out(conn, entry)
    await conn.execute(delete(tables.transitions).where(tables.transitions.c.id == entry.row))


async def swap(conn: AsyncConnection, entry: Any) -> None:
    """Exchange what two neighbours say, but for their numbers."""
    [other] = await entries(conn, chain.c.number == entry.number + 1)
    for one, its in ((entry, other), (other, entry)):
        values = {name: getattr(its, name) for name in its._mapping if name not in {"account", "number"}}
        await conn.execute(update(chain).where(chain.c.number == one.number).values(values))


async def forge(conn: AsyncConnection, entry: Any, kind: str = "transition") -> None:
    """Have an entry look as if retention had removed it."""
    await cut_out_with_its_row(conn, entry)
    run = {"account": ACCOUNT, "number": entry.number, "kind": REMOVED, "row": entry.number, "hash": entry.hash}
    await conn.execute(insert(chain).values(**run, counts={kind: 1}))


async def forge_as_something_else(conn: AsyncConnection, entry: Any) -> None:
    await forge(conn, entry, "observation")


async def hide_the_digest(conn: AsyncConnection, entry: Any) -> None:
    """Alter a row, and give its entry the digest that it has now, and a hash that follows."""
    await conn.execute(update(tables.transitions).where(tables.transitions.c.id == entry.row).values(after="Healthy"))
    row = (await conn.execute(select(tables.transitions).where(tables.transitions.c.id == entry.row))).mappings().one()
    [before] = await entries(conn, chain.c.number == entry.number - 1)
    lasting = await entries(conn, chain.c.number < entry.number, chain.c.kind.not_in(REMOVABLE))
    head = Head(account=ACCOUNT, number=before.number, hash=before.hash, base=lasting[-1].hash)
    forged = replace(to_entry(entry), digest=digest_of(dict(row)))
    values = {"digest": forged.digest, "hash": head.sealed(forged).hash}
    await conn.execute(update(chain).where(chain.c.number == entry.number).values(values))


MEDDLING = (cut_out, cut_out_with_its_row, swap, forge, forge_as_something_else, hide_the_digest)


async def test_whatever_is_done_to_a_transition_is_found_there_or_at_the_next(sql_database: SqlDatabase) -> None:
    await history(sql_database)
    for meddle in MEDDLING:
        async with meddling(sql_database) as conn:
            entry = (await entries(conn, chain.c.kind == EntryKind.TRANSITION))[1]
            await meddle(conn, entry)
            flaw = (await Verifying(conn).walk(ACCOUNT)).first
        assert flaw is not None, meddle
        assert flaw.number in {entry.number, entry.number + 1}, meddle


async def test_an_attempt_that_goes_as_if_by_retention_is_missed_in_the_sum(sql_database: SqlDatabase) -> None:
    at = await history(sql_database)
    await prune(sql_database, at - timedelta(minutes=15))
    async with meddling(sql_database) as conn:
        entry = (await entries(conn, chain.c.kind == EntryKind.ATTEMPT))[-1]
        await forge(conn, entry, "attempt")
        flaw = (await Verifying(conn).walk(ACCOUNT)).first
    assert flaw is not None
    assert "(attempt) are gone as if by retention" in flaw.problem


async def test_a_tail_that_is_cut_off_is_found_by_a_head_that_was_noted(sql_database: SqlDatabase) -> None:
    await history(sql_database)
    noted = (await walk(sql_database)).head
    assert (await walk(sql_database, ACCOUNT, noted.base, noted.hash)).first is None
    async with meddling(sql_database) as conn:
        await conn.execute(delete(chain).where(chain.c.account == ACCOUNT, chain.c.number >= noted.lasting))
        flaw = (await Verifying(conn).walk(ACCOUNT)).first
        assert flaw is not None
        assert flaw.problem.startswith(f"it ends with number {noted.lasting - 1} ")
        for table in (chain, heads):
            await conn.execute(delete(table))
        assert (await Verifying(conn).walk(ACCOUNT)).first is None  # whoever does all of it is not found, but
        flaw = (await Verifying(conn).walk(ACCOUNT, [noted.base])).first
    assert flaw is not None
    assert flaw.problem.startswith(f"the head {noted.base.hex()} is not in the chain")


async def test_a_head_that_is_altered_is_found(sql_database: SqlDatabase) -> None:
    await history(sql_database)
    for column in (heads.c.number, heads.c.hash, heads.c.lasting, heads.c.base):
        async with meddling(sql_database) as conn:
            value = (await conn.execute(select(column).where(heads.c.account == ACCOUNT))).scalar_one()
            await conn.execute(update(heads).values({column: another(column, value)}))
            flaw = (await Verifying(conn).walk(ACCOUNT)).first
        assert flaw is not None, column
        assert "its head says" in flaw.problem


# --- Retention -----------------------------------------------------------------------------------------------


async def test_what_retention_removes_leaves_a_chain_that_holds_and_does_not_grow(sql_database: SqlDatabase) -> None:
    clock = FakeClock()
    for _ in range(2):
        await history(sql_database, clock)
        await prune(sql_database, clock.now() - timedelta(minutes=8), clock.now())
        found = await walk(sql_database)
        assert found.first is None
        clock.advance(timedelta(days=1))
    await prune(sql_database, clock.now())
    found = await walk(sql_database)
    assert found.first is None
    assert (found.removed["observation"] > 10, found.entries["observation"]) == (True, 0)
    async with sql_database.begin() as work:
        all_there = await entries(work.conn)
        removed = [each for each in all_there if each.kind == REMOVED]
        lasting = [each for each in all_there if each.kind not in {*REMOVABLE, REMOVED}]
        told = await work.conn.scalars(select(tables.retentions.c.removed))
    assert len(removed) <= len(lasting) + len([e for e in all_there if e.kind in REMOVABLE]) + 1
    assert sum(sum(each.values()) for each in told) == sum(found.removed.values())


async def test_what_is_not_sealed_yet_is_not_removed(sql_database: SqlDatabase) -> None:
    async with sql_database.begin() as work:
        await work.record.observations([Look(observation("Down", NIGHT), None)], NIGHT)
    later = NIGHT + timedelta(days=1)
    await prune(sql_database, later)
    assert (await walk(sql_database)).unsealed == 1
    await seal(sql_database)
    await prune(sql_database, later)
    assert (await walk(sql_database)).removed == {"observation": 1}


async def test_a_run_that_is_altered_is_found(sql_database: SqlDatabase) -> None:
    at = await history(sql_database)
    await prune(sql_database, at - timedelta(minutes=10))
    altered: dict[str, Any] = {"counts": {"observation": 99}, "hash": bytes(32), "row": 99, "number": 10**6}
    for column, value in altered.items():
        async with meddling(sql_database) as conn:
            run = (await entries(conn, chain.c.kind == REMOVED))[0]
            its = and_(chain.c.account == ACCOUNT, chain.c.number == run.number)
            await conn.execute(update(chain).where(its).values({column: value}))
            flaw = (await Verifying(conn).walk(ACCOUNT)).first
        assert flaw is not None, column
        assert (flaw.number or 0) <= run.number + 1, column


async def test_a_transition_before_a_run_can_not_be_altered_with_all_that_follows_up_to_it(
    sql_database: SqlDatabase,
) -> None:
    """The hash that ends a run says nothing of what was before it; the base of the next entry does."""
    at = await history(sql_database)
    await prune(sql_database, at - timedelta(minutes=10))
    async with meddling(sql_database) as conn:
        first = (await entries(conn, chain.c.kind == EntryKind.TRANSITION))[0]
        others = await entries(conn, chain.c.number > first.number, chain.c.kind == REMOVED)
        assert others
        await hide_the_digest(conn, first)
        flaw = (await Verifying(conn).walk(ACCOUNT)).first
    assert flaw is not None


# --- What it takes --------------------------------------------------------------------------------------------


async def fill(database: SqlDatabase, number: int) -> None:
    async with database.begin() as work:
        looks = [Look(observation("Down", NIGHT + seconds(n)), None) for n in range(number)]
        await work.record.observations(looks, NIGHT)
    await seal(database)


async def test_its_memory_does_not_grow_with_what_is_kept(sql_database: SqlDatabase) -> None:
    async def peak() -> int:
        gc.collect()
        tracemalloc.start()
        try:
            assert (await walk(sql_database)).first is None
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await fill(sql_database, 1000)
    await peak()
    little = await peak()
    await fill(sql_database, 5000)
    assert (await walk(sql_database)).entries == {"observation": 6000}
    assert await peak() < 1.5 * little


async def test_each_of_its_questions_is_answered_by_an_index(sql_database: SqlDatabase) -> None:
    await fill(sql_database, 3000)
    async with sql_database.begin() as work:
        if work.conn.dialect.name == "postgresql":
            await work.conn.exec_driver_sql("ANALYZE")
            await work.conn.exec_driver_sql("SET LOCAL enable_seqscan = off")  # there is little: it would be cheap
        asked = [(verifying._SEALED, {"place": 1000}), (verifying._UNSEALED, {"place": 0}), (verifying._MISSING, {})]
        plans = [await plan(work.conn, query, owner=ACCOUNT, **more) for query, more in asked]
        plans += [await plan(work.conn, query, ids=[1, 2, 3]) for query in verifying._THESE.values()]
    for found in plans:
        assert "Seq Scan" not in found
        assert "SCAN" not in found or "SEARCH" in found, found
        assert "Sort" not in found
        assert "TEMP B-TREE" not in found, found
