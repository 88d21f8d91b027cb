"""The schedule, by APScheduler: a few jobs an account, never one per link."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

Job = Callable[[], Awaitable[None]]

logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)  # it warns of each run that would be a second one


class Scheduler:
    """Runs jobs every so often, each at most once at a time; a late job runs late rather than not at all."""

    def __init__(self) -> None:
        # APScheduler's own defaults skip a job that is a second late.
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._running: set[asyncio.Task[None]] = set()

    def every(self, interval: timedelta, job: Job, *, name: str) -> None:
        """Run a job now and then every `interval`."""

        async def run() -> None:
            # Its own task, because APScheduler's shutdown cancels what it runs.
            task = asyncio.ensure_future(job())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

        now, seconds = datetime.now(UTC), interval.total_seconds()
        self._scheduler.add_job(run, "interval", seconds=seconds, id=name, name=name, next_run_time=now)

    def start(self) -> None:
        """Start the jobs; needs a running event loop."""
        self._scheduler.start()

    async def stop(self, within: timedelta) -> None:
        """Start no more jobs and wait for those running; what takes longer than `within` is cancelled."""
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
