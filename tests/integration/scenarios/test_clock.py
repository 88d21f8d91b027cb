"""Clocks that were wrong, and time in which nothing ran (R7, R11, R13)."""

from datetime import datetime, timedelta

import pytest

from notifier.domain.matching import Matcher
from tests.support.examples import seconds
from tests.support.fakes import FakeClock
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Say
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, bodies, down, heal, key, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
STEPS = [-HOUR, HOUR]
REMINDER = "icon-ams-01 is still Down after …"
SECOND = "icon-ams-02"


@pytest.mark.parametrize("step", STEPS)
async def test_r7_after_a_restart_with_another_clock_changes_are_told_in_time_and_nothing_else(
    step: timedelta, stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.link("icon-fra-01", site="fra-a")
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.flush()
    stage.clock.advance(step)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(120)
        assert titles(http_receiver) == [DOWN]
        stage.link("icon-fra-01").set("Down")
        await stage.advance(80)
        assert titles(http_receiver) == [DOWN, "icon-fra-01 is Down (was Healthy) #2"]
        await heal(stage)
    assert titles(http_receiver)[2:] == [AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("trigger", key("icon-fra-01")), ("resolve", KEY)]


async def test_r16_what_a_channel_is_owed_does_not_wait_for_the_hour_that_the_clock_was_ahead(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=503)
    stage.more["group"] = {"wait": "10s"}
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        assert titles(http_receiver) == []  # it is still gathered
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=202)
    stage.clock.advance(-HOUR)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(15)
    assert titles(http_receiver) == [DOWN]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_r17_a_problem_of_the_future_and_its_end_are_told_in_the_order_of_their_happening(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    http_receiver.usual = Say(status=503)
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
    stage.clock.advance(-HOUR)
    async with stage.at_work(**noc(http_receiver)):
        await heal(stage)
        http_receiver.usual = Say()
        await stage.advance(360)
    assert titles(http_receiver) == [AGAIN]
    assert "It was over before it could be told." in bodies(http_receiver)[0]


async def test_r21_r23_reminders_and_escalations_come_no_later_for_it(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["remind"] = "1h"
    stage.more["routes"] = [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager"]}}]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
    stage.clock.advance(-HOUR)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(14 * 60, step=60)
        assert paged(fixed_hosts) == []
        await stage.advance(2 * 60, step=60)
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await stage.advance(43 * 60, step=60)
        assert titles(http_receiver) == [DOWN]
        await stage.advance(2 * 60, step=60)
    assert titles(http_receiver) == [DOWN, REMINDER]


async def test_r20_a_page_that_is_held_back_for_its_site_is_held_no_longer_for_it(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    """Their turns are 23 s apart: what falls second is no more than suspected when the first is confirmed."""
    stage.more |= {"group": {"wait": "10s"}, "poll": {"interval": "60s", "recheck": "25s"}}
    stage.link(SECOND)
    async with stage.at_work(pager=PAGER):
        await stage.polls(stage.link(), "Healthy")
        stage.link(SECOND).set("Down")
        asked = len(stage.simulator.requests.of(link=SECOND))
        while len(stage.simulator.requests.of(link=SECOND)) == asked:
            await stage.advance(1, step=1)
        stage.link().set("Down")
        await stage.advance(26, step=1)
        assert [row["name"] for row in await stage.history() if row.get("number") == 2] == [SECOND]
    assert paged(fixed_hosts) == []
    stage.link().set("Healthy")
    stage.clock.advance(-HOUR)
    async with stage.at_work(pager=PAGER):
        await stage.advance(12, step=1)
    assert paged(fixed_hosts) == [("trigger", key(SECOND))]


async def test_r11_what_changed_while_the_process_was_stopped_is_told_once_as_not_observed(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.link().set("Down", "no light")
        stage.clock.advance(timedelta(minutes=10))
        await stage.step()
        await stage.advance(120)
        gaps = [row for row in await stage.history() if row["kind"] == "gap"]
    assert titles(http_receiver) == [DOWN]
    assert "not observed in between" in bodies(http_receiver)[0]
    assert paged(fixed_hosts) == [("trigger", KEY)]
    assert len(gaps) == 1


async def test_r32_after_a_stop_of_minutes_each_link_is_asked_once_within_the_budget(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    names = [f"icon-ams-{n:02}" for n in range(1, 21)]
    stage.rate_limit = {"requests": 60, "per": "5m", "share": 1}
    for name in names:
        stage.link(name, site=name)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(600)
        before = len(stage.simulator.requests)
        stage.clock.advance(timedelta(minutes=4))
        await stage.step()
        assert len(stage.simulator.requests) - before <= len(names) + 1
        await stage.advance(50)
        assert len(stage.simulator.requests) - before <= 60
        await stage.advance(600)
    assert titles(http_receiver) == []


async def test_r11_a_stop_that_nothing_changed_in_is_a_gap_and_no_message(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.clock.advance(seconds(600))
        await stage.advance(300)
        kinds = [row["kind"] for row in await stage.history()]
    assert titles(http_receiver) == []
    assert kinds.count("gap") == 1


class Apart:
    """A clock that differs from another."""

    def __init__(self, other: FakeClock, by: timedelta) -> None:
        self._other = other
        self._by = by

    def now(self) -> datetime:
        return self._other.now() + self._by


@pytest.mark.parametrize("step", STEPS)
async def test_r24_a_silence_goes_by_the_clock_it_was_set_by(
    step: timedelta, stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.machine = Apart(stage.clock, step)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.silence(Matcher(), minutes=30)
        await down(stage)
        await stage.advance(26 * 60, step=60)
        assert (titles(http_receiver), paged(fixed_hosts)) == ([], [])
        await stage.advance(4 * 60, step=60)
    assert titles(http_receiver) == [DOWN]
    assert paged(fixed_hosts) == [("trigger", KEY)]


@pytest.mark.parametrize("step", STEPS)
async def test_r24_a_maintenance_window_goes_by_the_machines_clock(
    step: timedelta, stage: Stage, http_receiver: HttpReceiver
) -> None:
    begins = stage.clock.now() + step
    span = {"from": begins.isoformat(), "until": (begins + timedelta(minutes=30)).isoformat()}
    stage.machine = Apart(stage.clock, step)
    stage.more["maintenance"] = [{"name": "patching", "match": {}, **span}]
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.advance(26 * 60, step=60)
        assert titles(http_receiver) == []
        await stage.advance(4 * 60, step=60)
    assert titles(http_receiver) == [DOWN]


@pytest.mark.parametrize("step", STEPS)
async def test_r22_an_acknowledgement_runs_out_by_the_clock_it_was_given_by(
    step: timedelta, stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.machine = Apart(stage.clock, step)
    stage.more["routes"] = [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager"]}}]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.acknowledge(KEY, minutes=30)
        await stage.advance(28 * 60, step=60)
        assert paged(fixed_hosts) == []
        await stage.advance(4 * 60, step=60)
    assert paged(fixed_hosts) == [("trigger", KEY)]
