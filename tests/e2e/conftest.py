"""A simulated Cloudflare with one link, and a service that watches it."""

import asyncio
import fcntl
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from notifier.simulator import Account, Simulator
from tests.support.examples import ACCOUNT
from tests.support.process import Service, configure
from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import PAGER, noc
from tests.support.stage import TOKEN


@pytest.fixture
async def usual_port() -> AsyncIterator[None]:
    """Nobody else who tests on this machine takes port 8080 meanwhile."""
    with (Path(tempfile.gettempdir()) / "notifier-test-port-8080").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        running.account(ACCOUNT, token=TOKEN).link("icon-ams-01", site="ams-a")
        yield running


@pytest.fixture
def account(simulator: Simulator) -> Account:
    return simulator.account(ACCOUNT)


@pytest.fixture
def write(tmp_path: Path, database_url: str, simulator: Simulator) -> Callable[..., Path]:
    """Write the service's configuration (anew): channels, name -> URL, and settings beside them."""
    return partial(configure, tmp_path, database_url, simulator.url)


@pytest.fixture
async def service(
    write: Callable[..., Path], http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> AsyncIterator[Service]:
    """A service that tells a webhook and PagerDuty; not started yet, and killed in the end."""
    running = Service(write({"pager": PAGER, **noc(http_receiver)}), fixed_hosts.environment)
    yield running
    if running.started:
        await running.kill()
