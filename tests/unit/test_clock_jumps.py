"""A process that starts with a clock behind the one that wrote its database (R7, R13)."""

import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.bench import INTERVAL, at_work
from tests.support.examples import FORBIDDEN, LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase

HOUR = timedelta(hours=1)
DOWN = "icon-ams-01 is Down (was Healthy) #2"


async def test_a_link_that_falls_after_a_restart_with_the_clock_an_hour_back_is_told_in_time(
    memory: MemoryDatabase,
    clock: FakeClock,
    cloudflare: FakeCloudflare,
    noc: FakeChannel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(3 * INTERVAL)
        await bench.poller.flush()
    clock.advance(-HOUR)
    caplog.set_level(logging.WARNING, "notifier")
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(INTERVAL + seconds(15))
    assert noc.titles == [DOWN]
    [transition] = [t for t in memory.tables.transitions if t.number == 2]
    assert transition.last_seen_before is not None
    assert transition.last_seen_before < transition.first_seen_at <= transition.confirmed_at <= clock.now()
    [said] = caplog.records
    assert said.getMessage() == "stored times lay in the future"
    assert timedelta(minutes=59) < said.__dict__["fields"]["by"] <= HOUR


async def test_a_candidate_of_the_future_is_confirmed_by_the_next_look(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        while not memory.tables.states or next(iter(memory.tables.states.values())).candidate is None:
            await bench.advance(seconds(1))
    clock.advance(-HOUR)
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(seconds(20))
    assert noc.titles == [DOWN]


async def test_blindness_of_the_future_ends_with_what_changed_in_it(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.listing_fails, cloudflare.words[LINK.name] = FORBIDDEN, "403"
        await bench.advance(2 * INTERVAL)
    clock.advance(-HOUR)
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.listing_fails, cloudflare.words[LINK.name] = None, "Healthy"
        await bench.advance(2 * INTERVAL)
    blind, seen = noc.titles
    assert blind == "cannot see interconnects: 403 from Cloudflare"
    assert re.match("can see interconnects again after [12]m", seen)


async def test_a_link_that_returns_after_its_removal_in_the_future_is_watched_at_once(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    other = replace(LINK, name="icon-fra-01", site="fra-a")
    cloudflare.add(other)
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        del cloudflare.links[other.name]
        await bench.advance(timedelta(minutes=31), step=seconds(5))
    assert [title for title in noc.titles if "removed" in title]
    clock.advance(-HOUR)
    cloudflare.add(other)
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[other.name] = "Down"
        await bench.advance(2 * INTERVAL)
    assert noc.titles[-1].startswith("icon-fra-01 is Down")


async def test_a_restart_with_the_same_clock_writes_nothing(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        before = dict(memory.tables.states)
    async with at_work(memory, clock, cloudflare, noc) as bench:
        assert memory.tables.states == before
