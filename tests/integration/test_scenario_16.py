"""Scenario 16: what was open in the release before is still open in this one, and closes once under its old key."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, func, select

from notifier.adapters.database import migrating, tables
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.engine import connection
from notifier.domain.notification import Action
from notifier.ports import TryAgain
from tests.support import release_1
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare

AGAIN = "icon-ams-01 is Healthy again after"


@pytest.fixture
async def old(database_url: str) -> AsyncIterator[SqlDatabase]:
    """A database of release 1, of each real kind in turn."""
    database = SqlDatabase(database_url)
    await release_1.leave(database)
    yield database
    await database.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(release_1.LATER)


@pytest.fixture
def cloudflare() -> FakeCloudflare:
    api = FakeCloudflare()
    api.add(LINK, "Down")
    return api


@pytest.fixture
def noc() -> FakeChannel:
    return FakeChannel("noc")


@pytest.fixture
def pager() -> FakeChannel:
    return FakeChannel("pager", stateful=True)


def keys(pager: FakeChannel) -> list[tuple[Action, str | None]]:
    return [(message.action, message.notification.incident_key) for message in pager.taken]


async def test_scenario_16_what_was_told_is_not_told_again_and_its_end_is_told_once(
    old: SqlDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    await old.prepare(migrate=True)
    async with at_work(old, clock, cloudflare, noc, pager) as bench:
        await bench.advance(3 * INTERVAL, step=seconds(5))
        assert noc.tried == pager.tried == []
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(5 * INTERVAL, step=seconds(5))
    [title] = noc.titles
    assert title.startswith(AGAIN)
    assert keys(pager) == [(Action.CLOSE, release_1.KEY)]


async def test_scenario_16_what_was_blind_and_what_was_refused_close_too(
    old: SqlDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    await release_1.go_blind(old)
    await release_1.refuse(old)
    await old.prepare(migrate=True)
    cloudflare.words[LINK.name] = "timeout"
    async with at_work(old, clock, cloudflare, noc, pager, FakeChannel("mail")) as bench:
        await bench.advance(3 * INTERVAL, step=seconds(5))
        assert keys(pager) == [(Action.CLOSE, release_1.MAIL_KEY)]  # it took what is still so
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(5 * INTERVAL, step=seconds(5))
    assert keys(pager)[1:] == [(Action.CLOSE, release_1.BLIND_KEY), (Action.CLOSE, release_1.KEY)]


async def test_scenario_16_a_channel_that_is_gone_is_missed_and_told_of_the_end_when_it_is_back(
    old: SqlDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    await old.prepare(migrate=True)
    async with at_work(old, clock, cloudflare, noc) as bench:
        assert noc.titles == ["channel pager was removed and still holds an incident open"]
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(5 * INTERVAL, step=seconds(5))
    async with at_work(old, clock, cloudflare, noc, pager) as bench:
        await bench.advance(INTERVAL)
    assert keys(pager) == [(Action.CLOSE, release_1.KEY)]


async def test_scenario_16_what_was_still_to_be_sent_is_sent_before_what_follows(
    database_url: str, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    database = SqlDatabase(database_url)
    await release_1.leave(database, outcome="pending")
    await database.prepare(migrate=True)
    noc.answers = [TryAgain(cause="503")] * 3
    async with at_work(database, clock, cloudflare, noc, pager) as bench:
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(5 * INTERVAL, step=seconds(5))
    await database.close()
    [merged] = noc.taken
    assert noc.titles[0].startswith(AGAIN)
    assert ("icon-ams-01", 'Down (was Healthy) #2 "Port down", 03:12:04Z') in merged.notification.facts
    assert keys(pager) == [(Action.OPEN, release_1.KEY), (Action.CLOSE, release_1.KEY)]


async def test_scenario_16_what_is_older_than_messages_were_kept_is_told_once_more_and_closes(
    old: SqlDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    async with connection(old.engine) as conn:
        await conn.execute(delete(tables.notifications))
    await old.prepare(migrate=True)
    async with at_work(old, clock, cloudflare, noc, pager) as bench:
        await bench.advance(3 * INTERVAL, step=seconds(5))
        assert noc.titles == ["icon-ams-01 is Down"]
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(5 * INTERVAL, step=seconds(5))
    assert keys(pager) == [(Action.OPEN, release_1.KEY), (Action.CLOSE, release_1.KEY)]


async def test_scenario_16_a_step_back_leaves_what_release_1_had(
    old: SqlDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    await old.prepare(migrate=True)
    async with at_work(old, clock, cloudflare, noc, pager) as bench:
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(5 * INTERVAL, step=seconds(5))
    await migrating.downgrade(old.engine, "0001")
    async with connection(old.engine) as conn:
        assert await conn.scalar(select(tables.states.c.status)) == "Healthy"
        assert await conn.scalar(select(func.count()).select_from(tables.transitions)) == 3
        assert await conn.scalar(select(tables.incidents.c.closed_at)) is not None
    await old.prepare(migrate=True)
    async with at_work(old, clock, cloudflare, noc, pager) as bench:
        await bench.advance(3 * INTERVAL, step=seconds(5))
    assert len(noc.taken) == len(pager.taken) == 1
