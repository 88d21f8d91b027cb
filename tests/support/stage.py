"""The service as it is composed, over real HTTP and a real database; only the clock is moved by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.insight import SqlInsight
from notifier.adapters.database.reading import Found, Wanted
from notifier.adapters.web import App, Exposition
from notifier.app import Pipeline, assemble
from notifier.domain.figures import Reloads
from notifier.domain.incident import Acknowledgement
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence
from notifier.ports import Clock, Counting
from notifier.settings import Settings, load
from notifier.simulator import Account, Link, Simulator
from tests.support.asked import backing
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeClock
from tests.support.scraped import Scraped

TOKEN = "planted-api-token-7f3a"
INTERVAL = timedelta(seconds=60)


class Stage:
    """A simulated Cloudflare, a clock, and one process of the service at a time."""

    def __init__(self, simulator: Simulator, database_url: str, folder: Path) -> None:
        self.simulator = simulator
        self.clock = FakeClock()
        self.machine: Clock = self.clock  # the clock that people have
        self.account: Account = simulator.account(ACCOUNT, token=TOKEN)
        self._database_url = database_url
        self._folder = folder
        self.rate_limit: dict[str, object] = {}
        self.timeout = "10s"
        self.formats: dict[str, str] = {}  # of channels that have not the usual one
        self.more: dict[str, object] = {}  # settings beside those that every scenario has
        self.sending = True  # False: the senders are stuck
        self._pipeline: Pipeline | None = None
        self._database: SqlDatabase | None = None
        self._reader: SqlDatabase | None = None  # what people look at has connections of its own anyway

    def link(self, name: str = "icon-ams-01", site: str = "ams-a") -> Link:
        """Return a link of the account; it is made, and Healthy, if there is none (and found with the next listing)."""
        return self.account.links.get(name) or self.account.link(name, site=site)

    def settings(self, **channels: str) -> Settings:
        """Read settings as the service does, from a file: defaults, but for where everything is, and `more`."""
        path = self._folder / "notifier.yaml"
        document = {
            "database": self._database_url,
            "accounts": [{"id": ACCOUNT, "name": "production", "token": TOKEN}],
            "cloudflare": {"url": self.simulator.url, "timeout": self.timeout, "rate_limit": self.rate_limit},
            "channels": {
                name: {"url": url, "format": self.formats.get(name, "text")} for name, url in channels.items()
            },
            "web": {"listen": None},
            "group": {"wait": "0s"},  # what is told is told at once, unless a scenario wants otherwise
            **self.more,
        }
        path.write_text(json.dumps(document), encoding="utf-8")  # which is YAML
        return load(path, {}, self._folder)

    @asynccontextmanager
    async def at_work(self, **channels: str) -> AsyncIterator[None]:
        """Start the service with these channels (name -> URL); leaving the block is its kill -9."""
        chosen = self.settings(**channels)
        database = SqlDatabase(self._database_url, self._moment)
        await database.prepare(migrate=True)
        self._database = database
        try:
            async with asyncio.TaskGroup() as tasks:
                self._pipeline = assemble(
                    chosen,
                    database=database,
                    clock=self.clock,
                    machine=self.machine,
                    tasks=tasks,
                    owner="stage",
                    chance=lambda: 0.5,
                )
                await self._pipeline.begin()
                self._pipeline.health.begin()
                await self.step()
                yield
        finally:
            if self._pipeline is not None:
                await self._pipeline.close()
            await database.close()
            if self._reader is not None:
                await self._reader.close()

    async def _moment(self, _connection: object) -> datetime:
        return self.clock.now()

    async def step(self) -> None:
        """Do all that is due at this moment."""
        assert self._pipeline is not None
        await (self._pipeline.sharing or self._pipeline.budgeting).tick()
        for watch in self._pipeline.watches:
            await watch.discovery.tick()
            watch.poller.tick()
            await watch.poller.idle()
            await watch.recorder.calm()
        await self._pipeline.upkeep.look()
        await self._pipeline.drilling.tick()
        audit = self._pipeline.audit
        if audit.at is None or self.clock.now() - audit.at >= timedelta(minutes=2):
            await audit.check()
            await self._pipeline.timekeeper.check()
        assert not audit.found  # R28: whatever a scenario does to it, the record adds up
        if self.sending:
            await self._deliver()

    async def beat(self) -> None:
        """Look at how the service is, and let the heartbeat's receiver hear of it."""
        assert self._pipeline is not None
        await self._pipeline.health.moves()
        await self._pipeline.health.look()
        await self._pipeline.beat()

    async def _deliver(self) -> None:
        """Deliver until no delivery has promised another: that is due at once."""
        assert self._pipeline is not None
        deliverers, woken = self._pipeline.deliverers, True
        while woken:
            for deliverer in deliverers:
                deliverer._wake.clear()
            await asyncio.gather(*(deliverer.drain() for deliverer in deliverers))
            woken = any(deliverer._wake.is_set() for deliverer in deliverers)

    async def advance(self, seconds: float, step: float = 15) -> None:
        """Let time pass, in steps of at most so many seconds."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            self.clock.advance(min(timedelta(seconds=step), end - self.clock.now()))
            await self.step()

    async def polls(self, link: Link, *states: str, reason: str | None = None) -> None:
        """Let the link be seen in each of these states, one poll after the other."""
        for state in states:
            link.set(state, reason)
            asked = len(self.simulator.requests.of(link=link.name))
            for _ in range(40):
                if len(self.simulator.requests.of(link=link.name)) > asked:
                    break
                await self.advance(15)
            else:
                raise AssertionError(f"{link.name} was not polled in 10 minutes")

    async def silence(self, match: Matcher, *, minutes: float) -> int:
        """Set a silence from now on, as the command does; return its id."""
        assert self._database is not None
        now = self.machine.now()
        until_at = now + timedelta(minutes=minutes)
        given = Silence(id=0, match=match, from_at=now, until_at=until_at, by="noc", comment="")
        async with self._database.begin() as work:
            return await work.ledger.add_silence(given)

    async def expire(self, silence: int) -> None:
        """End a silence now, as the command does."""
        assert self._database is not None
        async with self._database.begin() as work:
            assert await work.ledger.end_silence(silence, self.machine.now())
            await work.ledger.look_again(self.machine.now())

    async def acknowledge(self, key: str, *, minutes: float | None = None, sticky: bool = False) -> None:
        """Take an incident in hand, as the command does."""
        assert self._database is not None
        now = self.machine.now()
        until = None if minutes is None else now + timedelta(minutes=minutes)
        async with self._database.begin() as work:
            assert await work.ledger.acknowledge(key, Acknowledgement(by="noc", at=now, until=until, sticky=sticky))
            await work.ledger.look_again(now)

    async def flush(self) -> None:
        """Write when unchanged links were last seen."""
        assert self._pipeline is not None
        for watch in self._pipeline.watches:
            await watch.poller.flush()

    @property
    def beside(self) -> SqlDatabase:
        """The database as somebody has it who works beside the service, while that is at work."""
        if self._reader is None:
            self._reader = SqlDatabase(self._database_url, self._moment)
        return self._reader

    def insight(self, redact: Callable[[str], str] = str) -> SqlInsight:
        """Return what people look at."""
        return self.beside.insight(self.machine, redact)

    def statements(self, *, reading: bool = False) -> list[str]:
        """Return a list to which every statement is added that the service, or who looks, sends from now on."""
        database = self._reader if reading else self._database
        assert database is not None
        sent: list[str] = []
        engine = database.reading_engine if reading else database.engine

        @event.listens_for(engine.sync_engine, "before_cursor_execute")
        def _sent(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
            sent.append(statement)

        return sent

    async def scrape(self, accept: str = "", database: Counting | None = None) -> Scraped:
        """Ask for the metrics, as Prometheus does; they may be counted by another database."""
        assert self._pipeline is not None
        counting = database or self._database
        assert counting is not None
        told = Exposition(self._pipeline.figures, database=counting, reloads=Reloads(), clock=self.clock)
        app = App(backing(exposition=told))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            answer = await client.get("/metrics", headers={"Accept": accept})
        assert answer.status_code == 200
        return Scraped(answer.text)

    async def incidents(self) -> list[Found]:
        assert self._database is not None
        async with self._database.read() as reading:
            return await reading.incidents(Wanted(limit=1000))

    async def deliveries(self) -> list[Found]:
        assert self._database is not None
        async with self._database.read() as reading:
            return await reading.deliveries(Wanted(limit=1000), failed=False)

    async def history(self) -> list[Found]:
        assert self._database is not None
        async with self._database.read() as reading:
            return await reading.history(Wanted(limit=1000), None)


@asynccontextmanager
async def open_stage(database_url: str, folder: Path) -> AsyncIterator[Stage]:
    """Set a stage with one link."""
    async with Simulator() as simulator:
        stage = Stage(simulator, database_url, folder)
        stage.link()
        yield stage


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_url, tmp_path) as set_up:
        yield set_up
