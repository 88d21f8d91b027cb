"""Several processes on one PostgreSQL; each polls, and the database decides (R14, R15, R29)."""

import json
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest

from notifier.simulator import Account, Simulator
from tests.support.process import Service, notifier, running, until
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Say
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, noc, paged, titles
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


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


TWO = ["023e105f4ecef8ad9ca31a8372d0c353", "99999999999999999999999999999999"]


def two_accounts(simulator: Simulator) -> dict[str, Any]:
    """Have two accounts with a link each; return the settings for them."""
    for number, account in enumerate(TWO):
        simulator.account(account, token=TOKEN).link(f"icon-two-{number}", site=f"two-{number}")
    return {"accounts": [{"id": account, "name": account[:4], "token": TOKEN} for account in TWO]}


async def test_r29_each_of_two_watches_one_account_and_who_is_left_watches_both(
    write: Callable[..., Path], simulator: Simulator, http_receiver: HttpReceiver
) -> None:
    path = write(noc(http_receiver), **two_accounts(simulator))
    one, two = (Service(path, name=name) for name in ("one", "two"))
    async with running(one, two):
        await until(lambda: one.log.count("account given up") == 1, why=lambda: one.log)
        await until(lambda: two.log.count("account taken") == 1, why=lambda: two.log)
        await one.kill()
        await until(lambda: two.log.count("account taken") == 2, why=lambda: two.log)
        for number, account in enumerate(TWO):
            simulator.account(account).links[f"icon-two-{number}"].set("Down")
        await until(lambda: len(titles(http_receiver)) == 2, why=lambda: two.log)
        await one.start()
        await until(lambda: two.log.count("account given up") == 1, why=lambda: two.log)
        assert await two.stop() == 0
        await until(lambda: one.log.count("account taken") == 4, why=lambda: one.log)
        assert await one.stop() == 0
    assert len(titles(http_receiver)) == 2
    assert "account lost" not in one.log + two.log


async def test_scenario_42_what_a_paused_process_saw_is_refused_when_another_watches_by_then(
    write: Callable[..., Path], account: Account, http_receiver: HttpReceiver
) -> None:
    path = write(noc(http_receiver))
    paused, other = (Service(path, name=name) for name in ("paused", "other"))
    async with running(paused, other):
        await until(lambda: "change=baseline" in paused.log, why=lambda: paused.log)
        paused.signal(SIGSTOP)
        await until(lambda: "account taken" in other.log, why=lambda: other.log)
        account.links["icon-ams-01"].set("Down", "no light")
        await until(lambda: titles(http_receiver) == [DOWN], why=lambda: other.log)
        account.links["icon-ams-01"].set("Healthy")
        await until(lambda: len(titles(http_receiver)) == 2, why=lambda: other.log)
        paused.signal(SIGCONT)
        await until(lambda: "account lost" in paused.log, why=lambda: paused.log)
        assert await other.stop() == 0
        await until(lambda: paused.log.count("account taken") == 2, why=lambda: paused.log)
        assert await paused.stop() == 0
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert "change=" not in paused.log.partition("change=baseline")[2].partition("account taken")[0]
