"""Who watches which account: leases by the database's time, numbered with every change of hands (R29)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text

from notifier.adapters.database.database import SqlDatabase
from notifier.ports import Configured, Database, Replica, Roster
from tests.support.examples import seconds
from tests.support.fakes import FakeClock

NOC = Configured(fingerprint="mark", stateful=False)
SPAN = timedelta(seconds=15)


def replica(name: str, *accounts: str) -> Replica:
    return Replica(name=name, accounts=dict.fromkeys(accounts, 7), channels={"noc": NOC})


async def sign_in(database: Database, name: str, *accounts: str) -> Roster:
    async with database.begin() as work:
        return await work.leases.sign_in(replica(name, *accounts), SPAN)


async def take(database: Database, name: str, *accounts: str) -> dict[str, int]:
    async with database.begin() as work:
        return await work.leases.take(name, accounts, SPAN)


async def renew(database: Database, name: str, **fences: int) -> set[str]:
    async with database.begin() as work:
        return await work.leases.renew(name, fences, SPAN)


async def test_a_free_account_is_whose_takes_it_first(shared_database: Database) -> None:
    assert await take(shared_database, "one", "a", "b") == {"a": 1, "b": 1}
    assert await take(shared_database, "two", "a", "b", "c") == {"c": 1}


async def test_a_lease_that_is_renewed_does_not_end(shared_database: Database, clock: FakeClock) -> None:
    await take(shared_database, "one", "a")
    for _ in range(5):
        clock.advance(seconds(14))
        assert await renew(shared_database, "one", a=1) == {"a"}
        assert await take(shared_database, "two", "a") == {}


async def test_a_lease_that_ended_is_anothers_under_a_greater_number(
    shared_database: Database, clock: FakeClock
) -> None:
    await take(shared_database, "one", "a")
    clock.advance(SPAN)
    assert await take(shared_database, "two", "a") == {"a": 2}
    assert await renew(shared_database, "one", a=1) == set()


async def test_a_lease_that_ended_and_nobody_took_goes_on(shared_database: Database, clock: FakeClock) -> None:
    await take(shared_database, "one", "a")
    clock.advance(10 * SPAN)
    assert await renew(shared_database, "one", a=1) == {"a"}
    assert await take(shared_database, "two", "a") == {}


async def test_what_is_given_up_is_free_at_once(shared_database: Database) -> None:
    await take(shared_database, "one", "a", "b")
    async with shared_database.begin() as work:
        await work.leases.give_up("one", ["a"])
        await work.leases.give_up("two", ["b"])
    assert await take(shared_database, "two", "a", "b") == {"a": 2}


async def test_a_fence_holds_until_somebody_else_took_the_account(shared_database: Database, clock: FakeClock) -> None:
    await take(shared_database, "one", "a")
    clock.advance(SPAN)
    async with shared_database.begin() as work:
        assert await work.leases.holds("a", 1)
        assert not await work.leases.holds("a", 2)
        assert not await work.leases.holds("unknown", 1)
    await take(shared_database, "two", "a")
    async with shared_database.begin() as work:
        assert not await work.leases.holds("a", 1)


async def test_the_roster_has_all_that_live_and_whom_what_belongs_to(
    shared_database: Database, clock: FakeClock
) -> None:
    await sign_in(shared_database, "one", "a", "b")
    await take(shared_database, "one", "a")
    clock.advance(seconds(5))
    roster = await sign_in(shared_database, "two", "a")
    assert sorted(roster.replicas, key=lambda each: each.name) == [replica("one", "a", "b"), replica("two", "a")]
    assert roster.owners == {"a": "one"}
    assert roster.next_end == seconds(10)


async def test_who_has_not_signed_in_for_the_time_of_a_lease_lives_no_more(
    shared_database: Database, clock: FakeClock
) -> None:
    await sign_in(shared_database, "one", "a")
    await take(shared_database, "one", "a")
    clock.advance(SPAN)
    roster = await sign_in(shared_database, "two", "a")
    assert [each.name for each in roster.replicas] == ["two"]
    assert (roster.owners, roster.next_end) == ({}, None)


async def test_r7_after_the_databases_clock_was_set_back_the_dead_live_no_longer_than_they_would_have(
    shared_database: Database, clock: FakeClock
) -> None:
    await sign_in(shared_database, "dead", "a")
    await sign_in(shared_database, "one", "a", "b")
    await take(shared_database, "dead", "a")
    await take(shared_database, "one", "b")
    clock.advance(-timedelta(hours=1))
    assert (await sign_in(shared_database, "one", "a", "b")).owners == {"a": "dead", "b": "one"}
    clock.advance(SPAN)
    assert await renew(shared_database, "one", b=1) == {"b"}
    roster = await sign_in(shared_database, "one", "a", "b")
    assert [each.name for each in roster.replicas] == ["one"]
    assert roster.owners == {"b": "one"}
    assert await take(shared_database, "one", "a") == {"a": 2}


async def test_who_signs_out_is_gone_with_all_it_held(shared_database: Database) -> None:
    await sign_in(shared_database, "one", "a")
    await take(shared_database, "one", "a")
    async with shared_database.begin() as work:
        await work.leases.sign_out("one")
    roster = await sign_in(shared_database, "two", "a")
    assert [each.name for each in roster.replicas] == ["two"]
    assert await take(shared_database, "two", "a") == {"a": 2}


@pytest.fixture
async def postgres(shared_database: Database) -> SqlDatabase:
    assert isinstance(shared_database, SqlDatabase)
    return shared_database


only_postgresql = pytest.mark.parametrize("shared_database", ["postgresql"], indirect=True)


@only_postgresql
async def test_nobody_takes_an_account_while_something_is_recorded_under_its_lease_and_nobody_waits_for_that(
    postgres: SqlDatabase, clock: FakeClock
) -> None:
    await take(postgres, "one", "a", "b")
    clock.advance(SPAN)
    async with postgres.begin() as recording:
        assert await recording.leases.holds("a", 1)
        async with asyncio.timeout(5):
            assert await take(postgres, "two", "a", "b") == {"b": 2}
            assert await renew(postgres, "one", a=1) == {"a"}


@only_postgresql
async def test_two_that_reach_for_the_same_at_the_same_time_share_it_out(postgres: SqlDatabase) -> None:
    accounts = [f"account-{number}" for number in range(20)]
    one, two = await asyncio.gather(take(postgres, "one", *accounts), take(postgres, "two", *accounts))
    assert sorted([*one, *two]) == sorted(accounts)


@only_postgresql
async def test_a_release_that_the_schema_has_outgrown_is_known_as_such(postgres: SqlDatabase) -> None:
    await sign_in(postgres, "old", "a")
    async with postgres.begin() as work:
        await work.conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    roster = await sign_in(postgres, "old", "a")
    assert roster.replicas == [replace(replica("old", "a"), outgrown=True)]


@pytest.mark.slow  # the server's own time has to pass
async def test_who_freezes_between_a_statements_preparation_and_its_execution_loses_its_locks(
    postgres_url: str,
) -> None:
    database = SqlDatabase(postgres_url)
    await database.prepare(migrate=True)
    frozen, another = await asyncpg.connect(postgres_url), await asyncpg.connect(postgres_url)
    await frozen.execute(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 1000; SET LOCAL statement_timeout = 1000"
    )
    await frozen.execute("SELECT pg_advisory_xact_lock(4711)")
    await frozen.prepare("SELECT 1")
    async with asyncio.timeout(40):
        while not await another.fetchval("SELECT pg_try_advisory_lock(4711)"):
            await asyncio.sleep(1)
            await sign_in(database, "one", "a")
    await another.close()
    frozen.terminate()
    await database.close()
