"""The schedule, by APScheduler: a few jobs an account, never one per link."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from notifier.ports import Clock

Job = Callable[[], Awaitable[None]]

logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)  # it warns of each run that would be a second one

_LOOK_EVERY_S = 1.0


class Scheduler:
    """Runs jobs every so often, each at most once at a time; a late job runs late rather than not at all.

    Nothing waits longer than its interval, and nothing that was missed is made up for, whatever happens to the
    machine's clock, by which APScheduler goes.
    """

    def __init__(self, machine: Clock) -> None:
        """`machine` is the machine's clock."""
        # APScheduler's own defaults skip a job that is a second late.
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._machine = machine
        self._running: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None

    def every(self, interval: timedelta, job: Job, *, name: str, at_once: bool = True) -> None:
        """Run a job now, unless not `at_once`, and then every `interval`."""

        async def run() -> None:
            # Its own task, because APScheduler's shutdown cancels what it runs.
            task = asyncio.ensure_future(job())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

        first = self._machine.now() + (timedelta() if at_once else interval)
        self._scheduler.add_job(run, _Each(interval), id=name, name=name, next_run_time=first)

    def start(self) -> None:
        """Start the jobs; needs a running event loop."""
        self._scheduler.start()
        self._hasten()

    def _hasten(self) -> None:
        """Run what is due later than it can be: the machine's clock was set back."""
        now = self._machine.now()
        for job in self._scheduler.get_jobs():
            if job.next_run_time > now + job.trigger.interval:
                job.modify(next_run_time=now)
        self._look = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._hasten)

    async def stop(self, within: timedelta) -> None:
        """Start no more jobs and wait for those running; what takes longer than `within` is cancelled."""
        if self._look is None:
            return  # it never started
        self._look.cancel()
        self._scheduler.pause()
        running = set(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=within.total_seconds())
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # its shutdown takes one turn of the loop


class _Each(BaseTrigger):  # type: ignore[misc]  # APScheduler is not typed
    """Due at once, and then each `interval`; however many turns were missed, only one is late.

    APScheduler's own trigger lists every turn that was missed: as many as fit into fifty years, where a machine
    learns the time after its start.
    """

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the next turn after one, or the first."""
        if previous_fire_time is None:
            return now
        return max(previous_fire_time, now - self.interval) + self.interval
