"""What is believed, and when (R1-R5, R12, R32)."""

import pytest

from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, down, downs, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow


async def test_scenario_01_one_bad_answer_is_no_message_but_is_in_the_history(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down", "Healthy", "Healthy")
        history = [row.get("status") or row.get("after") for row in await stage.history()]
    assert titles(http_receiver) == []
    assert history == ["Healthy", "Healthy", "Down", "Healthy"]


async def test_scenario_02_a_problem_is_told_at_the_second_sighting(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down")
        assert titles(http_receiver) == []
        await stage.polls(stage.link(), "Down")
        assert titles(http_receiver) == [DOWN]


async def test_scenario_03_an_open_problem_is_not_told_again(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.polls(stage.link(), *["Down"] * 10)
    assert titles(http_receiver) == [DOWN]


async def test_scenario_04_one_recovery_after_the_last_good_answers(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.polls(stage.link(), "Healthy", "Down")
        await stage.advance(60)
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await stage.polls(stage.link(), "Healthy", "Healthy", "Healthy")
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
    assert titles(http_receiver) == [DOWN, AGAIN]


async def test_scenario_05_an_empty_database_and_healthy_links_are_no_message(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(300)
    assert titles(http_receiver) == []


async def test_scenario_06_a_problem_at_first_sight_says_so(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.link().set("Down", "no light")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(120)
    assert titles(http_receiver) == ["icon-ams-01 is Down (first observation) #1"]


async def test_scenario_07_each_link_recovers_in_its_own_time(stage: Stage, http_receiver: HttpReceiver) -> None:
    names = ["icon-ams-01", "icon-fra-01", "icon-lon-01"]
    links = [stage.link(name, site=name[5:8]) for name in names]
    expected = downs(*names)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        for link in links:
            link.set("Down")
        await stage.advance(120)
        assert sorted(titles(http_receiver)) == expected
        for link in links:
            link.set("Healthy")
            await stage.advance(120)
            expected.append(f"{link.name} is Healthy again after … (was Down) #3")
            assert titles(http_receiver)[3:] == expected[3:]


async def test_scenario_08_worse_and_better_are_one_incident(
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


async def test_r5_a_link_that_was_never_up_is_told_when_it_is_and_is_a_problem_only_after_that(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Pending", "Pending", "Healthy", "Healthy", "Healthy", "Pending", "Pending")
    assert titles(http_receiver) == [
        "icon-ams-01 is up (was Pending) #2",
        "icon-ams-01 is Pending (was Healthy) #3",
    ]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_r8_a_word_that_nobody_knows_is_told_as_it_came(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Degraded", "Degraded", "Degraded")
    assert titles(http_receiver) == ["icon-ams-01 is Degraded (was Healthy) #2"]
    assert http_receiver.requests[0].json["type"] == "warning"


SHARED = (
    "UPDATE deliveries",
    "UPDATE leases",
    "UPDATE replicas",
    "INSERT INTO replicas",
    "INSERT INTO budgets",
)  # whatever is polled


def writing(statements: list[str]) -> list[str]:
    return [each for each in statements if not each.lstrip().startswith(("SELECT", "BEGIN", "SET", *SHARED))]


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
        assert writing(sent) == []
        await stage.flush()
        [written] = writing(sent)
        assert "states" in written
    assert asked >= 50


async def test_r32_an_interval_that_the_budget_can_not_keep_is_stretched_and_that_is_no_gap(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    for number in range(2, 41):
        stage.link(f"icon-ams-{number:02d}", site=f"site-{number}")
    # 20 a minute, 8 kept in reserve: 40 links take 200 s; 275 s where replicas may share them.
    stage.rate_limit = {"requests": 40, "per": "1m", "share": 0.5}
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(600)
        begun = len(stage.simulator.requests)
        known = len(await stage.history())
        await stage.advance(3 * (200 if stage.beside.embedded else 275))
        asked = [request.link for request in stage.simulator.requests][begun:]
        assert len(await stage.history()) == known == 2 * 40  # a sighting and a baseline of each
    assert {asked.count(name) for name in stage.account.links} == {3}
    assert titles(http_receiver) == []
