"""The acceptance scenarios over real HTTP, real receivers and a real database, SQLite and PostgreSQL.

Every message that arrives is compared, so an unexpected one fails the test. Only the clock is moved by hand.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from notifier.simulator import Asked, faults
from tests.support.examples import ACCOUNT, seconds
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, IncidentLedger, Say
from tests.support.stage import Stage, open_stage

pytestmark = pytest.mark.slow

DOWN = "icon-ams-01 is Down (was Healthy) #2"
PAGER = "pagerduty://routingkey0123456789abcdefabcdef@unused/"
KEY = f"cni:{ACCOUNT}:icon-ams-01:1"


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_url, tmp_path) as set_up:
        yield set_up


def noc(receiver: HttpReceiver) -> dict[str, str]:
    """Say how a webhook there is configured."""
    return {"noc": f"json://{receiver.address}/?cto=1&rto=1"}


def titles(receiver: HttpReceiver) -> list[str]:
    """Return what was said and taken, without the account's name."""
    taken = [request for request in receiver.requests if request.status is not None and request.status < 300]
    return [request.json["title"].removeprefix("[production] ") for request in taken]


def paged(hosts: FixedHosts) -> list[tuple[str, str]]:
    """Return what PagerDuty took: what to do, under which key."""
    return [(r.json["event_action"], r.json["dedup_key"]) for r in hosts.to(PAGERDUTY) if r.status == 202]


def recovered(title: str, name: str = "icon-ams-01") -> bool:
    return title.startswith(f"{name} is Healthy again after") and "(was " in title


async def down(stage: Stage, name: str = "icon-ams-01") -> None:
    await stage.polls(stage.link(name), "Healthy", "Down", "Down", reason="no light")


