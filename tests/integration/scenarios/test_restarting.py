"""What survives a restart, and another configuration (R13, R18, R25, R31)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notifier.errors import ConfigurationError
from notifier.service import Service
from notifier.settings import Settings
from notifier.settings.source import Source
from tests.support.examples import seconds
from tests.support.process import FAST, until
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, SITE_KEY, bodies, down, heal, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

REMINDER = "icon-ams-01 is still Down after …"
TOLD_NOW = "Told only now because this channel, or a route to it, is new. "


async def test_scenario_09_still_down_after_a_restart_is_silence(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(300)
    assert titles(http_receiver) == [DOWN]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_scenario_10_recovered_while_dead_is_one_recovery_with_the_old_key_and_its_bounds(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
    stage.link().set("Healthy")
    stage.clock.advance(seconds(3600))
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.advance(180)
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert "not observed in between" in bodies(http_receiver)[-1]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_scenario_11_a_candidate_survives_a_restart(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down")
    stage.clock.advance(seconds(2))
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(5)
        assert titles(http_receiver) == [DOWN]


async def test_scenario_12_a_reminder_comes_at_its_time_whatever_restarts(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more["remind"] = "1h"
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.advance(70 * 60, step=300)
        assert titles(http_receiver) == [DOWN, REMINDER]
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(45 * 60, step=300)
        assert titles(http_receiver) == [DOWN, REMINDER]
        await stage.advance(10 * 60, step=300)
    assert titles(http_receiver) == [DOWN, REMINDER, REMINDER]


@pytest.mark.parametrize("name", ["pager", "on-call"])
async def test_scenario_13_edited_thresholds_and_channel_names_open_nothing_and_close_with_the_old_key(
    name: str, stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
    stage.more["detection"] = {"confirm": 3, "recover": 1, "recover_for": "0s"}
    async with stage.at_work(**{name: PAGER}, **noc(http_receiver, "operations")):
        await stage.advance(300)
        assert titles(http_receiver) == [DOWN, DOWN]  # another address is another channel
        assert TOLD_NOW in bodies(http_receiver)[-1]
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await heal(stage)
    assert titles(http_receiver) == [DOWN, DOWN, AGAIN]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_r18_a_renamed_message_channel_knows_what_it_knew(stage: Stage, http_receiver: HttpReceiver) -> None:
    url = noc(http_receiver)["noc"]
    async with stage.at_work(noc=url):
        await down(stage)
    async with stage.at_work(operations=url):
        await stage.advance(120)
        assert titles(http_receiver) == [DOWN]
        await heal(stage)
    assert titles(http_receiver) == [DOWN, AGAIN]


async def test_r18_a_message_channel_that_is_removed_holds_nothing_open(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver), **noc(http_receiver, "mail")):
        await down(stage)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(60)
    assert titles(http_receiver) == [DOWN, DOWN]


async def test_r18_a_pager_that_is_removed_while_it_holds_an_incident_open_is_told_on_the_others(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(60)
    assert titles(http_receiver) == [DOWN, "channel pager was removed and still holds an incident open"]
    assert KEY in bodies(http_receiver)[-1]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_r18_a_pager_of_another_account_gets_what_is_open_and_what_the_old_one_holds_is_told(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
    async with stage.at_work(pager=PAGER.replace("abcdef", "fedcba"), **noc(http_receiver)):
        await stage.advance(60)
        await heal(stage)
    assert titles(http_receiver)[1] == "channel pager has another URL, and an incident is still open at the one before"
    assert paged(fixed_hosts) == [("trigger", KEY), ("trigger", KEY), ("resolve", KEY)]
    assert len({request.json["routing_key"] for request in fixed_hosts.to(PAGERDUTY)[1:]}) == 1


@pytest.mark.parametrize("first", ["message", "pager"])
async def test_r18_a_channel_that_gets_a_url_of_the_other_kind_gets_what_is_open(
    first: str, stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    urls = {"message": noc(http_receiver)["noc"], "pager": PAGER}
    async with stage.at_work(it=urls.pop(first)):
        await down(stage)
    async with stage.at_work(it=urls.popitem()[1]):
        await stage.advance(60)
        await heal(stage)
    paged_too = [("resolve", KEY)] if first == "message" else []
    assert paged(fixed_hosts) == [("trigger", KEY), *paged_too]
    assert (DOWN in titles(http_receiver), AGAIN in titles(http_receiver)) == (True, first == "pager")


async def test_scenario_45_a_new_channel_gets_what_is_open_once(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.link("icon-fra-01", site="fra-a")
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
    for _ in range(2):
        async with stage.at_work(pager=PAGER, **noc(http_receiver), **noc(http_receiver, "mail")):
            await stage.advance(300)
    assert titles(http_receiver, "noc") == [DOWN]
    assert titles(http_receiver, "mail") == [DOWN]
    assert TOLD_NOW in bodies(http_receiver)[-1]
    assert paged(fixed_hosts) == [("trigger", KEY)]


async def test_scenario_45_a_new_channel_gets_a_lost_site_as_one_message(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    links = [stage.link(), stage.link("icon-ams-02")]
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        for link in links:
            link.set("Down")
        await stage.advance(90)
    async with stage.at_work(pager=PAGER, **noc(http_receiver), **noc(http_receiver, "mail")):
        await stage.advance(60)
    lost = "site ams-a lost: 2 of 2 interconnects have a problem"
    assert titles(http_receiver) == [lost, lost]
    assert paged(fixed_hosts) == [("trigger", SITE_KEY)]


class Written:
    """A configuration that can be written anew, and broken."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mistake: str | None = None

    def load(self) -> Settings:
        if self.mistake is not None:
            raise ConfigurationError([self.mistake])
        return self.settings


@asynccontextmanager
async def running(written: Written) -> AsyncIterator[Service]:
    """Run the service by its own schedule until the block ends."""
    service = Service(Source(load=written.load), migrate=True)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(service.run())
        try:
            yield service
        finally:
            service.stop()
            await work


async def test_scenario_14_a_bad_configuration_changes_nothing_and_the_next_good_one_is_taken(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more |= FAST
    written = Written(stage.settings(**noc(http_receiver)))
    async with running(written) as service:
        await until(lambda: len(stage.simulator.requests) > 2)
        written.mistake = "poll.interval: expected a span, found 'soon'"
        service.reload()
        await until(lambda: service.reloads.refused == 1)
        assert (service.reloads.taken, service.reloads.failed) == (0, True)
        stage.link().set("Down")
        await until(lambda: titles(http_receiver) == [DOWN])
        written.settings, written.mistake = stage.settings(**noc(http_receiver), **noc(http_receiver, "mail")), None
        service.reload()
        await until(lambda: titles(http_receiver, "mail") == [DOWN])
        assert (service.reloads.taken, service.reloads.refused, service.reloads.failed) == (1, 1, False)
    assert titles(http_receiver, "noc") == [DOWN]
