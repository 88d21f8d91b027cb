"""`notifier test --drill`: a problem and its recovery through the real outbox."""

import asyncio
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.explaining import Explaining
from notifier.adapters.database.reading import Found
from notifier.app import Pipeline, assemble
from notifier.cli.desk import at
from notifier.domain.backoff import gives_up_at
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.status import DOWN, HEALTHY, Severity
from notifier.errors import DatabaseHeldError
from notifier.ports import Channel, Outcome, Promise
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
        self._channels = [channel for channel, _ in named]
        self._deliverers = [deliverer for _, deliverer in named]
        self._database = database
        self._patience = patience
        self._number = int(SystemClock().now().timestamp())
        self._promised: list[int] = []
        self._unserved = False

    async def run(self) -> list[Found]:
        if self._database.embedded:
            with suppress(DatabaseHeldError):
                self._database.hold()
                self._unserved = True
        await self._promise(Kind.PROBLEM, self._channels)
        try:
            await self._settled(Kind.PROBLEM)
        finally:  # what may have been opened is closed, even if somebody has lost patience
            refused = {row["channel"] for row in await self._deliveries() if row["outcome"] == Outcome.ABANDONED}
            await self._promise(Kind.RECOVERED, [c for c in self._channels if c.name not in refused])
        await self._settled(Kind.RECOVERED)
        return await self._deliveries()

    async def _promise(self, kind: Kind, channels: Sequence[Channel]) -> None:
        now = SystemClock().now()
        promises = [self._delivery(kind, channel, now) for channel in channels]
        async with self._database.begin() as work:
            self._promised += await work.outbox.promise([(_words(kind, self._number, now), promises)])

    def _delivery(self, kind: Kind, channel: Channel, now: datetime) -> Promise:
        problem = kind is Kind.PROBLEM
        does = (Action.OPEN if problem else Action.CLOSE) if channel.stateful else Action.TELL
        return Promise(
            channel=channel.name,
            lane=f"drill/{self._number}",
            action=does,
            urgency=0 if problem else 1,
            due_at=now,
            give_up_at=gives_up_at(now, does),
            why="drill",
        )

    async def _settled(self, kind: Kind) -> None:
        """Wait until all is settled or the time is over, and send it if nobody else does."""
        clock = SystemClock()
        began = clock.now()
        while clock.now() < began + self._patience:
            waiting = [r for r in await self._deliveries() if (r["kind"], r["outcome"]) == (kind, Outcome.PENDING)]
            if not waiting:
                return
            if clock.now() > began + _GRACE and not self._database.embedded:
                self._unserved |= any(not row["tries"] for row in waiting)
            if self._unserved:
                for deliverer in self._deliverers:
                    await deliverer.drain()
            await asyncio.sleep(_LOOK_EVERY)

    async def _deliveries(self) -> list[Found]:
        async with self._database.read() as reading:
            return await Explaining(reading.conn).deliveries(self._promised)


def _words(kind: Kind, number: int, now: datetime) -> Notification:
    problem = kind is Kind.PROBLEM
    after, before = (DOWN, HEALTHY) if problem else (f"{HEALTHY} again", DOWN)
    return Notification(
        kind=kind,
        severity=Severity.CRITICAL if problem else Severity.OK,
        account="",
        account_name="",
        subject=f"drill {number}",
        title=f"[drill] a link is {after} (was {before})",
        lead="This is a drill of cni-notifier. Nothing happened to any interconnect.",
        incident_key=f"cni:drill:{number}",
        observed_at=now,
        recorded_at=now,
        status=DOWN if problem else HEALTHY,
        before=before,
    )
