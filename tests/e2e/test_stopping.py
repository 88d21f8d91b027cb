"""SIGTERM, whatever is away or hangs: it ends within 10 s, with a sentence and without a traceback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGHUP

import pytest
from sqlalchemy import text

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.engine import connection
from notifier.simulator import Account, Simulator, faults
from tests.support.postgres import OwnServer
from tests.support.process import Service, until
from tests.support.receivers import HttpReceiver
from tests.support.scenes import DOWN, noc, titles
from tests.support.wire import Wire

pytestmark = pytest.mark.slow


@pytest.fixture
def database_url(own_postgres: OwnServer) -> str:
    return own_postgres.create_database()


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    async with Wire(database_url).led() as led:
        yield led


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
    account: Account,
    http_receiver: HttpReceiver,
) -> None:
    write(noc(http_receiver), database=wire.url)
    await is_watching(service)
    wire.cut()
    account.links["icon-ams-01"].set("Down")
    await asyncio.sleep(2)  # until several look at the database, each in its way
    assert await service.stop() == 0
    assert "Traceback" not in service.log


async def test_while_the_database_says_nothing_on_connections_at_rest(wire: Wire) -> None:
    database = SqlDatabase(wire.url)
    async with AsyncExitStack() as together:
        for _ in range(5):
            await together.enter_async_context(connection(database.engine))
    wire.cut()
    async with asyncio.timeout(5):
        await database.close()


async def test_while_the_database_says_nothing_in_a_transaction(wire: Wire) -> None:
    database = SqlDatabase(wire.url)

    async def ask() -> None:
        async with connection(database.engine) as conn:
            await conn.execute(text("SELECT 1"))
            wire.cut()
            await conn.execute(text("SELECT 2"))

    asking = asyncio.create_task(ask())
    await asyncio.wait({asking}, timeout=0.5)
    asking.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({asking})
        await database.close()
    assert asking.cancelled() or asking.exception() is not None


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
