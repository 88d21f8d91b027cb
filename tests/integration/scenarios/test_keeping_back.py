"""Silences and maintenance windows keep messages back, never records (R24)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from notifier.domain.matching import Matcher
from tests.support.examples import NIGHT
from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import AGAIN, DOWN, KEY, NAME, PAGER, SITE_KEY, bodies, down, heal, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow


def window(begin: float, end: float, name: str = "swap", match: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Plan maintenance between two moments, in minutes after the beginning of the scenario."""
    from_at, until_at = (NIGHT + timedelta(minutes=minutes) for minutes in (begin, end))
    return {"name": name, "match": match or {}, "from": from_at.isoformat(), "until": until_at.isoformat()}


async def minute(stage: Stage, number: float) -> None:
    """Let time pass until so many minutes after the beginning."""
    await stage.advance((NIGHT + timedelta(minutes=number) - stage.clock.now()).total_seconds(), step=30)


async def test_scenario_26_a_page_is_closed_though_a_silence_holds(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.silence(Matcher(name=(NAME,)), minutes=30)
        await heal(stage)
        assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
        assert titles(http_receiver) == [DOWN]
        await stage.advance(30 * 60, step=60)
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_scenario_27_down_before_and_after_a_window_is_nothing(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["maintenance"] = [window(5, 15)]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await minute(stage, 20)
    assert titles(http_receiver) == [DOWN]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_scenario_27_up_and_down_again_within_a_window_is_nothing_to_read_and_another_page(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["maintenance"] = [window(5, 15)]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await minute(stage, 6)
        await heal(stage)
        await down(stage)
        await minute(stage, 14)
        assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
        await minute(stage, 20)
    assert titles(http_receiver) == [DOWN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY), ("trigger", KEY.replace(":1", ":2"))]


async def test_scenario_28_a_link_that_is_still_down_after_the_window_is_one_problem(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["maintenance"] = [window(5, 15, match={"site": "ams-*"})]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await minute(stage, 6)
        await down(stage)
        await minute(stage, 14.5)
        assert titles(http_receiver) == []
        assert paged(fixed_hosts) == []
        await minute(stage, 20)
        assert titles(http_receiver) == [DOWN]
        assert "Told only now because maintenance swap kept it back." in bodies(http_receiver)[0]
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await heal(stage)
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_scenario_29_a_problem_that_came_and_went_inside_a_window_is_nothing(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["maintenance"] = [window(5, 15)]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await minute(stage, 6)
        await down(stage)
        await heal(stage)
        await minute(stage, 20)
        incidents = await stage.incidents()
    assert titles(http_receiver) == []
    assert paged(fixed_hosts) == []
    assert [incident["id"] for incident in incidents] == [KEY]  # kept back, but on record


async def test_scenario_30_a_window_for_one_of_two_links_does_not_hide_the_loss_of_both(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["maintenance"] = [window(5, 60, match={"name": NAME})]
    stage.link("icon-ams-02")
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await minute(stage, 6)
        await down(stage)
        await minute(stage, 12)
        assert (titles(http_receiver), paged(fixed_hosts)) == ([], [])
        await down(stage, "icon-ams-02")
    assert titles(http_receiver) == ["site ams-a lost: 2 of 2 interconnects have a problem"]
    assert "icon-ams-01: Down" in bodies(http_receiver)[0]
    assert paged(fixed_hosts) == [("trigger", SITE_KEY)]


async def test_r24_a_window_for_a_whole_site_hides_its_loss_until_it_ends(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["maintenance"] = [window(5, 15, match={"site": "ams-a"})]
    stage.link("icon-ams-02")
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await minute(stage, 6)
        await down(stage)
        await down(stage, "icon-ams-02")
        await minute(stage, 14.5)
        assert (titles(http_receiver), paged(fixed_hosts)) == ([], [])
        await minute(stage, 16)
    assert titles(http_receiver) == ["site ams-a lost: 2 of 2 interconnects have a problem"]
    assert paged(fixed_hosts) == [("trigger", SITE_KEY)]


async def test_r24_of_suppressions_that_overlap_the_one_that_ends_last_counts(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more["maintenance"] = [window(5, 15), window(10, 20, name="other")]
    async with stage.at_work(**noc(http_receiver)):
        await minute(stage, 6)
        await down(stage)
        await stage.silence(Matcher(site=("ams-?",)), minutes=20)
        await minute(stage, 27)
        assert titles(http_receiver) == []
        await minute(stage, 30)
    assert titles(http_receiver) == [DOWN]


async def test_r24_a_silence_that_is_ended_early_tells_what_it_kept_back(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        silence = await stage.silence(Matcher(), minutes=600)
        await down(stage)
        assert (titles(http_receiver), paged(fixed_hosts)) == ([], [])
        await stage.expire(silence)
        await stage.step()
    assert titles(http_receiver) == [DOWN]
    assert "silence 1 kept it back" in bodies(http_receiver)[0]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_r24_a_silence_for_another_link_keeps_nothing_back(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.silence(Matcher(name=("icon-fra-*",)), minutes=600)
        await down(stage)
    assert titles(http_receiver) == [DOWN]


async def test_r24_what_a_window_kept_back_is_told_after_a_restart(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.more["maintenance"] = [window(5, 15)]
    async with stage.at_work(**noc(http_receiver)):
        await minute(stage, 6)
        await down(stage)
    stage.clock.advance(timedelta(minutes=10))
    async with stage.at_work(**noc(http_receiver)):
        assert titles(http_receiver) == [DOWN]
