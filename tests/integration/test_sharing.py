"""Several processes over one database: an even share each, taken over from who dies, left to who comes (R29)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from notifier.adapters.database.database import SqlDatabase, SqlUnitOfWork
from notifier.adapters.database.leases import SqlLeases
from notifier.adapters.database.tables import HEAD
from notifier.errors import DatabaseError
from notifier.pipeline.lease import Lease
from notifier.pipeline.sharing import Sharing
from notifier.ports import Configured, Database, Replica
from tests.support.examples import seconds
from tests.support.fakes import FakeClock
from tests.support.unreliable import Unreliable

SPAN = timedelta(seconds=15)
SIX = tuple("abcdef")


class FakeWatch:
    """Keeps `sharing.Watching`: remembers whether it is watching, and what became of it."""

    def __init__(self) -> None:
        self.lease = Lease()
        self.links = 7
        self.watching = False
        self.fails = False

    async def begin(self) -> None:
        if self.fails:
            raise DatabaseError("no connection")
        self.watching = True

    async def end(self) -> None:
        self.watching = False


class Process:
    """One process's leases."""

    def __init__(self, name: str, database: Database, clock: FakeClock, *accounts: str) -> None:
        self.clock = clock
        self.watches = {account: FakeWatch() for account in accounts or SIX}
        self.links: Mapping[str, int] = {}
        self.reviewed: list[set[str]] = []  # what was watched each time
        self.sharing = Sharing(
            name=name,
            watches=self.watches,
            channels={"noc": Configured(fingerprint=f"mark of {name}", stateful=False)},
            database=database,
            clock=clock,
            span=SPAN,
            seen=self._seen,
            review=self._review,
        )

    async def _review(self) -> None:
        self.reviewed.append(self.watching)

    async def _seen(self, links: Mapping[str, int]) -> None:
        self.links = links

    async def start(self) -> list[Replica]:
        others = await self.sharing.begin()
        await self.sharing.tick()
        return list(others)

    @property
    def watching(self) -> set[str]:
        return {account for account, watch in self.watches.items() if watch.watching}

    @property
    def holding(self) -> set[str]:
        return {account for account, watch in self.watches.items() if watch.lease.holds(self.clock.now())}


async def live(clock: FakeClock, *processes: Process, over: timedelta) -> None:
    """Let time pass, second by second; at no moment do two hold the same."""
    end = clock.now() + over
    while clock.now() < end:
        clock.advance(seconds(1))
        for process in processes:
            await process.sharing.tick()
        held = [account for process in processes for account in process.holding]
        assert len(held) == len(set(held))


async def test_one_process_watches_everything_at_once(shared_database: Database, clock: FakeClock) -> None:
    one = Process("one", shared_database, clock)
    assert await one.start() == []
    assert one.watching == one.holding == set(SIX)
    await live(clock, one, over=timedelta(minutes=2))
    assert one.watching == one.holding == set(SIX)
    assert one.links == dict.fromkeys(SIX, 7)


async def test_whoever_joins_gets_an_even_share_within_two_renewals(
    shared_database: Database, clock: FakeClock
) -> None:
    one, two, three = (Process(name, shared_database, clock) for name in ("one", "two", "three"))
    await one.start()
    [other] = await two.start()
    assert (other.name, other.channels["noc"].fingerprint) == ("one", "mark of one")
    await three.start()
    await live(clock, one, two, three, over=seconds(10))
    assert [len(each.watching) for each in (one, two, three)] == [2, 2, 2]
    assert one.watching | two.watching | three.watching == set(SIX)


async def test_what_a_process_watched_that_died_is_watched_again_as_soon_as_its_lease_has_ended(
    shared_database: Database, clock: FakeClock
) -> None:
    one, two = Process("one", shared_database, clock), Process("two", shared_database, clock)
    await one.start()
    await two.start()
    await live(clock, one, two, over=seconds(12))
    await live(clock, two, over=seconds(16))
    assert two.watching == set(SIX)


async def test_what_a_process_leaves_in_good_order_is_watched_again_with_the_next_renewal(
    shared_database: Database, clock: FakeClock
) -> None:
    one, two = Process("one", shared_database, clock), Process("two", shared_database, clock)
    await one.start()
    await two.start()
    await live(clock, one, two, over=seconds(12))
    await one.sharing.leave()
    await live(clock, two, over=seconds(5))
    assert two.watching == set(SIX)


async def test_who_slept_through_its_lease_loses_what_another_took(shared_database: Database, clock: FakeClock) -> None:
    one, two = Process("one", shared_database, clock), Process("two", shared_database, clock)
    await one.start()
    await two.start()
    await live(clock, two, over=seconds(60))
    assert two.watching == set(SIX)
    assert one.holding == set(), "it knows by its own clock that its time is over"
    await live(clock, one, two, over=seconds(11))
    assert [len(one.watching), len(two.watching)] == [3, 3]


