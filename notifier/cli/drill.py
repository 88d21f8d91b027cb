"""`notifier test --drill`: a problem and its recovery through the real outbox."""

import asyncio
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.explaining import Explaining
from notifier.adapters.database.reading import Found
from notifier.app import Pipeline, assemble
from notifier.cli.desk import at
from notifier.errors import DatabaseHeldError
from notifier.ports import Drill, Outcome
from notifier.settings import Settings

_PATIENCE = timedelta(seconds=30)  # with the problem, and again with its recovery
_GRACE = timedelta(seconds=5)  # a service looks for what is due each 2 s
_LOOK_EVERY = 0.2  # seconds


async def drill(settings: Settings, names: Collection[str], patience: timedelta = _PATIENCE) -> list[Found]:
    """Promise a problem and then its recovery to these channels; return what became of it within that time.

    The running service sends them; where none does, this process sends what is due for these channels.
    """
    async with at(settings) as database, asyncio.TaskGroup() as tasks:
        owner = f"drill-{os.getpid()}"
        pipeline = assemble(settings, database=database, clock=SystemClock(), tasks=tasks, owner=owner)
        try:
            return await _Drill(database, pipeline, names, patience).run()
        finally:
            await pipeline.close()


class _Drill:
    def __init__(self, database: SqlDatabase, pipeline: Pipeline, names: Collection[str], patience: timedelta) -> None:
        both = zip(pipeline.channels, pipeline.deliverers, strict=True)
        named = [(channel, deliverer) for channel, deliverer in both if channel.name in names]
        self._names = [channel.name for channel, _ in named]
        self._deliverers = [deliverer for _, deliverer in named]
        self._drilling = pipeline.drilling
        self._database = database
        self._patience = patience
        self._unserved = False

    async def run(self) -> list[Found]:
        if self._database.embedded:
            with suppress(DatabaseHeldError):
                self._database.hold()
                self._unserved = True
        number = await self._drilling.by_hand(self._names, self._patience)
        try:
            await self._until(number, lambda drill: drill.recovered_at is not None)
        finally:  # what may have been opened is closed, even if somebody has lost patience
            await self._drilling.recover(number)
        return await self._deliveries(await self._until(number, lambda drill: drill.ended_at is not None))

    async def _until(self, number: int, come: Callable[[Drill], bool]) -> Drill:
        """Take the drill on until it has come so far, and send it if nobody else does."""
        clock = SystemClock()
        began = clock.now()
        while True:
            await self._drilling.advance()
            drill = await self._drilling.drill(number)
            if drill is None:
                raise LookupError("the drill is gone")  # retention keeps it for longer
            if come(drill):
                return drill
            if clock.now() > began + _GRACE and not self._database.embedded:
                waiting = [row for row in await self._deliveries(drill) if row["outcome"] == Outcome.PENDING]
                self._unserved |= any(not row["tries"] for row in waiting)
            if self._unserved:
                for deliverer in self._deliverers:
                    await deliverer.drain()
            await asyncio.sleep(_LOOK_EVERY)

    async def _deliveries(self, drill: Drill) -> list[Found]:
        told = [number for number in (drill.problem, drill.recovery) if number is not None]
        async with self._database.read() as reading:
            return await Explaining(reading.conn).deliveries(told)
