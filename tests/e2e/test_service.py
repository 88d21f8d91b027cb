"""The service as a process: real signals, real kills, real receivers; on SQLite and PostgreSQL."""

import asyncio
import json
from pathlib import Path

import pytest

from notifier.simulator import Account, Simulator, faults
from tests.support.examples import ACCOUNT
from tests.support.process import Service, notifier, until
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, IncidentLedger, Say
from tests.support.scenes import DOWN, KEY, paged, titles
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow

ROUTING_KEY = "routingkey0123456789abcdefabcdef"  # the one in PAGER


async def polled(simulator: Simulator, times: int = 3) -> None:
    """Wait for some more polls."""
    asked = simulator.requests.total
    await until(lambda: simulator.requests.total >= asked + times)


async def test_scenario_25_an_outage_is_told_once_and_closed_and_the_commands_show_it(
    service: Service,
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
    tmp_path: Path,
) -> None:
    await service.start()
    await polled(simulator)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: len(paged(fixed_hosts)) == 1, why=lambda: service.log)
    await polled(simulator, 10)
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: len(paged(fixed_hosts)) == 2 and len(titles(http_receiver)) == 2, why=lambda: service.log)
    shown = {
        command: json.loads((await notifier(*arguments.split(), "--json", folder=tmp_path)).stdout)
        for command, arguments in {
            "status": "--config notifier.yaml status",
            "history": "--config notifier.yaml history icon-ams-01 --since 1h",
            "incidents": "--config notifier.yaml incidents --account production",
            "deliveries": "--config notifier.yaml deliveries --limit 10",
        }.items()
    }
    table = await notifier("--config", "notifier.yaml", "status", folder=tmp_path)
    assert await service.stop() == 0

    assert titles(http_receiver)[0] == DOWN
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
    [link] = shown["status"]
    assert (link["id"], link["status"], link["incident"]) == (f"{ACCOUNT}/icon-ams-01", "Healthy", None)
    assert [row["after"] for row in shown["history"] if row["kind"] == "transition"] == ["Healthy", "Down", "Healthy"]
    [incident] = shown["incidents"]
    assert incident["id"] == KEY
    assert incident["closed_at"] is not None
    assert {(row["channel"], row["outcome"], row["attempts"]) for row in shown["deliveries"]} == {
        ("noc", "sent", 1),
        ("pager", "sent", 1),
    }
    assert "icon-ams-01" in table.stdout
    assert "Healthy" in table.stdout


async def test_scenario_15_killed_before_in_and_after_the_send_is_one_incident(
    service: Service, simulator: Simulator, account: Account, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(hang=True)
    await service.start()
    await polled(simulator)
    account.links["icon-ams-01"].set("Down")
    await until(lambda: len(fixed_hosts.to(PAGERDUTY)) == 1, why=lambda: service.log)
    await service.kill()  # in the send
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=202, body={"status": "success"})
    await service.start()
    await until(lambda: len(paged(fixed_hosts)) == 1, within=75, why=lambda: service.log)
    await service.kill()  # after the send, perhaps before it was settled
    await service.start()
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: ("resolve", KEY) in paged(fixed_hosts), within=75, why=lambda: service.log)
    assert {key for _, key in paged(fixed_hosts)} == {KEY}
    ledger = IncidentLedger(fixed_hosts.requests)
    assert ledger.opens[KEY] == ledger.closes[KEY] == 1


async def test_scenario_9_and_10_a_restart_says_nothing_but_what_changed(
    service: Service, simulator: Simulator, account: Account, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    await service.start()
    await polled(simulator)
    account.links["icon-ams-01"].set("Down")
    await until(lambda: len(titles(http_receiver)) == 1 and len(paged(fixed_hosts)) == 1, why=lambda: service.log)
    await asyncio.sleep(0.3)  # until the answers were settled, or the repeat that a kill may cause shows here
    await service.kill()
    await service.start()
    await polled(simulator, 8)
    assert len(titles(http_receiver)) == 1
    await service.kill()
    account.links["icon-ams-01"].set("Healthy")
    await service.start()
    await until(lambda: len(paged(fixed_hosts)) == 2, why=lambda: service.log)
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_scenario_36_a_refused_token_is_told_and_taken_back(
    service: Service, account: Account, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    account.fault(faults.FORBIDDEN)
    await service.start()
    await until(lambda: len(titles(http_receiver)) == 1, why=lambda: service.log)
    account.heal()
    await until(lambda: len(titles(http_receiver)) == 2, why=lambda: service.log)
    blind, seen = titles(http_receiver)
    assert blind.startswith("cannot see interconnects: 403 from Cloudflare")
    assert seen.startswith("can see interconnects again after")
    await until(lambda: IncidentLedger(fixed_hosts.requests).closes.total() == 1)
    assert IncidentLedger(fixed_hosts.requests).open == set()


async def test_sigterm_ends_it_within_ten_seconds_whatever_hangs(
    service: Service, simulator: Simulator, account: Account, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(hang=True)
    await service.start()
    await polled(simulator)
    account.links["icon-ams-01"].set("Down")
    await until(lambda: len(fixed_hosts.to(PAGERDUTY)) == 1, why=lambda: service.log)
    account.fault(faults.HANG)
    assert await service.stop(within=10) == 0
    assert "Traceback" not in service.log


async def test_no_secret_is_in_any_output(
    service: Service, simulator: Simulator, account: Account, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    http_receiver.script = [Say(status=401, body=f"bad key {ROUTING_KEY} {TOKEN}")] * 2
    await service.start()
    await polled(simulator)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: "abandoned" in service.log, why=lambda: service.log)
    outputs = [service.log]
    for command in ("status", "history", "incidents", "deliveries", "deliveries --failed", "check", "check --online"):
        ran = await notifier("--config", "notifier.yaml", "--log-level", "debug", *command.split(), folder=tmp_path)
        assert "Traceback" not in ran.stderr, ran
        outputs += [ran.stdout, ran.stderr]
    await service.stop()
    for secret in (TOKEN, ROUTING_KEY):
        assert not [output for output in outputs if secret in output]