async def test_r7_what_another_has_put_off_is_reviewed_before_its_account_is_watched(
    shared_database: Database, clock: FakeClock
) -> None:
    one, two = Process("one", shared_database, clock), Process("two", shared_database, clock)
    await one.start()
    await two.start()
    await live(clock, one, two, over=seconds(12))
    before, reviewed = two.watching, len(two.reviewed)
    await live(clock, two, over=seconds(16))
    assert two.watching == set(SIX)
    assert two.reviewed[reviewed:] == [before]


async def test_an_account_that_only_one_is_configured_for_is_watched_by_it(
    shared_database: Database, clock: FakeClock
) -> None:
    one, two = Process("one", shared_database, clock, "a", "b"), Process("two", shared_database, clock, "a", "b", "c")
    await one.start()
    await two.start()
    await live(clock, one, two, over=seconds(12))
    assert (one.watching, two.watching) == ({"a", "b"}, {"c"})


async def test_a_reload_that_knows_an_account_no_more_leaves_it_to_others(
    shared_database: Database, clock: FakeClock
) -> None:
    await Process("one", shared_database, clock).start()
    after = Process("one", shared_database, clock, "a", "b")
    await after.start()
    other = Process("two", shared_database, clock)
    await other.start()
    assert after.watching == {"a", "b"}
    assert other.watching == set("cdef")


async def test_while_the_database_is_away_a_lease_is_held_to_its_end_and_no_longer(
    shared_database: Database, clock: FakeClock
) -> None:
    unreliable = Unreliable(shared_database)
    one = Process("one", unreliable, clock)
    await one.start()
    unreliable.trouble = DatabaseError("no connection")
    await live(clock, one, over=seconds(14))
    assert one.holding == set(SIX)
    await live(clock, one, over=seconds(2))
    assert one.holding == set()
    assert one.watching == set(SIX), "nobody else can have taken it: it is not forgotten"
    unreliable.trouble = None
    await live(clock, one, over=seconds(2))
    assert one.holding == set(SIX)
    assert [watch.lease.fence for watch in one.watches.values()] == [1] * 6


async def test_what_could_not_be_begun_is_begun_later(shared_database: Database, clock: FakeClock) -> None:
    one = Process("one", shared_database, clock)
    one.watches["b"].fails = True
    await one.start()
    await live(clock, one, over=seconds(60))
    assert "b" not in one.watching
    assert one.sharing.settled_at is None, "an account may be unwatched: that is not healthy"
    one.watches["b"].fails = False
    await live(clock, one, over=seconds(6))
    assert one.watching == set(SIX)
    assert one.sharing.settled_at is not None


class OfRelease:
    """The database as a program of another release works with it."""

    def __init__(self, real: SqlDatabase, release: str) -> None:
        self._real = real
        self._release = release

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlUnitOfWork]:
        async with self._real.begin() as work:
            work._leases = SqlLeases(work.conn, self._real._moment, self._release)
            yield work

    async def has_schema(self, version: str) -> None:
        async with self._real.begin() as work:
            await work.conn.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})


@pytest.mark.parametrize("shared_database", ["postgresql"], indirect=True)
async def test_a_release_that_the_schema_has_outgrown_takes_nothing_more_and_leaves_what_it_holds_to_a_new_one(
    shared_database: Database, clock: FakeClock
) -> None:
    assert isinstance(shared_database, SqlDatabase)
    older = OfRelease(shared_database, "0002")
    await older.has_schema("0002")
    old = Process("old", older, clock, "a", "b")
    await old.start()
    await older.has_schema(HEAD)
    await live(clock, old, over=seconds(60))
    assert old.watching == {"a", "b"}
    another = Process("another", older, clock, "c")
    await another.start()
    assert another.watching == set()
    new = Process("new", shared_database, clock, "a", "b", "c")
    assert {each.name for each in await new.start()} == {"old", "another"}
    await live(clock, old, another, new, over=seconds(12))
    assert (old.watching, another.watching, new.watching) == (set(), set(), {"a", "b", "c"})


@pytest.mark.parametrize("shared_database", ["postgresql"], indirect=True)
async def test_a_database_that_does_not_answer_delays_nothing_for_long(
    shared_database: Database, clock: FakeClock
) -> None:
    class Hanging:
        @asynccontextmanager
        async def begin(self) -> Any:
            await asyncio.sleep(3600)
            yield

    one = Process("one", shared_database, clock)
    await one.start()
    one.sharing._database = Hanging()
    clock.advance(seconds(5))
    async with asyncio.timeout(7):
        await one.sharing.tick()
    assert one.holding == set(SIX)
