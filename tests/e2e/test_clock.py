"""The real process while the machine's clock is set (R7)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from notifier.simulator import Account, Simulator
from tests.support.process import FAST, Service, until
from tests.support.receivers import FixedHosts, HttpReceiver, Say
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, bodies, noc, paged, titles
from tests.support.stepped import WallClock

pytestmark = pytest.mark.slow

HOUR = 3600
SET = "the machine's clock was set"

Write = Callable[..., Path]


async def polled(simulator: Simulator, times: int) -> None:
    """Wait for so many more polls."""
    asked = simulator.requests.total
    await until(lambda: simulator.requests.total >= asked + times)


@pytest.fixture
async def timed(
    write: Write, http_receiver: HttpReceiver, fixed_hosts: FixedHosts, wall_clock: WallClock
) -> AsyncIterator[Service]:
    """A service whose machine's clock can be set."""
    environment = fixed_hosts.environment | wall_clock.environment
    patient = FAST["detection"] | {"blind_after": 30}  # 12 s without a look are no gap on a busy machine
    running = Service(write({"pager": PAGER, **noc(http_receiver)}, detection=patient), environment)
    yield running
    if running.started:
        await running.kill()


@pytest.mark.parametrize(("step", "word"), [(-HOUR, "back"), (HOUR, "forward")])
async def test_r7_a_clock_that_is_set_by_an_hour_stops_nothing_and_tells_nothing(
    step: int,
    word: str,
    timed: Service,
    wall_clock: WallClock,
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    await timed.start()
    await polled(simulator, 5)
    wall_clock.set_ahead_by(step)
    await until(lambda: SET in timed.log, why=lambda: timed.log)
    await polled(simulator, 20)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: titles(http_receiver) == [DOWN] and len(paged(fixed_hosts)) == 1, why=lambda: timed.log)
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: len(titles(http_receiver)) == len(paged(fixed_hosts)) == 2, why=lambda: timed.log)
    await polled(simulator, 10)
    assert await timed.stop() == 0

    assert titles(http_receiver) == [DOWN, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
    assert all(words not in body for body in bodies(http_receiver) for words in ("late by", "not observed"))
    assert timed.log.count(SET) == 1
    assert f"{SET} {word} by=3600s" in timed.log
    assert not [line for line in timed.log.splitlines() if " ERROR " in line]


async def test_r7_a_service_that_starts_with_the_right_clock_after_it_was_an_hour_ahead_goes_on(
    timed: Service,
    wall_clock: WallClock,
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    wall_clock.set_ahead_by(HOUR)
    http_receiver.usual = Say(status=503)
    await timed.start()
    await polled(simulator, 5)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: len(paged(fixed_hosts)) == 1 and len(http_receiver.requests) > 0, why=lambda: timed.log)
    assert await timed.stop() == 0
    wall_clock.set_ahead_by(0)
    http_receiver.usual = Say()
    await timed.start()
    await until(lambda: titles(http_receiver) == [DOWN], why=lambda: timed.log)
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: len(titles(http_receiver)) == len(paged(fixed_hosts)) == 2, why=lambda: timed.log)
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
    assert timed.log.count("stored times lay in the future") == 1
    assert SET not in timed.log
