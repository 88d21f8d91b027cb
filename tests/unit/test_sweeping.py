"""Polls are started evenly, not in bursts that everything else waits for; a fault at one account stays there (R7)."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from notifier.pipeline.sweeping import sweep
from tests.support.bench import INTERVAL, Bench, at_work
from tests.support.examples import LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase


class BreakingClock(FakeClock):
    """Says the time until it breaks."""

    broken = False

    def now(self) -> datetime:
        if self.broken:
            raise ZeroDivisionError
        return super().now()


async def asked_in_a_sweep(bench: Bench, cloudflare: FakeCloudflare, clock: FakeClock) -> Counter[timedelta]:
    """Count the polls of one sweep by when they were started; the next sweep comes after an interval."""
    began, asked = clock.now(), Counter[timedelta]()

    async def pause(span: timedelta) -> None:
        before = len(cloudflare.asked)
        await bench.poller.idle()
        asked[clock.now() - began] += len(cloudflare.asked) - before
        clock.advance(span)

    await sweep([bench.poller], INTERVAL, pause)
    await pause(INTERVAL)
    return asked


async def test_a_hundred_polls_of_one_tick_are_started_some_at_a_time_evenly(
    memory: MemoryDatabase, clock: FakeClock, noc: FakeChannel
) -> None:
    cloudflare = FakeCloudflare()
    for place in range(100):
        cloudflare.add(replace(LINK, name=f"icon-{place:03d}"))
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(2 * INTERVAL)
        asked = await asked_in_a_sweep(bench, cloudflare, clock)
    assert sum(asked.values()) >= 90
    assert max(asked.values()) <= 11


async def test_the_few_polls_of_a_small_account_need_one_look_a_tick(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(2 * INTERVAL)
        clock.advance(INTERVAL)
        assert await asked_in_a_sweep(bench, cloudflare, clock) == {seconds(0): 1}


async def test_r7_a_fault_of_ours_at_one_account_does_not_blind_the_next(
    memory: MemoryDatabase,
    clock: FakeClock,
    cloudflare: FakeCloudflare,
    noc: FakeChannel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaking = BreakingClock()
    async with (
        at_work(MemoryDatabase(), breaking, FakeCloudflare(), FakeChannel()) as faulty,
        at_work(memory, clock, cloudflare, noc) as bench,
    ):
        clock.advance(2 * INTERVAL)
        asked, breaking.broken = len(cloudflare.asked), True
        await sweep([faulty.poller, bench.poller], INTERVAL)
        await bench.poller.idle()
        assert len(cloudflare.asked) > asked
    assert "sweep failed by a fault of ours" in caplog.text
