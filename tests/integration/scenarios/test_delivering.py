"""What is promised arrives: once, in order, whatever the receivers do (R15-R17, R26, R27)."""

import pytest

from tests.support.receivers import PAGERDUTY, SLACK, FixedHosts, HttpReceiver, IncidentLedger, Received, Say
from tests.support.scenes import DOWN, KEY, PAGER, bodies, down, downs, heal, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

SLACK_URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"


def slacked(hosts: FixedHosts) -> list[Received]:
    return [request for request in hosts.to(SLACK) if request.status == 200]


async def test_scenario_17_a_channel_that_returns_gets_its_message_which_says_that_it_is_late(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[SLACK] = Say(reset=True)
    async with stage.at_work(noc=SLACK_URL):
        await down(stage)
        await stage.advance(180)
        fixed_hosts.usual_for[SLACK] = Say(body="ok")
        await stage.advance(300)
    [taken] = slacked(fixed_hosts)
    assert DOWN in taken.body.decode()
    assert "late by " in taken.body.decode()


async def test_scenario_18_an_outage_that_nobody_could_be_told_of_is_one_message_and_no_page(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, noc=SLACK_URL):
        await stage.advance(65)
        fixed_hosts.away = True
        await stage.advance(120)
        await down(stage)
        await stage.advance(420, step=30)
        await heal(stage)
        await stage.advance(240, step=30)
        fixed_hosts.away = False
        await stage.advance(600, step=30)
        outcomes = {(d["channel"], d["outcome"]) for d in await stage.deliveries()}
    [taken] = slacked(fixed_hosts)
    assert "icon-ams-01 is Healthy again after 8m" in taken.body.decode()
    assert "It was over before it could be told." in taken.body.decode()
    assert "late by " in taken.body.decode()
    assert fixed_hosts.to(PAGERDUTY) == []
    assert outcomes == {("noc", "sent"), ("pager", "moot")}


async def test_scenario_18_a_page_that_may_have_arrived_is_closed_all_the_same(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(reset=True)
    async with stage.at_work(pager=PAGER):
        await down(stage)
        await heal(stage)
        fixed_hosts.usual_for[PAGERDUTY] = Say(status=202)
        await stage.advance(600, step=30)
    assert paged(fixed_hosts) == [("resolve", KEY)]


async def test_scenario_19_one_failing_channel_keeps_no_other_waiting(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=503)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        assert titles(http_receiver) == [DOWN]
        await stage.advance(120)
    assert titles(http_receiver) == [DOWN]
    assert len(fixed_hosts.to(PAGERDUTY)) >= 4


async def test_scenario_20_500_500_200_is_three_attempts_and_one_success_on_record(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    http_receiver.script = [Say(status=500), Say(status=500)]
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.advance(60)
        [delivery] = await stage.deliveries()
    assert [request.status for request in http_receiver.requests] == [500, 500, 200]
    assert (delivery["outcome"], delivery["attempts"]) == ("sent", 3)


async def test_scenario_21_a_receivers_retry_after_is_obeyed(stage: Stage, http_receiver: HttpReceiver) -> None:
    http_receiver.script = [Say(status=429, headers={"Retry-After": "30"})]
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.advance(29, step=1)
        assert len(http_receiver.requests) == 1
        await stage.advance(2, step=1)
        assert titles(http_receiver) == [DOWN]


async def test_scenario_22_a_refusing_channel_is_told_on_another_once(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.link("icon-fra-01", site="fra-a")
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=401, body={"status": "invalid", "message": "bad routing key"})
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await down(stage, "icon-fra-01")
        await stage.advance(300)
        outcomes = {d["outcome"] for d in await stage.deliveries() if d["channel"] == "pager"}
    assert outcomes == {"abandoned"}
    assert len(fixed_hosts.to(PAGERDUTY)) == 2
    first, notice, second = titles(http_receiver)
    assert [first, second] == downs("icon-ams-01", "icon-fra-01")
    assert notice.startswith("channel pager does not take messages: 401 from events.pagerduty.com: bad routing key")


async def test_scenario_23_a_hanging_receiver_times_out_and_delays_nobody(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    http_receiver.script = [Say(hang=True)]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await stage.advance(30)
        [hung, taken] = http_receiver.requests
    assert (hung.status, taken.status) == (None, 200)


async def test_scenario_24_a_close_that_fails_five_times_is_taken_at_the_sixth(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER):
        await down(stage)
        fixed_hosts.script_for[PAGERDUTY] = [Say(status=500)] * 5
        stage.link().set("Healthy")
        await stage.advance(720, step=15)
    statuses = [request.status for request in fixed_hosts.to(PAGERDUTY)]
    assert statuses == [202, 500, 500, 500, 500, 500, 202]
    assert IncidentLedger(fixed_hosts.requests).open == set()


async def test_scenario_25_one_trigger_and_one_resolve_with_one_key(stage: Stage, fixed_hosts: FixedHosts) -> None:
    async with stage.at_work(pager=PAGER):
        await down(stage)
        await heal(stage)
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_r26_problems_go_before_recoveries_in_a_backlog(stage: Stage, fixed_hosts: FixedHosts) -> None:
    names = [f"icon-{number:02d}" for number in range(1, 17)]
    stage.link().remove()
    for name in names:
        stage.link(name, site=f"site-{name}")
    async with stage.at_work(pager=PAGER):
        await stage.advance(65)
        for name in names[:4]:
            stage.link(name).set("Down")
        await stage.advance(90)
        fixed_hosts.usual_for[PAGERDUTY] = Say(status=429, headers={"Retry-After": "600"})
        for name in names[:4]:
            stage.link(name).set("Healthy")
        await stage.advance(120)
        for name in names[4:]:
            stage.link(name).set("Down")
        await stage.advance(90)
        fixed_hosts.usual_for[PAGERDUTY] = Say(status=202)
        await stage.advance(600, step=600)
    done = [what for what, _ in paged(fixed_hosts)][4:]
    assert done[:8] == ["trigger"] * 8  # so many are sent at once
    assert sorted(done[8:]) == ["resolve"] * 4 + ["trigger"] * 4


async def test_r27_a_storm_is_ten_messages_and_one_that_holds_the_rest(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    names = [f"icon-{number:02d}" for number in range(1, 26)]
    stage.link().remove()
    for name in names:
        stage.link(name, site=f"site-{name}")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        for name in names:
            stage.link(name).set("Down", "no light")
        await stage.advance(300)
    *alone, rest = titles(http_receiver)
    assert len(alone) == 10
    assert set(alone) < set(downs(*names))
    assert rest.endswith(" and 14 more")
    assert {name for name in names if name in " ".join([*alone, rest, bodies(http_receiver)[-1]])} == set(names)
