"""What is measured: the service as people run it, a process of its own on its own core; and beside it the bare loop."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bare
from benchmarks.answerer import Answerer
from benchmarks.machine import MEASURED, Process, pin
from tests.support.postgres import OwnServer
from tests.support.process import Service, configure, notifier, until

TOKEN = "token-of-{account}"  # noqa: S105 - a form: every account has a budget of its own

_AS_INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}  # compiled once, not at each start
_ON_CORE = partial(pin, MEASURED)


class Subject(Service):
    """`notifier run`, as a process that can be measured."""

    def __init__(
        self, config: Path, name: str = "service", environ: Mapping[str, str] | None = None, core: int = MEASURED
    ) -> None:
        self.config = config
        super().__init__(config, {**_AS_INSTALLED, **(environ or {})}, name=name, first=partial(pin, core))

    @property
    def process(self) -> Process:
        """The process, in figures."""
        return Process(self.pid)


def settings(
    folder: Path,
    answerer: Answerer,
    accounts: Sequence[str],
    *,
    interval: str = "60s",
    database: str | None = None,
    channels: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """Write a configuration: SQLite if no database is given, a channel that takes nothing, defaults in all but pace."""
    return configure(
        folder,
        database or f"sqlite:///{folder}/notifier.db",
        answerer.url,
        channels or {"nobody": "json://127.0.0.1:9/"},
        accounts=[{"id": account, "name": account, "token": TOKEN.format(account=account)} for account in accounts],
        cloudflare={"url": answerer.url, "rate_limit": {"requests": 1_000_000, "per": "1s", "share": 1}},
        # Not hurried as for tests, and with the status page, at a port that is free.
        **{"poll": {"interval": interval}, "detection": {}, "replicas": {}, "web": {"listen": "127.0.0.1:0"}, **more},
    )


@asynccontextmanager
async def at_work(subject: Subject, *, known: bool = False) -> AsyncIterator[Subject]:
    """Start it, and end it in good order.

    Unless the database is `known` its schema is made by another process, as in one that has run before: what a
    migration takes is not measured.
    """
    if not known:
        made = await notifier("--config", str(subject.config), "db", "upgrade", folder=subject.config.parent)
        assert made.code == 0, made
    await subject.start()
    try:
        yield subject
    finally:
        await subject.stop()


@asynccontextmanager
async def bare_loop(
    client: str, answerer: Answerer, account: str, links: int, interval_s: float
) -> AsyncIterator[Process]:
    """Run the bare loop on the measured core."""
    arguments = (client, answerer.url, account, str(links), str(interval_s))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", bare.__name__, *arguments, preexec_fn=_ON_CORE)
    try:
        yield Process(process.pid)
    finally:
        process.kill()
        await process.wait()


async def polled(answerer: Answerer, accounts: Sequence[str], times: int) -> None:
    """Wait until these accounts were asked so often in all."""
    await until(lambda: sum(answerer.asked[account] for account in accounts) >= times, within=600)


@contextmanager
def folder() -> Iterator[Path]:
    """Make a temporary folder, removed in the end."""
    with tempfile.TemporaryDirectory(prefix="notifier-bench-") as made:
        yield Path(made)


@contextmanager
def postgresql() -> Iterator[OwnServer]:
    """Run a PostgreSQL that writes to the disk as one in use does."""
    server = OwnServer(durable=True)
    try:
        yield server
    finally:
        server.close()
