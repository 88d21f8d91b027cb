"""What shows that the service does its work, and what does not (R30); the heartbeat is in `scenarios/test_dead_man`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.health import Progress, Signs, Vital, ailments
from notifier.errors import DatabaseError
from notifier.pipeline.health import Health
from notifier.pipeline.lease import Lease
from notifier.ports import TryAgain
from tests.support.bench import INTERVAL, Bench, at_work
from tests.support.deliveries import promise, put
from tests.support.examples import LINK, NIGHT, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase
from tests.support.planted import PLANTS, sound
from tests.support.unreliable import Unreliable

TIMEOUT = seconds(10)
FINE = Signs(
    moved_at=NIGHT,
    answered_at=NIGHT,
    audited_at=NIGHT,
    shared_at=None,
    earliest_due_at=None,
    violations=0,
    polls=[Progress(begun_at=NIGHT, due_at=NIGHT), Progress()],
    timeout=TIMEOUT,
)


# --- The rules ----------------------------------------------------------------------------------------------


def test_who_has_just_begun_is_healthy() -> None:
    assert ailments(FINE, NIGHT) == {}


@pytest.mark.parametrize(
    ("signs", "fine_for", "ailment"),
    [
        (FINE, 15, {Vital.LOOP: "nothing was begun for 16s"}),
        (replace(FINE, moved_at=None, polls=[]), 60, {Vital.DATABASE: "the database has not answered for 1m 1s"}),
        (
            replace(FINE, moved_at=None, answered_at=NIGHT + seconds(600), polls=[], shared_at=NIGHT),
            60,
            {Vital.LEASES: "accounts may be unwatched for 1m 1s"},
        ),
        (
            replace(FINE, moved_at=None, answered_at=NIGHT + seconds(600), polls=[]),
            300,
            {Vital.AUDIT: "no audit was made for 5m 1s"},
        ),
    ],
)
def test_what_is_not_heard_of_for_too_long_is_wrong(signs: Signs, fine_for: float, ailment: dict[Vital, str]) -> None:
    assert ailments(signs, NIGHT + seconds(fine_for)) == {}
    assert ailments(signs, NIGHT + seconds(fine_for + 1)) == ailment


@pytest.mark.parametrize(("violations", "told"), [(1, "1 violation"), (2, "2 violations")])
def test_an_audit_that_found_something_has_not_passed(violations: int, told: str) -> None:
    found = ailments(replace(FINE, violations=violations), NIGHT)
    assert found == {Vital.AUDIT: f"the record does not add up: {told}"}


@pytest.mark.parametrize(("due_for", "fine"), [(-60, True), (300, True), (301, False)])
def test_a_delivery_may_be_due_for_five_minutes(due_for: float, fine: bool) -> None:  # noqa: FBT001 - pytest's way
    found = ailments(replace(FINE, earliest_due_at=NIGHT - seconds(due_for)), NIGHT)
    assert found == ({} if fine else {Vital.DELIVERIES: "a delivery is due for 5m 1s and was not sent"})


@pytest.mark.parametrize(
    ("progress", "fine_for"),
    [
        (Progress(), 1e6),
        (Progress(begun_at=NIGHT), 80),  # its own time-out, a listing's before it, and a minute to write it down
        (Progress(due_at=NIGHT), 60),  # there is room, and nobody begins it
        (Progress(due_at=NIGHT, turns=7), 130),  # each request before it runs into its time-out
        (Progress(seen_at=NIGHT), 60),  # it is not written down
        (Progress(begun_at=NIGHT, due_at=NIGHT, turns=7), 80),  # but none of those that are under way ends
    ],
)
def test_a_poll_takes_no_longer_than_cloudflare_can_make_it_take(progress: Progress, fine_for: float) -> None:
    assert progress.stuck_for(NIGHT + seconds(fine_for), TIMEOUT) is None
    if fine_for < 1e6:
        assert progress.stuck_for(NIGHT + seconds(fine_for + 1), TIMEOUT) == seconds(fine_for + 1)


def test_stuck_accounts_are_counted_and_not_named() -> None:
    polls = [Progress(begun_at=NIGHT - seconds(100)), Progress(due_at=NIGHT - seconds(200)), Progress()]
    assert ailments(replace(FINE, polls=polls), NIGHT) == {Vital.POLLS: "polls of 2 accounts are stuck, for 3m 20s now"}


# --- What they are judged by --------------------------------------------------------------------------------


class Ward:
    """A service on the bench whose health is looked at every 10 s."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database = Unreliable(MemoryDatabase())
        self.cloudflare = FakeCloudflare()
        self.cloudflare.add(LINK)
        self.noc = FakeChannel("noc")

    @asynccontextmanager
    async def at_work(self, lease: Lease | None = None) -> AsyncIterator[Bench]:
        async with at_work(self.database, self.clock, self.cloudflare, self.noc, lease=lease) as bench:
            self.health = Health(
                database=self.database,
                clock=self.clock,
                pollers=[bench.poller],
                channels=["noc"],
                audit=bench.audit,
                sharing=None,
                timeout=TIMEOUT,
            )
            self.health.begin()
            yield bench

    async def pass_time(self, bench: Bench, span: timedelta, *, sending: bool = True) -> None:
        """Let everything go on, but for what hangs; ends with a look at the health."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(seconds(10))
            bench.poller.tick()
            await asyncio.sleep(0)
            await bench.audit.check()
            for deliverer in bench.deliverers if sending else ():
                await deliverer.drain()
            await self.health.moves()
            await self.health.look()


@pytest.fixture
def ward() -> Ward:
    return Ward()


async def test_while_all_goes_on_it_is_healthy(ward: Ward) -> None:
    async with ward.at_work() as bench:
        await ward.pass_time(bench, 10 * INTERVAL)
        assert ward.health.ailments() == {}
    assert len(ward.cloudflare.asked) > 8


async def test_r30_polls_that_hang_are_wrong_until_they_end(ward: Ward) -> None:
    async with ward.at_work() as bench:
        ward.cloudflare.hold = asyncio.Event()
        await ward.pass_time(bench, 3 * INTERVAL)
        assert ward.health.ailments().keys() == {Vital.POLLS}
        ward.cloudflare.hold.set()
        await ward.pass_time(bench, seconds(10))
        assert ward.health.ailments() == {}


async def test_r30_polls_that_nobody_begins_are_wrong(ward: Ward) -> None:
    async with ward.at_work():
        for _ in range(15):
            ward.clock.advance(seconds(10))
            await ward.health.moves()
            await ward.health.look()
        assert ward.health.ailments().keys() == {Vital.POLLS}


async def test_with_all_places_taken_the_others_wait_their_turn(ward: Ward) -> None:
    for number in range(25):
        ward.cloudflare.add(replace(LINK, name=f"icon-{number}"))
    ward.cloudflare.hold = asyncio.Event()
    async with ward.at_work() as bench:
        await ward.pass_time(bench, 2 * INTERVAL)
        assert (bench.poller.progress.turns, len(ward.cloudflare.asked)) == (3, 10)
        ward.cloudflare.hold.set()


async def test_r30_what_can_not_be_recorded_is_wrong_until_it_is(ward: Ward) -> None:
    async with ward.at_work() as bench:
        await ward.pass_time(bench, INTERVAL)
        ward.cloudflare.words[LINK.name] = "Down"
        ward.database.trouble = DatabaseError("disk full")
        await ward.pass_time(bench, 3 * INTERVAL)
        assert ward.health.ailments().keys() == {Vital.DATABASE, Vital.POLLS}
        ward.database.trouble = None
        await ward.pass_time(bench, seconds(20))
        assert ward.health.ailments() == {}


async def test_r29_who_watches_nothing_has_no_polls_to_end(ward: Ward) -> None:
    lease = Lease(until=NIGHT + INTERVAL, fence=None)
    async with ward.at_work(lease) as bench:
        await ward.pass_time(bench, 10 * INTERVAL)
        assert bench.poller.watched == 1
        assert ward.health.ailments() == {}


async def test_r30_blindness_is_not_the_services_fault(ward: Ward) -> None:
    async with ward.at_work() as bench:
        await ward.pass_time(bench, INTERVAL)
        ward.cloudflare.words[LINK.name] = "timeout"
        await ward.pass_time(bench, 10 * INTERVAL)
        assert ward.health.ailments() == {}
    assert any("cannot see" in title for title in ward.noc.titles)


async def test_r30_a_stretched_interval_is_no_fault(ward: Ward) -> None:
    async with ward.at_work() as bench:
        bench.poller.pace(timedelta(hours=1))
        await ward.pass_time(bench, timedelta(hours=2))
        assert ward.health.ailments() == {}


async def test_r30_a_sender_that_is_stuck_is_wrong_until_it_sends(ward: Ward) -> None:
    async with ward.at_work() as bench:
        await put(ward.database, promise(due_at=ward.clock.now()))
        await ward.pass_time(bench, seconds(300), sending=False)
        assert ward.health.ailments() == {}
        await ward.pass_time(bench, seconds(10), sending=False)
        assert ward.health.ailments() == {Vital.DELIVERIES: "a delivery is due for 5m 10s and was not sent"}
        await ward.pass_time(bench, seconds(10))
        assert ward.health.ailments() == {}


async def test_r30_a_receiver_that_is_down_is_not_the_services_fault(ward: Ward) -> None:
    async with ward.at_work() as bench:
        ward.noc.answers = [TryAgain(cause="500")] * 100
        await put(ward.database, promise(due_at=ward.clock.now()), promise(due_at=ward.clock.now()))
        await ward.pass_time(bench, timedelta(hours=1))
        assert ward.health.ailments() == {}
    assert len(ward.noc.tried) > 5


async def test_r30_a_failed_audit_is_wrong_until_one_passes(ward: Ward) -> None:
    async with ward.at_work() as bench:
        await sound(ward.database)
        async with ward.database.begin() as work:
            await PLANTS[0].plant(work)
        await ward.pass_time(bench, seconds(10))
        assert ward.health.ailments().keys() == {Vital.AUDIT}
        async with ward.database.begin() as work:
            await PLANTS[0].repair(work)
        await ward.pass_time(bench, seconds(10))
        assert ward.health.ailments() == {}


async def test_a_database_that_fails_is_wrong_when_it_lasts(ward: Ward) -> None:
    async with ward.at_work() as bench:
        ward.database.trouble = DatabaseError("disk full")
        await ward.pass_time(bench, seconds(60))
        assert ward.health.ailments() == {}
        await ward.pass_time(bench, seconds(10))
        assert ward.health.ailments().keys() == {Vital.DATABASE}
        ward.database.trouble = None
        await ward.pass_time(bench, seconds(10))
        assert ward.health.ailments() == {}


async def test_a_schedule_that_stands_still_is_wrong_unless_it_was_stopped(ward: Ward) -> None:
    async with ward.at_work():
        ward.clock.advance(seconds(20))
        assert ward.health.ailments() == {Vital.LOOP: "nothing was begun for 20s"}
        ward.health.rest()
        assert ward.health.ailments() == {}


async def test_to_say_how_it_is_asks_nobody(ward: Ward) -> None:
    async with ward.at_work() as bench:
        ward.database.trouble = DatabaseError("disk full")
        asked = len(ward.cloudflare.asked)
        for _ in range(10):
            assert ward.health.ailments() == {}
        assert (len(ward.cloudflare.asked), bench.poller.progress.begun_at) == (asked, None)


async def test_what_was_before_the_schedule_began_does_not_count(ward: Ward) -> None:
    async with ward.at_work():
        ward.clock.advance(timedelta(hours=1))
        assert ward.health.ailments().keys() == {Vital.LOOP, Vital.DATABASE, Vital.POLLS, Vital.AUDIT}
        ward.health.begin()
        assert ward.health.ailments().keys() == {Vital.POLLS, Vital.AUDIT}  # these are older


async def test_only_the_edges_are_logged(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    def logged() -> list[str]:
        return [record.message for record in caplog.records if record.name == "notifier.pipeline.health"]

    async with ward.at_work() as bench:
        await ward.pass_time(bench, INTERVAL)
        ward.database.trouble = DatabaseError("disk full")
        await ward.pass_time(bench, 4 * INTERVAL)
        assert logged() == ["not healthy"]
        await ward.pass_time(bench, 4 * INTERVAL)
        assert logged() == ["not healthy", "not healthy"]  # now for want of an audit, too
        ward.database.trouble = None
        await ward.pass_time(bench, 4 * INTERVAL)
    assert logged() == ["not healthy", "not healthy", "healthy again"]
