"""The heartbeat of the real process (R30, R33)."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP

import pytest

from tests.support.process import Service, until
from tests.support.receivers import HttpReceiver, Say
from tests.support.scenes import noc

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
SECRET = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
PING = f"/ping/{SECRET}"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/notifier.db"


@pytest.fixture
def service(service: Service, write: Write, http_receiver: HttpReceiver) -> Service:
    write(noc(http_receiver), heartbeat={"url": http_receiver.url + PING, "every": "300ms"})
    return service


def beats(receiver: HttpReceiver) -> list[str]:
    return [f"{heard.method} {heard.path}" for heard in receiver.requests if heard.path.startswith(PING)]


async def test_it_beats_while_the_process_works_and_not_while_that_stands_still(
    service: Service, http_receiver: HttpReceiver
) -> None:
    await service.start()
    await until(lambda: len(beats(http_receiver)) > 2, why=lambda: service.log)
    service.signal(SIGSTOP)
    await asyncio.sleep(0.1)  # for one that is on its way
    before = len(beats(http_receiver))
    await asyncio.sleep(1)
    assert len(beats(http_receiver)) == before
    service.signal(SIGCONT)
    await until(lambda: len(beats(http_receiver)) > before, why=lambda: service.log)
    assert await service.stop() == 0
    assert set(beats(http_receiver)) == {f"GET {PING}"}


async def test_a_reload_takes_another_heartbeat_and_none(
    service: Service, write: Write, http_receiver: HttpReceiver
) -> None:
    await service.start()
    await until(lambda: len(beats(http_receiver)) > 1, why=lambda: service.log)
    write(noc(http_receiver), heartbeat={"url": f"{http_receiver.url}{PING}-2", "every": "300ms"})
    service.signal(SIGHUP)
    await until(lambda: f"GET {PING}-2" in beats(http_receiver), why=lambda: service.log)
    before = beats(http_receiver).count(f"GET {PING}")
    write(noc(http_receiver))
    service.signal(SIGHUP)
    await until(lambda: service.log.count("configuration taken") == 2, why=lambda: service.log)
    heard = len(beats(http_receiver))
    await asyncio.sleep(1)
    assert (beats(http_receiver).count(f"GET {PING}"), len(beats(http_receiver))) == (before, heard)
    assert await service.stop() == 0


async def test_a_heartbeat_that_nobody_hears_is_logged_once_and_without_its_url(
    service: Service, http_receiver: HttpReceiver
) -> None:
    http_receiver.usual = Say(status=404, body=f"no check {SECRET}")
    await service.start()
    await until(lambda: len(beats(http_receiver)) > 4, why=lambda: service.log)
    assert await service.stop() == 0
    assert service.log.count("heartbeat not heard") == 1
    assert SECRET not in service.log