async def test_scenario_1_one_bad_answer_is_no_message_but_is_in_the_history(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    link = stage.link()
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(link, "Healthy", "Down", "Healthy", "Healthy")
        assert titles(http_receiver) == []
        assert [row.get("status") or row.get("after") for row in await stage.history()] == [
            "Healthy",
            "Healthy",
            "Down",
            "Healthy",
        ]


async def test_scenario_2_and_3_a_problem_is_told_at_the_second_sighting_and_never_again(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down")
        assert titles(http_receiver) == []
        await stage.polls(stage.link(), "Down")
        assert titles(http_receiver) == [DOWN]
        await stage.polls(stage.link(), *["Down"] * 10)
        assert titles(http_receiver) == [DOWN]


async def test_scenario_4_one_recovery_after_the_last_good_answers(stage: Stage, fixed_hosts: FixedHosts) -> None:
    async with stage.at_work(pager=PAGER):
        await down(stage)
        await stage.polls(stage.link(), "Healthy", "Down")
        await stage.advance(60)
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await stage.polls(stage.link(), "Healthy", "Healthy", "Healthy")
        assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_scenario_5_an_empty_database_and_healthy_links_are_no_message(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(300)
    assert titles(http_receiver) == []


async def test_scenario_6_a_problem_at_first_sight_says_so(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.link().set("Down", "no light")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(120)
    assert titles(http_receiver) == ["icon-ams-01 is Down (first observation) #1"]


async def test_scenario_7_each_link_recovers_in_its_own_time(stage: Stage, http_receiver: HttpReceiver) -> None:
    names = ["icon-ams-01", "icon-ams-02", "icon-ams-03"]
    links = [stage.link(name) for name in names]
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        for link in links:
            link.set("Down")
        await stage.advance(120)
        assert sorted(titles(http_receiver)) == [f"{name} is Down (was Healthy) #2" for name in names]
        for count, link in enumerate(links, start=4):
            link.set("Healthy")
            await stage.advance(120)
            assert len(titles(http_receiver)) == count
            assert recovered(titles(http_receiver)[-1], link.name)


async def test_scenario_8_worse_and_better_are_one_incident(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Unhealthy", "Unhealthy", "Down", "Unhealthy", "Unhealthy")
    assert titles(http_receiver) == [
        "icon-ams-01 is Unhealthy (was Healthy) #2",
        "icon-ams-01 is Down (was Unhealthy) #3",
        "icon-ams-01 is Unhealthy (was Down) #4",
    ]
    assert paged(fixed_hosts) == [("trigger", KEY), ("trigger", KEY)]


async def test_scenario_9_still_down_after_a_restart_is_silence(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(300)
    assert titles(http_receiver) == [DOWN]


async def test_scenario_10_recovered_while_dead_is_one_recovery_with_the_old_key_and_its_bounds(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
    stage.link().set("Healthy")
    stage.clock.advance(seconds(3600))
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(180)
    assert len(titles(http_receiver)) == 2
    assert recovered(titles(http_receiver)[-1])
    assert "not observed in between" in http_receiver.requests[-1].json["message"]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_scenario_11_a_candidate_survives_a_restart(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down")
    stage.clock.advance(seconds(2))
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(5)
        assert titles(http_receiver) == [DOWN]


async def test_scenario_17_a_channel_that_returns_gets_its_message_which_says_that_it_is_late(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for["hooks.slack.com"] = Say(reset=True)
    async with stage.at_work(noc="slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"):
        await down(stage)
        await stage.advance(180)
        fixed_hosts.usual_for["hooks.slack.com"] = Say(body="ok")
        await stage.advance(300)
    [taken] = [r for r in fixed_hosts.to("hooks.slack.com") if r.status == 200]
    assert DOWN in taken.body.decode()
    assert "late by " in taken.body.decode()


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
    stage.link("icon-ams-02")
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=401, body={"status": "invalid", "message": "bad routing key"})
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await down(stage, "icon-ams-02")
        await stage.advance(300)
        outcomes = {d["outcome"] for d in await stage.deliveries() if d["channel"] == "pager"}
    assert outcomes == {"abandoned"}
    assert len(fixed_hosts.to(PAGERDUTY)) == 2
    notices = [title for title in titles(http_receiver) if title.startswith("channel pager does not take messages: ")]
    assert len(notices) == 1
    assert len(titles(http_receiver)) == 3


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
        stage.link().set("Healthy")
        await stage.advance(120)
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_scenario_35_an_api_that_times_out_is_one_incident_and_one_seen_again(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        stage.account.fault(faults.HANG)
        await stage.advance(240, step=20)
        stage.account.heal()
        await stage.advance(120)
        history = await stage.history()
    blind, seen = titles(http_receiver)
    assert blind == "cannot see interconnects: timed out after 0.5s"
    assert seen.startswith("can see interconnects again after")
    assert {row["after"] for row in history if row["kind"] == "transition"} == {"Healthy"}


async def test_scenario_36_a_403_is_told_at_once_with_the_permission_that_is_needed(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.account.fault(faults.FORBIDDEN)
    async with stage.at_work(**noc(http_receiver)):
        pass
    [blind] = http_receiver.requests
    assert blind.json["title"].startswith("[production] cannot see interconnects: 403 from Cloudflare")
    assert "Magic Transit Read" in blind.json["message"]


async def test_scenario_37_a_429_stops_every_request_for_as_long_as_it_says(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.link().fault(faults.rate_limited(120), 1)
        await stage.polls(stage.link(), "Healthy")
        asked = len(stage.simulator.requests)
        await stage.advance(115)
        assert len(stage.simulator.requests) == asked
        await stage.advance(65)
        assert len(stage.simulator.requests) > asked
    assert titles(http_receiver) == []


async def test_scenario_37_a_long_429_counts_as_blind(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.link().fault(faults.rate_limited(300), 1)
        await stage.advance(480)
    blind, again = titles(http_receiver)
    assert blind == "cannot see interconnects: 429 from Cloudflare, asked to wait 300s"
    assert again.startswith("can see interconnects again after")


async def test_scenario_38_one_malformed_answer_of_many_stops_no_other(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    names = ["icon-ams-01", "icon-ams-02", "icon-fra-01"]
    for name in names:
        stage.link(name, site=name[5:8] + "-a")
    stage.link("icon-fra-01").fault(faults.TRUNCATED)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        stage.link("icon-ams-01").set("Down")
        await stage.advance(240)
    blind = "cannot see 1 of 3 interconnects: malformed answer from Cloudflare"
    assert [title for title in titles(http_receiver) if not title.startswith(blind)] == [DOWN]
    assert sum(title.startswith(blind) for title in titles(http_receiver)) == 1
    asked = {r.link for r in stage.simulator.requests if r.asked is Asked.STATUS}
    assert asked == set(names)


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


async def test_r32_an_interval_that_the_budget_can_not_keep_is_stretched_and_that_is_no_gap(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    for number in range(2, 41):
        stage.link(f"icon-ams-{number:02d}", site=f"site-{number}")
    stage.rate_limit = {"requests": 40, "per": "1m", "share": 0.5}  # 20 a minute, 8 kept in reserve: 40 links in 200 s
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(600)
        begun = len(stage.simulator.requests)
        known = len(await stage.history())
        await stage.advance(600)
        asked = [request.link for request in stage.simulator.requests][begun:]
        assert len(await stage.history()) == known == 2 * 40  # a sighting and a baseline of each
    assert {asked.count(name) for name in stage.account.links} == {3}
    assert titles(http_receiver) == []


async def test_r12_unchanged_polls_write_nothing_but_when_they_last_saw_in_one_statement(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    for number in range(2, 11):
        stage.link(f"icon-ams-{number:02d}")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(70)
        sent = stage.statements()
        await stage.advance(300)
        asked = len(stage.simulator.requests)
        written = [s for s in sent if not s.startswith(("SELECT", "BEGIN", "UPDATE deliveries"))]
        assert written == []
        await stage.flush()
        written = [s for s in sent if not s.startswith(("SELECT", "BEGIN", "UPDATE deliveries"))]
        assert len(written) == 1
        assert "states" in written[0]
    assert asked >= 50
