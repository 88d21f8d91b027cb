"""The real process while it is stopped for minutes (R11, R15); in a hurry, so that a minute takes two seconds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from notifier.simulator import Account, Simulator
from tests.support.process import Service, until
from tests.support.receivers import HttpReceiver, Say
from tests.support.scenes import DOWN, bodies, taken, titles

pytestmark = pytest.mark.slow

HURRY = 30


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The one in which nobody takes over meanwhile; of PostgreSQL see test_replicas.py."""
    return f"sqlite:///{tmp_path}/notifier.db"


async def polled(simulator: Simulator, times: int) -> None:
    """Wait for so many more polls."""
    asked = simulator.requests.total
    await until(lambda: simulator.requests.total >= asked + times)


@pytest.fixture
async def hurried(write: Callable[..., Path], http_receiver: HttpReceiver) -> AsyncIterator[Service]:
    """A service whose minutes are two seconds; its webhook may take its time."""
    url = f"json://{http_receiver.address}/noc?cto=5&rto=15"
    path = write({"noc": url}, poll={"interval": "20s", "recheck": "10s", "discovery": "30s"})
    running = Service(path, hurry=HURRY)
    yield running
    await running.kill()


async def stopped(service: Service, minutes: float) -> None:
    """Stop the process for so many of its minutes, and let it go on."""
    service.signal(SIGSTOP)
    await asyncio.sleep(minutes * 60 / HURRY)
    service.signal(SIGCONT)


async def test_r15_what_was_being_sent_while_the_process_was_stopped_for_two_minutes_is_sent_once(
    hurried: Service, simulator: Simulator, account: Account, http_receiver: HttpReceiver
) -> None:
    http_receiver.script = [Say(delay_s=8)]
    await hurried.start()
    await until(lambda: "change=baseline" in hurried.log, why=lambda: hurried.log)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: len(http_receiver.requests) == 1, why=lambda: hurried.log)
    await stopped(hurried, minutes=2)
    await until(lambda: "delivered" in hurried.log, why=lambda: hurried.log)
    await polled(simulator, 5)
    assert len(taken(http_receiver)) == 1
    assert "taken over" not in hurried.log


async def test_r11_what_changed_while_the_process_was_stopped_for_three_minutes_is_told_once_as_not_observed(
    hurried: Service, simulator: Simulator, account: Account, http_receiver: HttpReceiver
) -> None:
    await hurried.start()
    await until(lambda: "change=baseline" in hurried.log, why=lambda: hurried.log)
    hurried.signal(SIGSTOP)
    account.links["icon-ams-01"].set("Down", "no light")
    asked = simulator.requests.total
    await stopped(hurried, minutes=3)
    await until(lambda: titles(http_receiver) == [DOWN], why=lambda: hurried.log)
    assert simulator.requests.total - asked < 8
    await polled(simulator, 5)
    assert titles(http_receiver) == [DOWN]
    assert "not observed in between" in bodies(http_receiver)[0]
    assert "account blinded" not in hurried.log
