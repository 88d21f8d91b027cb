"""Reminders, acknowledgements and escalation (R21-R23)."""

import pytest

from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, SITE_KEY, bodies, down, heal, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

REMINDER = "icon-ams-01 is still Down after …"
WORSE = "icon-ams-01 is Down (was Unhealthy) #3"
UNHEALTHY = "icon-ams-01 is Unhealthy (was Healthy) #2"


async def test_r21_a_message_channel_is_reminded_every_four_hours_and_a_pager_never(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.advance(3.9 * 3600, step=600)
        assert titles(http_receiver) == [DOWN]
        await stage.advance(4.2 * 3600, step=600)
        assert titles(http_receiver) == [DOWN, REMINDER, REMINDER]
        assert "notifier ack" in bodies(http_receiver)[-1]
        await heal(stage)
        await stage.advance(5 * 3600, step=600)
    assert titles(http_receiver) == [DOWN, REMINDER, REMINDER, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_r21_of_what_is_acknowledged_nobody_is_reminded_until_that_runs_out(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more["remind"] = "1h"
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.acknowledge(KEY, minutes=150)
        await stage.advance(149 * 60, step=300)
        assert titles(http_receiver) == [DOWN]
        await stage.advance(35 * 60, step=300)
    assert titles(http_receiver) == [DOWN, REMINDER]


async def test_scenario_31_a_worsening_ends_the_acknowledgement_and_escalation_runs_again(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["routes"] = [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager"]}}]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Unhealthy", "Unhealthy")
        await stage.acknowledge(KEY)
        await stage.advance(30 * 60, step=60)
        assert titles(http_receiver) == [UNHEALTHY]
        assert paged(fixed_hosts) == []
        await stage.polls(stage.link(), "Down")
        assert titles(http_receiver) == [UNHEALTHY, WORSE]
        [incident] = await stage.incidents()
        assert incident["acknowledged_by"] is None
        await stage.advance(16 * 60, step=60)
    assert titles(http_receiver) == [UNHEALTHY, WORSE]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_r22_a_sticky_acknowledgement_outlives_a_worsening(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more |= {
        "routes": [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager"]}}],
        "remind": "1h",
    }
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Unhealthy", "Unhealthy")
        await stage.acknowledge(KEY, sticky=True)
        await stage.polls(stage.link(), "Down")
        await stage.advance(70 * 60, step=300)
    assert titles(http_receiver) == [UNHEALTHY, WORSE]
    assert paged(fixed_hosts) == []


async def test_r23_what_nobody_acknowledges_is_escalated_after_its_time(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["routes"] = [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager", "mail"]}}]
    async with stage.at_work(pager=PAGER, **noc(http_receiver), **noc(http_receiver, "mail")):
        await down(stage)
        await stage.advance(14 * 60, step=60)
        assert titles(http_receiver, "mail") == []
        assert paged(fixed_hosts) == []
        await stage.advance(60, step=15)
        assert titles(http_receiver, "mail") == [DOWN]
        assert "Told only now because the wait of 15m for an acknowledgement" in bodies(http_receiver)[-1]
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await heal(stage)
    assert titles(http_receiver, "mail") == [DOWN, AGAIN]
    assert titles(http_receiver, "noc") == [DOWN, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_r23_what_somebody_has_in_hand_is_not_escalated(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["routes"] = [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager"]}}]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.acknowledge(KEY)
        await stage.advance(60 * 60, step=300)
        await heal(stage)
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert paged(fixed_hosts) == []


async def test_r23_a_problem_that_ends_before_its_escalation_is_not_escalated(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["routes"] = [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager", "mail"]}}]
    async with stage.at_work(pager=PAGER, **noc(http_receiver), **noc(http_receiver, "mail")):
        await down(stage)
        await heal(stage)
        await stage.advance(20 * 60, step=60)
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert paged(fixed_hosts) == []


async def test_r22_whoever_has_a_lost_site_in_hand_has_its_links_in_hand(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more |= {
        "routes": [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["pager"]}}],
        "remind": "1h",
    }
    stage.link("icon-ams-02")
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(65)
        for link in stage.account.links.values():
            link.set("Down")
        await stage.advance(120)
        await stage.acknowledge(SITE_KEY)
        await stage.advance(70 * 60, step=300)
    assert titles(http_receiver) == ["site ams-a lost: 2 of 2 interconnects have a problem"]
    assert paged(fixed_hosts) == []


async def test_r21_a_lost_site_and_its_links_are_one_reminder(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.more["remind"] = "1h"
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        for link in stage.account.links.values():
            link.set("Down")
        await stage.advance(70 * 60, step=300)
    assert titles(http_receiver) == [
        "site ams-a lost: 2 of 2 interconnects have a problem",
        "site ams-a is still lost after …",
    ]
    assert "icon-ams-02: still Down after 1h" in bodies(http_receiver)[-1]
    assert f"notifier ack {SITE_KEY} stops the reminders" in bodies(http_receiver)[-1]
