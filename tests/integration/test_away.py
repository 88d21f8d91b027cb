"""While the database is away polls go on in memory; when it is back nothing is lost and nothing told twice (R7)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.errors import DatabaseError, RefusedByDatabaseError
from notifier.pipeline.lease import Lease
from notifier.ports import Database
from tests.support.bench import INTERVAL, Bench, at_work
from tests.support.examples import ACCOUNT, LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.unreliable import Unreliable

OTHER = replace(LINK, name="icon-fra-01", site="fra-a")
DOWN = "icon-ams-01 is Down (was Healthy) #2"


@pytest.fixture
def unreliable(database: Database) -> Unreliable:
    return Unreliable(database)


@pytest.fixture
def cloudflare() -> FakeCloudflare:
    api = FakeCloudflare()
    api.add(LINK)
    api.add(OTHER)
    return api


@pytest.fixture
def events() -> FakeChannel:
    """A channel that gets each notification by itself."""
    return FakeChannel("events", bundles=False)


async def polls(bench: Bench, span: timedelta) -> None:
    """Let only the polls go on: everything else needs the database."""
    end = bench.clock.now() + span
    while bench.clock.now() < end:
        bench.clock.advance(seconds(1))
        bench.poller.tick()
        await bench.poller.idle()


async def test_an_outage_that_nobody_could_write_down_is_told_whole_when_the_database_is_back(
    unreliable: Unreliable, clock: FakeClock, cloudflare: FakeCloudflare, events: FakeChannel
) -> None:
    async with at_work(unreliable, clock, cloudflare, events) as bench:
        await bench.advance(2 * INTERVAL)
        unreliable.trouble = DatabaseError("no connection")
        cloudflare.words[LINK.name] = "Down"
        await polls(bench, 3 * INTERVAL)
        fell_at = clock.now()
        cloudflare.words[LINK.name] = "Healthy"
        await polls(bench, 4 * INTERVAL)
        assert events.titles == []
        unreliable.trouble = None
        await bench.advance(seconds(5))
    assert [title[:32] for title in events.titles] == [DOWN[:32], "icon-ams-01 is Healthy again aft"]
    assert events.taken[0].notification.observed_at < fell_at
    assert not any("not observed" in message.notification.lead for message in events.taken)


async def test_a_flicker_while_the_database_is_away_is_still_a_flicker(
    unreliable: Unreliable, clock: FakeClock, cloudflare: FakeCloudflare, events: FakeChannel
) -> None:
    async with at_work(unreliable, clock, cloudflare, events) as bench:
        await bench.advance(2 * INTERVAL)
        unreliable.trouble = DatabaseError("no connection")
        for word in ("Down", "Healthy", "Down", "Healthy"):
            cloudflare.words[LINK.name] = word
            asked = cloudflare.asked.count(LINK.name)
            while cloudflare.asked.count(LINK.name) == asked:
                await polls(bench, seconds(1))
        unreliable.trouble = None
        await bench.advance(3 * INTERVAL)
    assert events.titles == []


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    unreliable: Unreliable, clock: FakeClock, cloudflare: FakeCloudflare, events: FakeChannel
) -> None:
    async with at_work(unreliable, clock, cloudflare, events) as bench:
        await bench.advance(2 * INTERVAL)
        unreliable.trouble, unreliable.too_late = DatabaseError("connection lost"), True
        cloudflare.words[LINK.name] = "Down"
        await polls(bench, 2 * INTERVAL)
        unreliable.trouble = None
        await bench.advance(INTERVAL)
    assert events.titles == [DOWN]


def many(cloudflare: FakeCloudflare) -> list[str]:
    for place in range(200):
        cloudflare.add(replace(LINK, name=f"icon-{place:03d}", site=f"site-{place:03d}"))
    return sorted(cloudflare.links)


async def test_in_a_storm_no_more_is_asked_than_can_be_written_soon(
    unreliable: Unreliable, clock: FakeClock, cloudflare: FakeCloudflare, events: FakeChannel
) -> None:
    names = many(cloudflare)
    async with at_work(unreliable, clock, cloudflare, events) as bench:
        await bench.advance(2 * INTERVAL)
        unreliable.slow = asyncio.Event()
        cloudflare.words |= dict.fromkeys(names, "Down")
        asked = len(cloudflare.asked)
        for _ in range(60):
            clock.advance(seconds(1))
            bench.poller.tick()
            await turns()
        assert 0 < len(cloudflare.asked) - asked <= 20
        unreliable.slow.set()
        await bench.advance(2 * INTERVAL)
    assert len(events.titles) == len(names)


async def test_while_the_database_is_away_all_are_asked_all_the_same(
    unreliable: Unreliable, clock: FakeClock, cloudflare: FakeCloudflare, events: FakeChannel
) -> None:
    names = many(cloudflare)
    async with at_work(unreliable, clock, cloudflare, events) as bench:
        await bench.advance(2 * INTERVAL)
        unreliable.trouble = DatabaseError("no connection")
        cloudflare.words |= dict.fromkeys(names, "Down")
        cloudflare.asked.clear()
        await polls(bench, INTERVAL + seconds(2))
        assert {*cloudflare.asked} == {*names}


async def turns() -> None:
    """Let everything go on that waits for nothing outside."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_what_the_database_will_never_take_holds_up_nothing_else(
    unreliable: Unreliable, clock: FakeClock, cloudflare: FakeCloudflare, events: FakeChannel
) -> None:
    async with at_work(unreliable, clock, cloudflare, events) as bench:
        await bench.advance(2 * INTERVAL)
        unreliable.trouble = RefusedByDatabaseError("not a text")
        cloudflare.words[LINK.name] = "Down"
        await polls(bench, INTERVAL)
        unreliable.trouble = None
        cloudflare.words[OTHER.name] = "Down"
        await bench.advance(2 * INTERVAL)
    assert sorted(events.titles) == [DOWN, "icon-fra-01 is Down (was Healthy) #2"]


async def test_what_was_seen_under_a_lease_that_another_took_is_not_recorded(
    shared_database: Database, clock: FakeClock, cloudflare: FakeCloudflare, events: FakeChannel
) -> None:
    async with shared_database.begin() as work:
        fence = (await work.leases.take("one", [ACCOUNT], seconds(15)))[ACCOUNT]
    lease = Lease(until=clock.now() + timedelta(days=1), fence=fence)
    async with at_work(shared_database, clock, cloudflare, events, lease=lease) as bench:
        await bench.advance(2 * INTERVAL)
        clock.advance(seconds(15))
        async with shared_database.begin() as work:
            assert await work.leases.take("two", [ACCOUNT], seconds(15)) == {ACCOUNT: fence + 1}
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(2 * INTERVAL)
        asked = len(cloudflare.asked)
        await bench.advance(2 * INTERVAL)
        assert len(cloudflare.asked) == asked, "it asks no more"
        async with shared_database.begin() as work:
            states = await work.watched.states(ACCOUNT, [LINK.name])
    assert states[LINK.name].status == "Healthy"
    assert states[LINK.name].candidate is None
    assert events.titles == []
