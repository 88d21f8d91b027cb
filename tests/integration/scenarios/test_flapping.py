"""Changes that come too often are told as one thing (R10)."""

import pytest

from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import DOWN, KEY, PAGER, bodies, heal, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

AT_ONCE = {"confirm": 1, "recover": 1, "recover_for": "0s"}
TOLD = [
    DOWN,
    "icon-ams-01 is Healthy again after … (was Down) #3",
    "icon-ams-01 is Down (was Healthy) #4",
    "icon-ams-01 is flapping: 4 changes in … #5",
]
PAGED = [("trigger", KEY), ("resolve", KEY), ("trigger", KEY.replace(":1", ":2"))]


async def flap(stage: Stage, *, changes: int) -> None:
    """Have the link change at every poll, beginning with Down."""
    await stage.polls(stage.link(), "Healthy", *(["Down", "Healthy"] * changes)[:changes])


async def test_scenario_32_a_change_at_every_poll_is_one_message_that_it_flaps(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["detection"] = AT_ONCE
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await flap(stage, changes=15)
        [state] = [row for row in await stage.history() if row.get("number") == 16]
    assert titles(http_receiver) == TOLD
    assert "Its changes are not told until it has been calm for 30m." in bodies(http_receiver)[-1]
    assert paged(fixed_hosts) == PAGED  # it stays open
    assert state["after"] == "Down"  # every change is on record


async def test_scenario_33_flapping_that_calms_in_down_ends_with_a_problem_and_later_one_recovery(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["detection"] = AT_ONCE
    told = [
        "icon-ams-01 is up (was Pending) #2",
        "icon-ams-01 is Down (was Healthy) #3",
        "icon-ams-01 is Healthy again after … (was Down) #4",
        "icon-ams-01 is flapping: 4 changes in … #5",
    ]
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Pending", "Healthy", "Down", "Healthy", "Down", "Healthy", "Down")
        await stage.advance(29 * 60, step=60)
        assert titles(http_receiver) == told
        await stage.advance(2 * 60, step=60)
        assert titles(http_receiver) == [*told, "icon-ams-01 stopped flapping: Down for …"]
        assert "icon-ams-01: Down (was Healthy) #7" in bodies(http_receiver)[-1]
        assert paged(fixed_hosts) == PAGED
        await heal(stage)
    assert titles(http_receiver)[5:] == ["icon-ams-01 is Healthy again after … (was Down) #8"]
    assert paged(fixed_hosts) == [*PAGED, ("resolve", KEY.replace(":1", ":2"))]


async def test_r10_flapping_that_calms_in_what_was_told_last_says_only_that_it_ended(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["detection"] = AT_ONCE
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await flap(stage, changes=5)
        await stage.advance(31 * 60, step=60)
    assert titles(http_receiver) == [*TOLD, "icon-ams-01 stopped flapping: Down for …"]
    assert "was Healthy" not in bodies(http_receiver)[-1]
    assert paged(fixed_hosts) == PAGED


async def test_r10_flapping_that_calms_in_healthy_ends_with_a_recovery(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["detection"] = AT_ONCE
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await flap(stage, changes=6)
        await stage.advance(31 * 60, step=60)
    assert titles(http_receiver) == [*TOLD, "icon-ams-01 stopped flapping: Healthy for …"]
    assert "icon-ams-01: Healthy again after 3m (was flapping) #7" in bodies(http_receiver)[-1]
    assert f"Incident: {KEY.replace(':1', ':2')}" in bodies(http_receiver)[-1]
    assert http_receiver.requests[-1].json["type"] == "success"
    assert paged(fixed_hosts) == [*PAGED, ("resolve", KEY.replace(":1", ":2"))]


async def test_r10_flapping_is_remembered_over_a_restart(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["detection"] = AT_ONCE
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await flap(stage, changes=3)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down")
        assert titles(http_receiver) == TOLD
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down")
        assert titles(http_receiver) == TOLD
    assert paged(fixed_hosts) == PAGED


async def test_scenario_34_one_down_and_up_each_ten_polls_for_two_hours_is_found(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(65)
        for _ in range(12):
            stage.link().set("Down")
            await stage.advance(180, step=60)
            stage.link().set("Healthy")
            await stage.advance(420, step=60)
    assert titles(http_receiver) == TOLD
    assert paged(fixed_hosts) == PAGED
