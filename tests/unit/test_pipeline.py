"""The pipeline on the bench: polls, re-checks, restarts, deliveries; time is moved by hand."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.decision import Policy
from notifier.domain.notification import Action
from notifier.domain.status import Severity
from notifier.errors import DatabaseError
from notifier.pipeline.discovery import Selection
from notifier.ports import Refused, TryAgain
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import FORBIDDEN, LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase

DOWN = "icon-ams-01 is Down (was Healthy) #2"


@pytest.fixture
def pager() -> FakeChannel:
    return FakeChannel("on-call", stateful=True)


async def test_a_link_is_asked_once_an_interval(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(10 * INTERVAL)
    assert 10 <= len(cloudflare.asked) <= 11


async def test_a_suspect_is_asked_again_after_the_recheck_and_told_at_the_second_sighting(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(INTERVAL + seconds(15))
    assert noc.titles == [DOWN]


async def test_scenario_1_a_flicker_is_told_to_nobody(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        asked = len(cloudflare.asked)
        while len(cloudflare.asked) == asked:
            await bench.advance(seconds(1))
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(5 * INTERVAL)
    assert noc.titles == []
    sights = [getattr(seen.sight, "status", None) for seen in memory.tables.observations]
    assert sights == ["Healthy", "Down", "Healthy"]


async def test_the_other_links_of_a_site_are_asked_at_once(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    cloudflare.add(replace(LINK, name="icon-ams-02"))
    cloudflare.add(replace(LINK, name="icon-fra-01", site="fra-a"))
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(2 * INTERVAL)
        cloudflare.words |= {LINK.name: "Down", "icon-ams-02": "Down"}
        asked = len(cloudflare.asked)
        while not set(cloudflare.asked[asked:]) & {LINK.name, "icon-ams-02"}:
            await bench.advance(seconds(1))
        await bench.advance(seconds(17))
    assert noc.titles == ["site ams-a lost: 2 of 2 interconnects have a problem"]


async def test_no_link_is_asked_twice_at_once(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        cloudflare.hold = asyncio.Event()
        asked = len(cloudflare.asked)
        for _ in range(200):
            clock.advance(seconds(1))
            bench.poller.tick()
            await asyncio.sleep(0)
        assert len(cloudflare.asked) == asked + 1
        cloudflare.hold.set()


async def test_an_unchanged_poll_writes_nothing(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        before = repr(memory.tables)
        await bench.advance(10 * INTERVAL)
        assert repr(memory.tables) == before
        await bench.poller.flush()
        assert repr(memory.tables) != before


async def test_scenario_11_a_candidate_survives_a_kill(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        while not any(state.candidate for state in memory.tables.states.values()):
            await bench.advance(seconds(1))
    clock.advance(seconds(1))
    async with at_work(memory, clock, cloudflare, noc):
        pass
    assert noc.titles == [DOWN]


async def test_scenario_9_still_down_after_a_restart_is_silence(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc, pager) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(2 * INTERVAL)
    async with at_work(memory, clock, cloudflare, noc, pager) as bench:
        await bench.advance(10 * INTERVAL)
    assert noc.titles == [DOWN]
    assert [message.action for message in pager.taken] == [Action.OPEN]


async def test_scenario_10_recovered_while_we_were_dead_is_told_once_with_the_old_key(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, pager: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, pager) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(2 * INTERVAL)
    cloudflare.words[LINK.name] = "Healthy"
    clock.advance(timedelta(hours=1))
    async with at_work(memory, clock, cloudflare, pager) as bench:
        await bench.advance(3 * INTERVAL)
    opened, closed = pager.taken
    assert (opened.action, closed.action) == (Action.OPEN, Action.CLOSE)
    assert opened.notification.incident_key == closed.notification.incident_key
    assert "not observed in between" in closed.notification.lead


async def test_scenario_20_each_failure_is_tried_again_until_it_is_taken(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    noc.answers = [TryAgain(cause="500"), TryAgain(cause="500")]
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(3 * INTERVAL)
    assert len(noc.tried) == 3
    assert noc.titles == [DOWN]


async def test_scenario_22_a_refusal_is_told_once_on_another_channel_and_taken_back_when_it_works(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    mail = FakeChannel("mail")
    mail.answers = [Refused(cause="401 bad token", code=401), Refused(cause="401 bad token", code=401)]
    cloudflare.add(replace(LINK, name="icon-fra-01", site="fra-a"))
    async with at_work(memory, clock, cloudflare, noc, mail) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words |= {LINK.name: "Down", "icon-fra-01": "Down"}
        await bench.advance(3 * INTERVAL)
        assert noc.titles.count("channel mail does not take messages: 401 bad token") == 1
        assert len(mail.tried) == 2
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(10 * INTERVAL, step=seconds(15))
        assert len(mail.tried) == 2
        await bench.advance(60 * INTERVAL, step=seconds(15))
    assert mail.titles == ["icon-fra-01 is Down (was Healthy) #2"]  # that is still so, the other is over
    assert noc.titles[-1].startswith("channel mail takes messages again after")


async def test_scenario_19_one_broken_channel_delays_no_other(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel, pager: FakeChannel
) -> None:
    pager.answers = [TryAgain(cause="503")] * 100
    async with at_work(memory, clock, cloudflare, noc, pager) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(3 * INTERVAL)
    assert noc.titles == [DOWN]
    assert pager.taken == []


async def test_scenario_24_a_close_is_tried_until_it_is_taken(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, pager: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, pager) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(2 * INTERVAL)
        pager.answers = [TryAgain(cause="503")] * 5
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(timedelta(minutes=12), step=seconds(5))
    assert len(pager.tried) == 7
    assert [message.action for message in pager.taken] == [Action.OPEN, Action.CLOSE]


async def test_scenario_35_an_api_that_times_out_is_one_incident_and_one_seen_again(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    cloudflare.add(replace(LINK, name="icon-ams-02"))
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words = dict.fromkeys(cloudflare.words, "timeout")
        await bench.advance(5 * INTERVAL)
        cloudflare.words = dict.fromkeys(cloudflare.words, "Healthy")
        await bench.advance(2 * INTERVAL)
    blind, again = noc.titles
    assert blind == "cannot see interconnects: timed out after 10s"
    assert again.startswith("can see interconnects again after")
    assert {state.status for state in memory.tables.states.values()} == {"Healthy"}


async def test_scenario_36_a_refused_credential_is_told_at_once(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    cloudflare.listing_fails = FORBIDDEN
    async with at_work(memory, clock, cloudflare, noc):
        pass
    assert noc.titles == ["cannot see interconnects: 403 from Cloudflare"]
    assert ("What to do", "give the token Magic WAN Read") in noc.taken[0].notification.facts


async def test_blindness_opens_and_closes_at_a_stateful_receiver_with_one_key(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, pager: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, pager) as bench:
        cloudflare.words[LINK.name] = "403"
        await bench.advance(INTERVAL + seconds(1))
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(INTERVAL + seconds(1))
    assert [message.action for message in pager.taken] == [Action.OPEN, Action.CLOSE]
    assert len({message.notification.incident_key for message in pager.taken}) == 1
    assert pager.taken[0].notification.severity is Severity.WARNING


async def test_a_late_message_knows_how_late_it_is(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    noc.answers = [TryAgain(cause="503", retry_after=timedelta(minutes=8))]
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(timedelta(minutes=11))
    [message] = noc.taken
    assert message.late_by is not None
    assert timedelta(minutes=8) <= message.late_by <= timedelta(minutes=8, seconds=3)


async def test_a_database_that_fails_changes_nothing_and_is_made_up_for(
    clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    class Failing(MemoryDatabase):
        broken = False

        def begin(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as its parent
            if self.broken:
                raise DatabaseError("disk full")
            return super().begin()

    database = Failing()
    async with at_work(database, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        database.broken = True
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(3 * INTERVAL)
        assert noc.titles == []
        database.broken = False
        await bench.advance(INTERVAL)
    assert noc.titles == [DOWN]


async def test_confirm_one_is_told_at_the_first_sighting(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc, policy=Policy(confirm=1)) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(INTERVAL)
    assert noc.titles == [DOWN]


async def test_a_listing_that_leaves_a_link_out_does_not_hide_its_outage(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.links.clear()
        await bench.advance(timedelta(minutes=11), step=seconds(15))
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(2 * INTERVAL)
    assert noc.titles[1:] == [DOWN]


async def test_what_is_not_selected_is_not_asked() -> None:
    selection = Selection(include=["icon-*", "gcp-?"], exclude=["*-lab"])
    assert [name for name in ("icon-1", "gcp-1", "gcp-10", "icon-lab", "other") if selection.takes(name)] == [
        "icon-1",
        "gcp-1",
    ]


async def test_a_link_that_is_excluded_later_is_asked_no_more(
    memory: MemoryDatabase, clock: FakeClock, cloudflare: FakeCloudflare, noc: FakeChannel
) -> None:
    async with at_work(memory, clock, cloudflare, noc) as bench:
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(3 * INTERVAL)
    asked = len(cloudflare.asked)
    async with at_work(memory, clock, cloudflare, noc, takes=lambda _: False) as bench:
        await bench.advance(5 * INTERVAL)
    assert len(cloudflare.asked) == asked
    assert noc.titles == [DOWN, "icon-ams-01 removed: no longer watched (was Down) #3"]
