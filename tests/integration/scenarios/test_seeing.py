"""Not seeing a link says nothing about it (R6, R8)."""

import pytest

from notifier.simulator import Asked, faults
from tests.support.examples import ACCOUNT
from tests.support.receivers import FixedHosts, HttpReceiver, IncidentLedger
from tests.support.scenes import DOWN, KEY, PAGER, bodies, down, noc, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

NAMES = ["icon-ams-01", "icon-fra-01", "icon-lon-01"]
AGAIN = "can see interconnects again after …"


async def test_scenario_35_an_api_that_times_out_is_one_incident_and_one_seen_again(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.timeout = "500ms"
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        stage.account.fault(faults.HANG)
        await stage.advance(300, step=30)
        stage.account.heal()
        await stage.advance(120)
        history = await stage.history()
    assert titles(http_receiver) == ["cannot see interconnects: timed out after …", AGAIN]
    assert {row["after"] for row in history if row["kind"] == "transition"} == {"Healthy"}


async def test_scenario_36_a_403_is_told_at_once_with_the_permission_that_is_needed(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.account.fault(faults.FORBIDDEN)
    async with stage.at_work(**noc(http_receiver)):
        pass
    [blind] = titles(http_receiver)
    assert blind.startswith("cannot see interconnects: 403 from Cloudflare")
    assert "Magic Transit Read" in bodies(http_receiver)[0]


async def test_scenario_37_a_429_stops_every_request_for_as_long_as_it_says_and_counts_as_blind(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more["detection"] = {"blind_after": 2}
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.link().fault(faults.rate_limited(120), 1)
        await stage.polls(stage.link(), "Healthy")
        asked = len(stage.simulator.requests)
        await stage.advance(119)
        assert len(stage.simulator.requests) == asked
        await stage.advance(61)
        assert len(stage.simulator.requests) > asked
    assert titles(http_receiver) == ["cannot see interconnects: 429 from Cloudflare, asked to wait 120s", AGAIN]


async def test_scenario_38_one_malformed_answer_of_many_stops_no_other(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    for name in NAMES:
        stage.link(name, site=name[5:8] + "-a")
    stage.link("icon-fra-01").fault(faults.TRUNCATED)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        stage.link("icon-ams-01").set("Down")
        await stage.advance(240)
    [blind] = [title for title in titles(http_receiver) if title != DOWN]
    assert blind.startswith("cannot see 1 of 3 interconnects: malformed answer from Cloudflare")
    assert titles(http_receiver).count(DOWN) == 1
    assert {r.link for r in stage.simulator.requests if r.asked is Asked.STATUS} == set(NAMES)


async def test_scenario_39_blindness_closes_nothing_until_healthy_is_confirmed(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER):
        await down(stage)
        stage.account.fault(faults.server_error(503))
        await stage.advance(300)
        assert IncidentLedger(fixed_hosts.requests).open == {KEY, f"cni:{ACCOUNT}:blind:1"}
        stage.account.heal()
        await stage.advance(65)
        assert IncidentLedger(fixed_hosts.requests).open == {KEY}
        stage.link().set("Healthy")
        await stage.advance(150)
        assert IncidentLedger(fixed_hosts.requests).open == set()


async def test_r6_of_a_partial_blindness_the_blind_are_named_and_what_changed_meanwhile(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    for name in NAMES:
        stage.link(name, site=name[5:8] + "-a")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        stage.link("icon-fra-01").fault(faults.server_error(503))
        await stage.advance(240)
        stage.link("icon-lon-01").set("Down")
        await stage.advance(120)
        stage.link("icon-fra-01").set("Unhealthy")
        stage.link("icon-fra-01").heal()
        await stage.advance(120)
    assert titles(http_receiver) == [
        "cannot see 1 of 3 interconnects: 503 from Cloudflare",
        "icon-lon-01 is Down (was Healthy) #2",
        AGAIN,
        "icon-fra-01 is Unhealthy (was Healthy) #2",
    ]
    blind, _, seen, unhealthy = bodies(http_receiver)
    assert "Not seen: icon-fra-01\n" in blind
    assert "2 have changed meanwhile" in seen
    assert "Changed meanwhile: icon-fra-01 (Unhealthy, being confirmed), icon-lon-01 (Down)" in seen
    assert "not observed in between" in unhealthy


async def test_r8_a_body_that_is_no_status_is_blindness_and_no_state(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        for fault in (faults.HTML, faults.SUCCESS_FALSE, faults.ENVELOPE):
            stage.link().fault(fault, 1)
        await stage.advance(300)
        history = await stage.history()
    assert [title.partition(":")[0] for title in titles(http_receiver)] == ["cannot see interconnects", AGAIN]
    assert [row["after"] for row in history if row["kind"] == "transition"] == ["Healthy"]
