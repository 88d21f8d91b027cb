"""The schedule, whatever happens to the clock by which APScheduler reckons."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from notifier.adapters.clock import SystemClock
from notifier.adapters.scheduler import Scheduler
from tests.support.process import until

HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=50)


class Counted:
    """A job that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1


@asynccontextmanager
async def scheduled(**jobs: tuple[timedelta, Counted]) -> AsyncIterator[Scheduler]:
    """Run jobs, each with its interval, until the block ends."""
    scheduler = Scheduler(SystemClock())
    for name, (interval, job) in jobs.items():
        scheduler.every(interval, job, name=name)
    scheduler.start()
    try:
        yield scheduler
    finally:
        await scheduler.stop(timedelta(seconds=1))


def step(scheduler: Scheduler, span: timedelta) -> None:
    """Do to every job what a step of the machine's clock by that span would do to it."""
    for job in scheduler._scheduler.get_jobs():
        job.modify(next_run_time=job.next_run_time - span)


async def test_a_job_runs_at_once_and_then_at_its_interval() -> None:
    often, seldom = Counted(), Counted()
    async with scheduled(often=(SOON, often), seldom=(HOUR, seldom)):
        await until(lambda: often.runs >= 3)
    assert seldom.runs == 1


async def test_a_job_that_is_not_to_run_at_once_waits_for_its_interval() -> None:
    often, seldom = Counted(), Counted()
    scheduler = Scheduler(SystemClock())
    scheduler.every(SOON, often, name="often", at_once=False)
    scheduler.every(HOUR, seldom, name="seldom", at_once=False)
    scheduler.start()
    await until(lambda: often.runs >= 3)
    await scheduler.stop(timedelta(seconds=1))
    assert seldom.runs == 0


async def test_to_stop_what_never_started_is_harmless() -> None:
    await Scheduler(SystemClock()).stop(timedelta(seconds=1))


async def test_a_clock_set_back_by_an_hour_keeps_nothing_waiting() -> None:
    often, seldom = Counted(), Counted()
    async with scheduled(often=(SOON, often), seldom=(HOUR, seldom)) as scheduler:
        await until(lambda: often.runs > 0)
        step(scheduler, -HOUR)
        before = often.runs
        await until(lambda: often.runs >= before + 3, within=5)


@pytest.mark.parametrize("span", [timedelta(minutes=5), 10 * HOUR, timedelta(days=365 * 50)])
async def test_what_was_missed_while_time_leapt_is_done_once_at_once(span: timedelta) -> None:
    often, seldom = Counted(), Counted()
    async with scheduled(often=(SOON, often), seldom=(HOUR, seldom)) as scheduler:
        await until(lambda: often.runs > 0)
        step(scheduler, span + HOUR)
        before = often.runs
        await until(lambda: seldom.runs == 2, within=5)
        assert often.runs <= before + 2
        await until(lambda: often.runs >= before + 3, within=5)
    assert seldom.runs == 2


async def test_a_job_that_takes_longer_than_its_interval_is_never_run_twice_at_once() -> None:
    running, most, done = 0, 0, asyncio.Event()

    async def slow() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.wait_for(done.wait(), 10)
        running -= 1

    often = Counted()
    scheduler = Scheduler(SystemClock())
    scheduler.every(SOON, slow, name="slow")
    scheduler.every(SOON, often, name="often")
    scheduler.start()
    await until(lambda: often.runs >= 5)
    done.set()
    await scheduler.stop(timedelta(seconds=1))
    assert most == 1
