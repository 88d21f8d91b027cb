"""Changes that are told too late are told of themselves: an incident of the notifier's own, which ends by itself."""

import pytest

from notifier.domain.matching import Matcher
from tests.support.examples import seconds
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Say
from tests.support.scenes import AGAIN, DOWN, PAGER, SITE_KEY, bodies, down, heal, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

KEY = "cni:objective:1"
NINES = {"notify_within": "90s", "for": "99%", "over": "2h"}
HALF = "50% told within 1m 30s, 99% wanted"


@pytest.fixture
def late(stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts) -> dict[str, str]:
    """Return two channels, of which the pager takes nothing for now."""
    stage.more["objective"] = NINES
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=503)
    return noc(http_receiver) | {"pager": PAGER}


async def objectives(stage: Stage) -> list[tuple[str, bool]]:
    """Return the keys of the objective's incidents, and whether each is open, the oldest first."""
    found = [(i["id"], i["closed_at"] is None) for i in await stage.incidents() if i["kind"] == "objective"]
    return found[::-1]


async def test_what_is_told_in_time_is_nothing_to_tell_of(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.more["objective"] = NINES
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await heal(stage)
        await stage.advance(300)
        told = await stage.scrape()
        assert await objectives(stage) == []
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert (told.one("notifier_objective_ratio"), told.one("notifier_objective_target_ratio")) == (1, 0.99)
    assert told.one("notifier_objective_within_seconds") == 90
    assert told.one("notifier_objective_notifications", channel="noc", outcome="in_time") == 2
    assert told.one("notifier_objective_notifications", channel="noc", outcome="late") == 0


async def test_who_set_no_objective_hears_and_sees_nothing_of_it(
    stage: Stage, late: dict[str, str], http_receiver: HttpReceiver
) -> None:
    del stage.more["objective"]
    async with stage.at_work(**late):
        await down(stage)
        await stage.advance(600)
        told = await stage.scrape()
        assert await objectives(stage) == []
    assert titles(http_receiver) == [DOWN]
    assert not any(name.startswith("notifier_objective") for name in told.names())


async def test_one_that_waits_too_long_is_an_incident_that_ends_when_enough_is_in_time_again(
    stage: Stage, late: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**late):
        await down(stage)
        await stage.advance(60)
        assert await objectives(stage) == []  # it may still be in time
        await stage.advance(300)
        assert await objectives(stage) == [(KEY, True)]
        assert titles(http_receiver) == [DOWN, f"objective missed: {HALF}"]
        assert "took 1 of 2 notifications" in bodies(http_receiver)[-1]
        assert "Late at pager: 1 of 1" in bodies(http_receiver)[-1]
        told = await stage.scrape()
        assert (told.one("notifier_objective_ratio"), told.one("notifier_objective_target_ratio")) == (0.5, 0.99)
        assert told.one("notifier_objective_notifications", channel="pager", outcome="late") == 1
        await stage.advance(2 * 3600, step=120)
        assert await objectives(stage) == [(KEY, False)]
    assert titles(http_receiver)[-1] == "objective met again after …: nothing to tell, 99% wanted"


async def test_its_own_messages_and_reminders_do_not_count_however_late_they_are(
    stage: Stage, late: dict[str, str], fixed_hosts: FixedHosts
) -> None:
    stage.more |= {"objective": NINES | {"over": "7d"}, "remind": "1h"}
    async with stage.at_work(**late):
        await down(stage)
        await stage.advance(3 * 3600, step=120)
        told = await stage.scrape()
    assert fixed_hosts.requests  # what it says of itself it tried there, too
    assert told.all("notifier_objective_notifications", "channel") == {"noc": 1, "pager": 1}


async def test_what_is_kept_back_on_purpose_is_not_late(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.more |= {
        "objective": NINES,
        "routes": [{"channels": ["noc"], "escalate": {"after": "5m", "channels": ["boss"]}}],
    }
    async with stage.at_work(**noc(http_receiver), **noc(http_receiver, "boss")):
        await stage.silence(Matcher(), minutes=10)
        await down(stage)
        await stage.advance(1200)
        told = await stage.scrape()
        assert await objectives(stage) == []
    assert titles(http_receiver) == [DOWN, DOWN]
    assert told.one("notifier_objective_ratio") is None


async def test_of_a_lost_site_the_confirmation_counts_as_of_its_links(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more |= {"objective": NINES | {"notify_within": "10s"}, "group": {"wait": "30s"}}
    stage.link("icon-ams-02")
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        for name in ("icon-ams-01", "icon-ams-02"):
            stage.link(name).set("Down")
        await stage.advance(300)
        told = await stage.scrape()
    assert paged(fixed_hosts)[0] == ("trigger", SITE_KEY)
    assert told.one("notifier_objective_notifications", channel="pager", outcome="late") == 1
    assert told.one("notifier_objective_notifications", channel="noc", outcome="in_time") == 0


async def test_after_a_restart_the_same_incident_goes_on(
    stage: Stage, late: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**late):
        await down(stage)
        await stage.advance(300)
    async with stage.at_work(**late):
        await stage.advance(300)
        assert await objectives(stage) == [(KEY, True)]
    assert titles(http_receiver) == [DOWN, f"objective missed: {HALF}"]


async def test_an_objective_that_is_taken_away_ends_its_incident_and_says_so(
    stage: Stage, late: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**late):
        await down(stage)
        await stage.advance(300)
    del stage.more["objective"]
    async with stage.at_work(**late):
        await stage.advance(300)
        assert await objectives(stage) == [(KEY, False)]
    assert titles(http_receiver)[-1] == "the objective is no longer configured; it was missed"


@pytest.mark.parametrize(("share", "missed"), [("50%", False), ("99.9%", True)])
async def test_an_objective_that_is_changed_ends_its_incident_and_is_another(
    share: str, *, missed: bool, stage: Stage, late: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**late):
        await down(stage)
        await stage.advance(300)
    stage.more["objective"] = NINES | {"for": share}
    async with stage.at_work(**late):
        await stage.advance(300)
        assert await objectives(stage) == [(KEY, False)] + [("cni:objective:2", True)] * missed
    again = "objective missed: 50% told within 1m 30s, 99.9% wanted"  # with the end of the other one, in one message
    assert titles(http_receiver)[2:] == ([again] if missed else ["the objective was changed; it was missed"])
    assert "the objective was changed" in bodies(http_receiver)[2].lower()


async def test_r7_what_a_clock_that_was_ahead_has_seen_first_is_late_when_it_is_late_by_ours(
    stage: Stage, late: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**late):
        await down(stage)
    stage.clock.advance(seconds(-7200))
    async with stage.at_work(**late):
        await stage.advance(60)
        assert await objectives(stage) == []
        await stage.advance(300)
        assert await objectives(stage) == [(KEY, True)]
    assert f"objective missed: {HALF}" in titles(http_receiver)


async def test_a_channel_that_is_no_more_is_not_late_any_more(
    stage: Stage, late: dict[str, str], http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**late):
        await down(stage)
        await stage.advance(300)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(300)
        assert await objectives(stage) == [(KEY, False)]
    assert titles(http_receiver)[-1] == "objective met again after …: 100% told within 1m 30s, 99% wanted"
