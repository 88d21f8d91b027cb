"""A site is lost when nothing is left there to rely on (R20)."""

import pytest

from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import DOWN, KEY, PAGER, SITE_KEY, bodies, down, heal, key, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

LOST = "site ams-a lost: 2 of 2 interconnects have a problem"
SECOND = "icon-ams-02"


async def lose(stage: Stage) -> None:
    """Have both links of the site fall in one round."""
    links = [stage.link(), stage.link(SECOND)]
    await stage.advance(65)
    for link in links:
        link.set("Down", "no light")
    await stage.advance(120)


async def test_scenario_40_two_of_two_at_a_site_are_one_message_and_one_page(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["group"] = {"wait": "10s"}
    stage.link(SECOND)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await lose(stage)
        assert titles(http_receiver) == [LOST]
        assert paged(fixed_hosts) == [("trigger", SITE_KEY)]
        [body] = bodies(http_receiver)
        assert "icon-ams-01: Down" in body
        assert "icon-ams-02: Down" in body
        await heal(stage)
        assert titles(http_receiver) == [LOST, "site ams-a is back after …: 1 of 2 interconnects Healthy"]
        assert "Still with a problem, each an incident of its own: icon-ams-02." in bodies(http_receiver)[-1]
        assert sorted(paged(fixed_hosts)[1:]) == [("resolve", SITE_KEY), ("trigger", key(SECOND))]
        await heal(stage, SECOND)
    assert titles(http_receiver)[2:] == ["icon-ams-02 is Healthy again after … (was Down) #3"]
    assert paged(fixed_hosts)[3:] == [("resolve", key(SECOND))]


async def test_r20_a_message_about_one_link_says_what_is_left_at_its_site(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.link(SECOND)
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
    assert titles(http_receiver) == [DOWN]
    assert "Redundancy: 1 of 2 still Healthy at ams-a" in bodies(http_receiver)[0]


async def test_r20_a_link_that_was_paged_before_its_site_was_lost_stays_open_and_is_closed_by_itself(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.link(SECOND)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.advance(60)
        stage.link(SECOND).set("Down")
        await stage.advance(120)
        assert titles(http_receiver) == [DOWN, "site ams-a lost: 2 of 2 interconnects have a problem"]
        assert paged(fixed_hosts) == [("trigger", KEY), ("trigger", SITE_KEY)]
        await heal(stage)
        expected = [("resolve", KEY), ("resolve", SITE_KEY), ("trigger", key(SECOND))]
        assert sorted(paged(fixed_hosts)[2:]) == sorted(expected)
        await heal(stage, SECOND)
    assert paged(fixed_hosts)[5:] == [("resolve", key(SECOND))]


async def test_r20_a_page_goes_at_once_when_no_other_link_of_its_site_is_in_doubt(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    stage.more["group"] = {"wait": "5m"}
    stage.link(SECOND)
    async with stage.at_work(pager=PAGER):
        await down(stage)
        assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_r20_a_page_is_held_back_while_another_link_of_its_site_is_in_doubt(
    stage: Stage, fixed_hosts: FixedHosts
) -> None:
    stage.more |= {"group": {"wait": "40s"}, "detection": {"confirm": 5}}
    stage.link(SECOND)
    async with stage.at_work(pager=PAGER):
        await stage.polls(stage.link(), "Healthy", "Down")
        stage.link(SECOND).set("Down")  # one second too late for the look at the neighbours
        await stage.polls(stage.link(), *["Down"] * 4)
        assert paged(fixed_hosts) == []
        stage.link(SECOND).set("Healthy")
        await stage.advance(45)
        assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_r20_links_at_one_site_that_fall_within_the_wait_are_one_message(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more["group"] = {"wait": "30s"}
    for name in (SECOND, "icon-ams-03"):
        stage.link(name)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        for name in ("icon-ams-01", SECOND):
            stage.link(name).set("Down")
        await stage.advance(150)
    assert titles(http_receiver) == [f"{DOWN} and 1 more"]
    assert "icon-ams-02: Down (was Healthy) #2" in bodies(http_receiver)[0]
