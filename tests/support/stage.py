"""The service as it is composed, over real HTTP and a real database; only the clock is moved by hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import yaml
from sqlalchemy import event

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.reading import Found, Wanted
from notifier.app import Pipeline, assemble
from notifier.settings import Settings, load
from notifier.simulator import Account, Link, Simulator
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeClock

TOKEN = "planted-api-token-7f3a"
INTERVAL = timedelta(seconds=60)


def settings(
    folder: Path, database_url: str, api_url: str, channels: Mapping[str, str], rate_limit: Mapping[str, object]
) -> Settings:
    """Read settings as the service does, from a file: defaults, but for where everything is, and the rate limit."""
    path = folder / "notifier.yaml"
    document = {
        "database": database_url,
        "accounts": [{"id": ACCOUNT, "name": "production", "token": TOKEN}],
        "cloudflare": {"url": api_url, "timeout": "500ms", "rate_limit": dict(rate_limit)},
        "channels": {name: {"url": url} for name, url in channels.items()},
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load(path, {}, folder)


class Stage:
    """A simulated Cloudflare, a clock, and one process of the service at a time."""

    def __init__(self, simulator: Simulator, database_url: str, folder: Path) -> None:
        self.simulator = simulator
        self.clock = FakeClock()
        self.account: Account = simulator.account(ACCOUNT, token=TOKEN)
        self._database_url = database_url
        self._folder = folder
        self.rate_limit: dict[str, object] = {}
        self._pipeline: Pipeline | None = None
        self._database: SqlDatabase | None = None

    def link(self, name: str = "icon-ams-01", site: str = "ams-a") -> Link:
        """Return a link of the account; it is made, and Healthy, if there is none (and found with the next listing)."""
        return self.account.links.get(name) or self.account.link(name, site=site)

    @asynccontextmanager
    async def at_work(self, **channels: str) -> AsyncIterator[None]:
        """Start the service with these channels (name -> URL); leaving the block is its kill -9."""
        chosen = settings(self._folder, self._database_url, self.simulator.url, channels, self.rate_limit)
        database = SqlDatabase(self._database_url)
        await database.prepare(migrate=True)
        self._database = database
        try:
            async with asyncio.TaskGroup() as tasks:
                self._pipeline = assemble(
                    chosen, database=database, clock=self.clock, tasks=tasks, owner="stage", chance=lambda: 0.5
                )
                await self._pipeline.begin()
                await self.step()
                yield
        finally:
            if self._pipeline is not None:
                await self._pipeline.close()
            await database.close()

    async def step(self) -> None:
        """Do all that is due at this moment."""
        assert self._pipeline is not None
        for watch in self._pipeline.watches:
            await watch.discovery.tick()
            watch.poller.tick()
            await watch.poller.idle()
        for _ in range(3):  # what a delivery promises to others is due at once
            await asyncio.gather(*(deliverer.drain() for deliverer in self._pipeline.deliverers))

    async def advance(self, seconds: float, step: float = 5) -> None:
        """Let time pass."""
        for _ in range(round(seconds / step)):
            self.clock.advance(timedelta(seconds=step))
            await self.step()

    async def polls(self, link: Link, *states: str, reason: str | None = None) -> None:
        """Let the link be seen in each of these states, one poll after the other."""
        for state in states:
            link.set(state, reason)
            asked = len(self.simulator.requests.of(link=link.name))
            for _ in range(120):
                if len(self.simulator.requests.of(link=link.name)) > asked:
                    break
                await self.advance(5)
            else:
                raise AssertionError(f"{link.name} was not polled in 10 minutes")

    async def flush(self) -> None:
        """Write when unchanged links were last seen."""
        assert self._pipeline is not None
        for watch in self._pipeline.watches:
            await watch.poller.flush()

    def statements(self) -> list[str]:
        """Return a list to which every statement is added that is sent to the database from now on."""
        assert self._database is not None
        sent: list[str] = []

        @event.listens_for(self._database.engine.sync_engine, "before_cursor_execute")
        def _sent(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
            sent.append(statement)

        return sent

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
