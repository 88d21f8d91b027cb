"""Drills by plan: a marked problem and its recovery through the real path, and what comes of them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from notifier.app import assemble
from tests.support.examples import seconds
from tests.support.fakes import FakeClock
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Say
from tests.support.scenes import PAGER, bodies, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

DRILL = ["[drill] a link is Down (was Healthy)", "[drill] a link is Healthy again (was Down)"]
FAILED = "drill failed at channel pager: the problem was not taken: 400 from events.pagerduty.com"
PASSED = "drill passed at channel pager after …"
HOUR = timedelta(hours=1)


@pytest.fixture
def planned(stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts) -> dict[str, str]:
    """Return two channels that answer for which a drill is made at each full hour, by the clocks of the stage."""
    stage.more["drill"] = {"cron": "0 * * * *", "channels": ["noc", "pager"]}
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=202)
    return noc(http_receiver) | {"pager": PAGER}


def number(stage: Stage) -> int:
    """Return the number of the drill of this hour."""
    return int(stage.machine.now().replace(minute=0, second=0, microsecond=0).timestamp())


async def to_the_hour(stage: Stage, seconds_after: float = 0) -> None:
    """Let time pass until the next full hour."""
    now = stage.clock.now()
    then = now.replace(minute=0, second=0, microsecond=0) + HOUR
    await stage.advance((then - now).total_seconds() + min(seconds_after, 0), step=60)
    await stage.advance(max(seconds_after, 0))


async def outcomes(stage: Stage) -> list[tuple[str, str]]:
    """Return what the record says of drills: who made them, and what came of them."""
    page = await stage.insight().acts()
    return [(act.by, act.comment) for act in page.entries if act.act == "drill"]


async def troubles(stage: Stage) -> list[tuple[str, bool]]:
    """Return the keys of the incidents of drills, and whether each is open, the oldest first."""
    return [(i["id"], i["closed_at"] is None) for i in await stage.incidents() if i["kind"] == "drill"][::-1]


async def test_a_drill_that_arrives_is_in_the_record_and_nothing_else(
    stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["objective"] = {"notify_within": "1s", "for": "99%"}
    async with stage.at_work(**planned):
        await to_the_hour(stage, 60)
        key = f"cni:drill:{number(stage)}"
        assert await outcomes(stage) == [("notifier", "passed at noc, pager")]
        assert await stage.incidents() == []
        told = await stage.scrape()
        await stage.advance(300)  # neither the audit nor the objective says a word
        assert {(d["channel"], d["outcome"]) for d in await stage.deliveries()} == {("noc", "sent"), ("pager", "sent")}
    assert told.one("notifier_objective_ratio") is None
    assert titles(http_receiver) == DRILL
    assert "Nothing happened to any interconnect." in bodies(http_receiver)[0]
    assert paged(fixed_hosts) == [("trigger", key), ("resolve", key)]


async def test_each_hour_has_one_drill_and_none_a_second_whatever_restarts(
    stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**planned):
        await to_the_hour(stage, 120)
    async with stage.at_work(**planned):
        await stage.advance(120)
        assert titles(http_receiver) == DRILL
        await to_the_hour(stage, 120)
    assert titles(http_receiver) == DRILL * 2


@pytest.mark.parametrize(("minutes", "made"), [(4, True), (6, False)])
async def test_one_that_was_missed_is_made_up_for_within_five_minutes_or_not_at_all(
    minutes: int, *, made: bool, stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**planned):
        await to_the_hour(stage, -60)
    stage.clock.advance(timedelta(minutes=1 + minutes))
    async with stage.at_work(**planned):
        await stage.advance(120)
    assert titles(http_receiver) == DRILL * made


async def test_a_channel_that_refuses_it_is_an_incident_that_ends_with_the_next_drill(
    stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(**planned):
        await to_the_hour(stage, -60)
        fixed_hosts.usual_for[PAGERDUTY] = Say(status=400)
        await stage.advance(120)
        assert await troubles(stage) == [("cni:drill:pager:1", True)]
        [(_, outcome)] = await outcomes(stage)
        assert outcome.startswith("failed at pager: the problem was not taken: 400")
        assert outcome.endswith("; passed at noc")
        assert any(title.startswith("drill failed at channel pager: ") for title in titles(http_receiver))
        fixed_hosts.usual_for[PAGERDUTY] = Say(status=202)
        await to_the_hour(stage, 120)
        assert await troubles(stage) == [("cni:drill:pager:1", False)]
    assert PASSED in titles(http_receiver)
    assert not [key for _, key in paged(fixed_hosts) if "pager" in key]  # what it did not take it is not told of


async def test_a_channel_that_is_away_fails_after_its_time_and_nothing_stays_open(
    stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(**planned):
        await to_the_hour(stage, -60)
        fixed_hosts.usual_for[PAGERDUTY] = Say(reset=True)
        await stage.advance(60 + 600 - 60, step=30)
        assert await troubles(stage) == []
        assert titles(http_receiver) == DRILL[:1]  # its recovery comes with the end of the patience
        await stage.advance(11 * 60, step=30)
        key = f"cni:drill:{number(stage)}"
        assert await troubles(stage) == [("cni:drill:pager:1", True)]
        failed = "failed at pager: the problem was not accepted within 10m"
        assert [outcome.partition(":")[0] for _, outcome in await outcomes(stage)] == ["failed at pager"]
        assert (await outcomes(stage))[0][1].startswith(failed)
        fixed_hosts.usual_for[PAGERDUTY] = Say(status=202)
        await stage.advance(600, step=30)
    assert titles(http_receiver)[:2] == DRILL
    assert paged(fixed_hosts) == [("resolve", key)]  # it may have arrived


async def test_a_kill_between_the_halves_leaves_nothing_open(
    stage: Stage, planned: dict[str, str], fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(**planned):
        await to_the_hour(stage, -15)
        stage.clock.advance(seconds(15))
        stage.sending = False
        await stage.step()  # promised, and then
        stage.sending = True
        await stage._deliver()  # the problem arrives; nobody promised its recovery
        key = f"cni:drill:{number(stage)}"
        assert paged(fixed_hosts) == [("trigger", key)]
    stage.clock.advance(timedelta(hours=3, minutes=30))
    async with stage.at_work(**planned):
        await stage.advance(30)
        assert await outcomes(stage) == [("notifier", "passed at noc, pager")]
    assert paged(fixed_hosts) == [("trigger", key), ("resolve", key)]


async def test_a_drill_by_hand_is_ended_by_the_service_if_the_command_is_killed_in_between(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    channels = noc(http_receiver) | {"pager": PAGER}
    async with stage.at_work(**channels):
        await stage.advance(120)
        async with asyncio.TaskGroup() as tasks:
            settings = stage.settings(**channels)
            command = assemble(settings, database=stage.beside, clock=stage.clock, tasks=tasks, owner="drill-1")
            number = await command.drilling.by_hand(["pager"], timedelta(seconds=30))
            await command.close()
        await stage.advance(120)
        assert await outcomes(stage) == [("notifier test", "passed at pager")]
    assert paged(fixed_hosts) == [("trigger", f"cni:drill:{number}"), ("resolve", f"cni:drill:{number}")]


@pytest.mark.parametrize("name", ["on-call", None])
async def test_r18_a_channel_that_is_renamed_or_goes_between_the_halves_is_closed(
    name: str | None, stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(**planned):
        await to_the_hour(stage, -15)
        stage.clock.advance(seconds(15))
        stage.sending = False
        await stage.step()
        stage.sending = True
        await stage._deliver()
        key = f"cni:drill:{number(stage)}"
    del stage.more["drill"]
    renamed = {} if name is None else {name: PAGER}
    async with stage.at_work(**noc(http_receiver), **renamed):
        await stage.advance(60)
        assert await outcomes(stage) == [("notifier", "passed at noc")]
    if name is None:
        assert paged(fixed_hosts) == [("trigger", key)]
        assert "channel pager was removed and still holds an incident open" in titles(http_receiver)
        async with stage.at_work(**planned):
            await stage.advance(60)
    assert paged(fixed_hosts) == [("trigger", key), ("resolve", key)]


async def test_a_drill_that_is_planned_no_more_ends_its_incident(
    stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=400)
    async with stage.at_work(**planned):
        await to_the_hour(stage, 120)
        assert await troubles(stage) == [("cni:drill:pager:1", True)]
    stage.more["drill"] = {"cron": "0 * * * *", "channels": ["noc"]}
    async with stage.at_work(**planned):
        await stage.advance(60)
        assert await troubles(stage) == [("cni:drill:pager:1", False)]
    assert "no more drills at channel pager; the last one failed" in titles(http_receiver)


async def test_the_plan_goes_by_the_clock_that_people_have_in_their_zone(
    stage: Stage, planned: dict[str, str], http_receiver: HttpReceiver
) -> None:
    stage.more["drill"] = {"cron": "0 10 * * MON", "channels": ["noc"], "timezone": "Europe/Amsterdam"}
    stage.machine = people = FakeClock(datetime(2026, 12, 7, 8, 59, tzinfo=UTC))  # a Monday
    async with stage.at_work(**planned):
        await stage.advance(120)
        assert titles(http_receiver) == []
        people.advance(timedelta(minutes=1))
        await stage.advance(60)
        assert titles(http_receiver) == DRILL
        people.advance(-timedelta(minutes=1))  # set back: the same time comes once more
        await stage.advance(60)
        people.advance(timedelta(minutes=1))
        await stage.advance(60)
    assert titles(http_receiver) == DRILL


async def test_r7_a_drill_of_a_clock_that_was_ahead_is_ended_in_the_time_that_it_has(
    stage: Stage, planned: dict[str, str], fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(**planned):
        await to_the_hour(stage, -60)
        fixed_hosts.usual_for[PAGERDUTY] = Say(reset=True)
        await stage.advance(90)
    stage.clock.advance(-5.5 * HOUR)
    async with stage.at_work(**planned):
        await stage.advance(21 * 60, step=60)
        [(_, outcome)] = await outcomes(stage)
    assert outcome.startswith("failed at pager: the problem was not accepted within 10m")
