"""SIGTERM, whatever is away or hangs: it ends within 10 s, with a sentence and without a traceback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIGHUP
from urllib.parse import urlsplit

import pytest

from notifier.simulator import Account, Simulator, faults
from tests.support.postgres import OwnServer
from tests.support.process import Service, until
from tests.support.receivers import HttpReceiver
from tests.support.scenes import DOWN, noc, titles

pytestmark = pytest.mark.slow


class Wire:
    """Leads to a server, until it is `cut`: then nothing comes through any more, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = asyncio.Event()
        self._open.set()
        self._pipes: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        self._open.clear()

    async def close(self) -> None:
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink in ((reader, outer), (inner, writer)):
            self._pipes.add(asyncio.ensure_future(self._pipe(source, sink)))

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._open.wait()
                sink.write(data)
        finally:
            sink.close()


@pytest.fixture
async def wire(own_postgres: OwnServer) -> AsyncIterator[Wire]:
    there = Wire(urlsplit(own_postgres.url).port or 0)
    yield there
    await there.close()


@pytest.fixture
def database_url(own_postgres: OwnServer) -> str:
    return own_postgres.create_database()


async def is_watching(service: Service) -> None:
    await service.start()
    await until(lambda: "change=baseline" in service.log, why=lambda: service.log)


async def test_while_the_database_is_away(service: Service, own_postgres: OwnServer) -> None:
    await is_watching(service)
    own_postgres.stop()
    assert await service.stop() == 0
    assert "leases not given up" in service.log
    assert "Traceback" not in service.log


async def test_while_the_database_is_away_and_a_change_waits_to_be_written(
    service: Service, account: Account, own_postgres: OwnServer
) -> None:
    await is_watching(service)
    own_postgres.stop()
    account.links["icon-ams-01"].set("Down")
    await until(lambda: "observations not recorded" in service.log, why=lambda: service.log)
    assert await service.stop() == 0
    assert "Traceback" not in service.log


async def test_while_the_database_says_nothing(
    service: Service,
    write: Callable[..., Path],
    wire: Wire,
    database_url: str,
    account: Account,
    http_receiver: HttpReceiver,
) -> None:
    server = await asyncio.start_server(wire.lead, "127.0.0.1", 0)
    here = urlsplit(database_url)
    there = f"{here.netloc.rpartition(':')[0]}:{server.sockets[0].getsockname()[1]}"
    write(noc(http_receiver), database=here._replace(netloc=there).geturl())
    await is_watching(service)
    wire.cut()
    account.links["icon-ams-01"].set("Down")
    await asyncio.sleep(2)  # until several look at the database, each in its way
    assert await service.stop() == 0
    assert "Traceback" not in service.log
    server.close()


async def test_while_the_database_is_away_in_the_middle_of_a_reload(service: Service, own_postgres: OwnServer) -> None:
    await is_watching(service)
    own_postgres.stop()
    service.signal(SIGHUP)
    await until(lambda: "waiting for the database" in service.log, why=lambda: service.log)
    assert await service.stop() == 4
    assert service.log.count("waiting for the database") == 1
    assert "notifier: cannot reach the database" in service.log
    assert "Traceback" not in service.log


async def test_a_reload_waits_for_the_database_and_loses_nothing(
    service: Service, account: Account, own_postgres: OwnServer, http_receiver: HttpReceiver
) -> None:
    await is_watching(service)
    own_postgres.stop()
    account.links["icon-ams-01"].set("Down")
    service.signal(SIGHUP)
    await until(lambda: "waiting for the database" in service.log, why=lambda: service.log)
    own_postgres.start()
    await until(lambda: titles(http_receiver) == [DOWN], why=lambda: service.log)
    assert await service.stop() == 0


@pytest.mark.parametrize("reload", [True, False])
async def test_a_request_that_is_broken_off_says_nothing_of_what_it_asked_for(
    reload: bool,  # noqa: FBT001 - pytest's way
    service: Service,
    write: Callable[..., Path],
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
) -> None:
    cloudflare = {"url": simulator.url, "timeout": "60s"}
    write(noc(http_receiver), cloudflare=cloudflare, detection={"blind_after": 1})
    await is_watching(service)
    account.fault(faults.HANG)
    asked = simulator.requests.total
    await until(lambda: simulator.requests.total > asked)
    account.heal()
    if reload:
        service.signal(SIGHUP)
        await until(lambda: "configuration taken" in service.log, why=lambda: service.log)
    else:
        assert await service.stop() == 0
        await service.start()
    asked = simulator.requests.total
    await until(lambda: simulator.requests.total > asked + 5)
    assert titles(http_receiver) == []
    assert await service.stop() == 0
    assert "Traceback" not in service.log
