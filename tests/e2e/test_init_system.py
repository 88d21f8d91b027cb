"""What the real process tells the init system, as systemd hears it (R30)."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP

import pytest

from notifier.simulator import Simulator
from tests.support.init_system import InitSystem
from tests.support.process import Service, until
from tests.support.receivers import HttpReceiver
from tests.support.scenes import noc

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
QUEUE = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/notifier.db"


@pytest.fixture
def init_system() -> Iterator[InitSystem]:
    made = InitSystem()
    yield made
    made.close()


@pytest.fixture
async def service(write: Write, http_receiver: HttpReceiver, init_system: InitSystem) -> AsyncIterator[Service]:
    environ = {"NOTIFY_SOCKET": init_system.address, "WATCHDOG_USEC": "1000000"}
    running = Service(write(noc(http_receiver), web={"listen": "127.0.0.1:0"}), environ)
    yield running
    if running.started:
        await running.kill()


async def test_it_is_told_that_the_service_is_ready_lives_and_stops(service: Service, init_system: InitSystem) -> None:
    with init_system.listening():
        await service.start()
        assert re.search(r"listening .*\n.* started ", service.log)
        await until(lambda: init_system.count("WATCHDOG=1") > 3, why=lambda: init_system.told)
        assert await service.stop() == 0
        await until(lambda: init_system.count("STOPPING=1") == 1, why=lambda: init_system.told)
    first, *_, last = init_system.told
    assert (first, last) == ({"STATUS": "healthy", "READY": "1"}, {"STATUS": "stopping", "STOPPING": "1"})
    assert set(init_system.words()) == {"READY=1", "WATCHDOG=1", "STOPPING=1"}


async def test_a_process_that_stands_still_does_not_live(service: Service, init_system: InitSystem) -> None:
    with init_system.listening():
        await service.start()
        await until(lambda: init_system.count("WATCHDOG=1") > 1, why=lambda: init_system.told)
        service.signal(SIGSTOP)
        await asyncio.sleep(0.2)  # for what is on its way
        before = init_system.count("WATCHDOG=1")
        await asyncio.sleep(1.5)
        assert init_system.count("WATCHDOG=1") == before
        service.signal(SIGCONT)
        await until(lambda: init_system.count("WATCHDOG=1") > before, why=lambda: init_system.told)
        assert await service.stop() == 0


@pytest.mark.parametrize(("remind", "outcome"), [("1h", "configuration taken"), ("never", "configuration not taken")])
async def test_r31_a_reload_is_told_from_its_beginning_to_its_end(
    remind: str, outcome: str, service: Service, init_system: InitSystem, write: Write, http_receiver: HttpReceiver
) -> None:
    with init_system.listening():
        await service.start()
        write(noc(http_receiver), web={"listen": "127.0.0.1:0"}, remind=remind)
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        service.signal(SIGHUP)
        await until(lambda: init_system.count("READY=1") == 2, why=lambda: init_system.told)
        ended = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert outcome in service.log
        assert await service.stop() == 0
    told = [message for message in init_system.told if not message.keys() & {"WATCHDOG", "STOPPING"}]
    assert [message.keys() - {"STATUS"} for message in told] == [{"READY"}, {"RELOADING", "MONOTONIC_USEC"}, {"READY"}]
    assert began < int(told[1]["MONOTONIC_USEC"]) < ended


@pytest.mark.parametrize("gone", [False, True])
async def test_who_does_not_listen_any_more_does_not_stop_the_service(
    gone: bool,  # noqa: FBT001 - pytest's way
    init_system: InitSystem,
    write: Write,
    http_receiver: HttpReceiver,
    simulator: Simulator,
) -> None:
    often = {"NOTIFY_SOCKET": init_system.address, "WATCHDOG_USEC": "20000"}
    service = Service(write(noc(http_receiver)), often)
    if gone:
        init_system.close()
    await service.start()
    await asyncio.sleep((QUEUE + 20) / 100 if not gone else 0.5)  # until what nobody hears fills the queue
    polled = simulator.requests.total
    await until(lambda: simulator.requests.total > polled + 3, why=lambda: service.log)
    assert await service.stop() == 0
    assert "Traceback" not in service.log
