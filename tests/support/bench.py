"""The whole pipeline on a bench: any database, fakes around it, moved by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from notifier.domain.decision import Policy
from notifier.domain.tally import Polls, Transitions
from notifier.domain.words import Voice
from notifier.pipeline.announcing import Announcer
from notifier.pipeline.audit import Audit
from notifier.pipeline.delivery import Deliverer
from notifier.pipeline.discovery import Discovery
from notifier.pipeline.enrolling import Enroller
from notifier.pipeline.lease import Lease
from notifier.pipeline.polling import Pace, Poller
from notifier.pipeline.recording import Recorder, Transactions
from notifier.pipeline.settling import Settler
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.pipeline.upkeep import Retention, Upkeep
from notifier.ports import Database
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare

INTERVAL = timedelta(seconds=60)
RECHECK = timedelta(seconds=15)
STRIDE = timedelta(seconds=5)
AUDIT = timedelta(minutes=1)
CALM = timedelta(minutes=15)  # between looks for links that flap no more


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
        rules: Rules | None,
        takes: Callable[[str], bool],
        lease: Lease,
    ) -> None:
        self.clock = clock
        self.lease = lease
        self.polls, self.transitions = Polls(), Transitions()
        self.channels = channels
        self.stirred = False
        teller = Teller(rules or Rules(channels={c.name: c for c in channels}, wait=timedelta(0)))
        voice = Voice(account=ACCOUNT, name="production")
        announcer = Announcer(voice=voice, teller=teller, severities={}, quiet=policy.flapping.quiet)
        transactions = Transactions(ACCOUNT, database, self._committed, lease)
        self.recorder = Recorder(
            account=ACCOUNT,
            database=database,
            policy=policy,
            announcer=announcer,
            transactions=transactions,
            clock=clock,
            tally=self.transitions,
        )
        self.enroller = Enroller(
            voice=voice,
            takes=takes,
            removed_after=3,
            blind_after=policy.blind_after,
            announcer=announcer,
            transactions=transactions,
            clock=clock,
            tally=self.transitions,
        )
        self.upkeep = Upkeep(
            database=database,
            clock=clock,
            retention=Retention(deliveries=timedelta(days=90), observations=timedelta(days=30)),
            teller=teller,
            committed=self._committed,
        )
        self.audit = Audit(
            database=database,
            clock=clock,
            teller=teller,
            names={ACCOUNT: "production"},
            committed=self._committed,
        )
        self.poller = Poller(
            account=ACCOUNT,
            cloudflare=cloudflare,
            recorder=self.recorder,
            clock=clock,
            pace=Pace(interval=INTERVAL, recheck=RECHECK),
            tasks=tasks,
            lease=lease,
            tally=self.polls,
        )
        self.discovery = Discovery(
            cloudflare=cloudflare,
            enroller=self.enroller,
            clock=clock,
            every=timedelta(minutes=10),
            after_failure=INTERVAL,
            found=self.poller.watch,
        )
        self.deliverers = [
            Deliverer(
                channel=channel,
                database=database,
                clock=clock,
                owner="bench",
                chance=lambda: 0.5,
                storm=teller.rules.storm,
                settle=Settler(teller).settle,
                committed=self._committed,
            )
            for channel in channels
        ]

    def _committed(self) -> None:
        self.stirred = True
        for deliverer in self.deliverers:
            deliverer.wake()

    async def begin(self) -> None:
        await self.upkeep.adopt_channels({channel.name: channel.mark for channel in self.channels})
        await self.upkeep.review()
        links, states = await self.recorder.known()
        self.poller.watch(links, states)

    async def step(self) -> None:
        """Do all that is due at this moment."""
        if self.lease.holds(self.clock.now()):
            await self.discovery.tick()
        self.poller.tick()
        await self.poller.idle()
        await self.recorder.calm()
        await self.upkeep.look()
        if self.audit.at is None or self.clock.now() - self.audit.at >= AUDIT:
            await self.audit.check()
        assert not self.audit.found, self.audit.found  # R28: whatever a test does to it, the record adds up
        self.stirred = True
        while self.stirred:  # what a delivery promises to others is due at once
            self.stirred = False
            for deliverer in self.deliverers:
                await deliverer.drain()

    async def advance(self, span: timedelta, step: timedelta = timedelta(seconds=1)) -> None:
        """Let time pass, second by second."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(step)
            await self.step()

    async def leap(self, span: timedelta, due: Callable[[], Awaitable[datetime]]) -> None:
        """Let time pass, polling; do the rest only when something is `due` by the record."""
        end, calm = self.clock.now() + span, self.clock.now()
        while (now := self.clock.now()) < end:
            if now >= calm:
                await self.recorder.calm()
                calm = now + CALM
            at = await due()
            if at <= now:
                await self.step()
                at = max(await due(), now + RECHECK)  # what is due still waits for its turn
            await self._poll_until(min(at, calm, end))
        await self.step()

    async def _poll_until(self, until: datetime) -> None:
        """Poll, until something is written."""
        self.stirred = False
        while self.clock.now() < until and not self.stirred:
            self.clock.advance(min(STRIDE, until - self.clock.now()))
            await self.discovery.tick()
            self.poller.tick()
            await self.poller.idle()


@asynccontextmanager
async def at_work(
    database: Database,
    clock: FakeClock,
    cloudflare: FakeCloudflare,
    *channels: FakeChannel,
    policy: Policy | None = None,
    rules: Rules | None = None,
    takes: Callable[[str], bool] = lambda _: True,
    lease: Lease | None = None,
) -> AsyncIterator[Bench]:
    """Start a process on the bench; leaving the block is a kill -9."""
    async with asyncio.TaskGroup() as tasks:
        bench = Bench(
            database,
            clock,
            cloudflare,
            list(channels),
            tasks,
            policy or Policy(),
            rules,
            takes,
            lease or Lease.for_ever(),
        )
        await bench.begin()
        await bench.step()
        yield bench
