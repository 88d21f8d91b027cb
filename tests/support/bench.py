"""The whole pipeline on a bench: any database, fakes around it, moved by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from notifier.domain.decision import Policy
from notifier.domain.words import Voice
from notifier.pipeline.delivery import Deliverer
from notifier.pipeline.discovery import Discovery, Selection
from notifier.pipeline.polling import Pace, Poller
from notifier.pipeline.recipients import Recipients
from notifier.pipeline.recording import Recorder
from notifier.ports import Database
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare

INTERVAL = timedelta(seconds=60)
RECHECK = timedelta(seconds=15)


class Bench:
    """One process of the service over a database; `at_work` makes another of the same (a restart)."""

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        cloudflare: FakeCloudflare,
        channels: list[FakeChannel],
        tasks: asyncio.TaskGroup,
        policy: Policy,
    ) -> None:
        self.clock = clock
        self.channels = channels
        recipients = Recipients({channel.name: channel.stateful for channel in channels})
        self.recorder = Recorder(
            voice=Voice(account=ACCOUNT, name="production"),
            database=database,
            policy=policy,
            recipients=recipients,
            clock=clock,
            committed=self._committed,
        )
        self.poller = Poller(
            account=ACCOUNT,
            cloudflare=cloudflare,
            recorder=self.recorder,
            clock=clock,
            pace=Pace(interval=INTERVAL, recheck=RECHECK),
            tasks=tasks,
        )
        self.discovery = Discovery(
            cloudflare=cloudflare,
            recorder=self.recorder,
            clock=clock,
            selection=Selection(),
            every=timedelta(minutes=10),
            after_failure=INTERVAL,
            found=lambda links: self.poller.watch(links, {}),
        )
        self.deliverers = [
            Deliverer(
                channel=channel,
                database=database,
                recipients=recipients,
                clock=clock,
                owner="bench",
                chance=lambda: 0.5,
                committed=self._committed,
            )
            for channel in channels
        ]

    def _committed(self) -> None:
        for deliverer in self.deliverers:
            deliverer.wake()

    async def begin(self) -> None:
        links, states = await self.recorder.known()
        self.poller.watch(links, states)

    async def step(self) -> None:
        """Do all that is due at this moment."""
        await self.discovery.tick()
        self.poller.tick()
        await self.poller.idle()
        for _ in range(3):  # what a delivery promises to others is due at once
            for deliverer in self.deliverers:
                await deliverer.drain()

    async def advance(self, span: timedelta, step: timedelta = timedelta(seconds=1)) -> None:
        """Let time pass, second by second."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(step)
            await self.step()


@asynccontextmanager
async def at_work(
    database: Database,
    clock: FakeClock,
    cloudflare: FakeCloudflare,
    *channels: FakeChannel,
    policy: Policy | None = None,
) -> AsyncIterator[Bench]:
    """Start a process on the bench; leaving the block is a kill -9."""
    async with asyncio.TaskGroup() as tasks:
        bench = Bench(database, clock, cloudflare, list(channels), tasks, policy or Policy())
        await bench.begin()
        await bench.step()
        yield bench
