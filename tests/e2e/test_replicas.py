"""Several processes on one PostgreSQL; each polls, and the database decides (R14, R15, R29)."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest

from notifier.simulator import Account, Simulator
from tests.support.process import Service, notifier, until
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Say
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, noc, paged, titles

pytestmark = pytest.mark.slow


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    """Start the services, one after the other; whichever still runs in the end is killed."""
    try:
        for service in services:
            await service.start()
        yield
    finally:
        for service in services:
            if service.started:
                await service.kill()


async def fall(account: Account, *services: Service) -> None:
    """Have the link go down, once somebody has seen it Healthy."""
    await until(lambda: any("change=baseline" in service.log for service in services), why=lambda: services[0].log)
    account.links["icon-ams-01"].set("Down", "no light")


async def deliveries(folder: Path) -> list[dict[str, Any]]:
    ran = await notifier("--config", "notifier.yaml", "deliveries", "--json", folder=folder)
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


async def test_scenario_41_three_processes_tell_each_channel_once(
    write: Callable[..., Path],
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    path = write({"pager": PAGER, **noc(http_receiver)})
    three = [Service(path, fixed_hosts.environment, name=f"service-{number}") for number in range(3)]
    async with running(*three):
        await fall(account, *three)
        await until(lambda: len(titles(http_receiver)) == len(paged(fixed_hosts)) == 1, why=lambda: three[0].log)
        asked = simulator.requests.total
        await until(lambda: simulator.requests.total > asked + 15)
        account.links["icon-ams-01"].set("Healthy")
        await until(lambda: len(titles(http_receiver)) == len(paged(fixed_hosts)) == 2, why=lambda: three[0].log)
        assert [await service.stop() for service in three] == [0, 0, 0]
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
    assert "Traceback" not in "".join(service.log for service in three)


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_scenario_42_what_a_process_leaves_in_its_send_another_delivers_once(
    how: str, write: Callable[..., Path], account: Account, fixed_hosts: FixedHosts, tmp_path: Path
) -> None:
    """Their clocks run ten times as fast as the world's: a lease of 60 s ends after six."""
    slowly = {"interval": "20s", "recheck": "10s", "discovery": "30s"}
    path = write({"pager": PAGER}, poll=slowly, replicas={"lease": "5s"})
    first, other = (Service(path, fixed_hosts.environment, name=name, hurry=10) for name in ("first", "other"))
    fixed_hosts.script_for[PAGERDUTY] = [Say(hang=True)]
    async with running(first):
        await fall(account, first)
        await until(lambda: len(fixed_hosts.to(PAGERDUTY)) == 1, why=lambda: first.log)
        if how == "killed":
            await first.kill()
        else:
            first.signal(SIGSTOP)
        async with running(other):
            await until(lambda: len(paged(fixed_hosts)) == 1, why=lambda: other.log)
            if how == "paused":
                first.signal(SIGCONT)
                await until(lambda: "delivery taken over by another" in first.log, why=lambda: first.log)
                assert await first.stop() == 0
            assert await other.stop() == 0
    assert paged(fixed_hosts) == [("trigger", KEY)]
    assert [(d["outcome"], d["attempts"]) for d in await deliveries(tmp_path)] == [("sent", 2)]
    assert "will be tried again" not in first.log
