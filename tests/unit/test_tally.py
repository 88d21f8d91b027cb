"""What is counted as it happens."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.decision import Change
from notifier.domain.notification import Kind
from notifier.domain.observation import Cause, CauseKind, Unseen
from notifier.domain.tally import Deliveries, Distribution, End, Polls, Tally, Transitions
from notifier.errors import DatabaseError
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import LINK, NIGHT, TIMEOUT, run, seconds, sight
from tests.support.fakes import FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase, MemoryUnitOfWork
from tests.support.messages import DOWN

OVER_BUDGET = Unseen(Cause(kind=CauseKind.OVER_BUDGET, text="over budget"))


def counted(ends: Mapping[End, int] | Mapping[str, int]) -> dict[str, int]:
    return {str(end): number for end, number in ends.items() if number}


@pytest.mark.parametrize(
    ("value", "counts"), [(0, [1, 0, 0]), (1, [1, 0, 0]), (1.1, [0, 1, 0]), (5, [0, 1, 0]), (5.1, [0, 0, 1])]
)
def test_a_value_is_counted_below_the_first_bound_that_it_does_not_exceed(value: float, counts: list[int]) -> None:
    distribution = Distribution((1, 5))
    distribution.add(value)
    assert (distribution.counts, distribution.sum) == (counts, value)


def test_a_poll_is_counted_by_what_came_of_it_and_what_was_not_asked_took_no_time() -> None:
    polls = Polls()
    for saw in (sight("Healthy"), TIMEOUT, OVER_BUDGET):
        polls.ended(saw, timedelta(seconds=2))
    polls.failed()
    assert counted(polls.outcomes) == {"seen": 1, "timeout": 1, "over budget": 1, "fault": 1}
    assert (sum(polls.took.counts), polls.took.sum) == (2, 4)


def test_every_cause_of_a_poll_that_saw_nothing_can_be_counted() -> None:
    polls = Polls()
    kinds = set(CauseKind) - {CauseKind.EMPTY_LISTING}  # of which no poll can tell
    for kind in kinds:
        polls.ended(Unseen(Cause(kind=kind, text="")), timedelta())
    assert counted(polls.outcomes) == {kind.value: 1 for kind in kinds}


def test_transitions_are_counted_by_their_change() -> None:
    transitions = Transitions()
    transitions.recorded(d.transition for d in run("Healthy Down Down Healthy Healthy Healthy") if d.transition)
    assert {change for change, number in transitions.changes.items() if number} == {
        Change.BASELINE,
        Change.PROBLEM,
        Change.RECOVERED,
    }


def test_a_reminder_is_sent_and_has_no_latency() -> None:
    deliveries = Deliveries()
    deliveries.sent(DOWN, NIGHT + seconds(20))
    deliveries.sent(replace(DOWN, kind=Kind.REMINDER), NIGHT + timedelta(hours=4))
    assert counted(deliveries.ends) == {"sent": 2}
    assert deliveries.latency.sum == 20


async def test_a_poll_takes_from_its_beginning_to_its_answer() -> None:
    clock, cloudflare = FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    async with at_work(MemoryDatabase(), clock, cloudflare) as bench:
        await bench.advance(INTERVAL)
        before = bench.polls.took.sum
        cloudflare.hold = asyncio.Event()
        asked = len(cloudflare.asked)
        while len(cloudflare.asked) == asked:
            clock.advance(seconds(1))
            bench.poller.tick()
            await asyncio.sleep(0)
        clock.advance(seconds(3))
        cloudflare.hold.set()
        await bench.poller.idle()
        assert bench.polls.took.sum - before == 3
        assert counted(bench.polls.outcomes) == {"seen": len(cloudflare.asked)}


class Full(MemoryDatabase):
    """While it is full, no transaction can be committed."""

    full = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryUnitOfWork]:
        async with super().begin() as work:
            yield work
            if self.full:
                raise DatabaseError("disk full")


async def test_a_transition_counts_when_it_is_on_record_and_once() -> None:
    clock, cloudflare = FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    database = Full()
    async with at_work(database, clock, cloudflare) as bench:
        await bench.advance(INTERVAL)
        database.full = True
        cloudflare.words[LINK.name] = "Down"
        for _ in range(120):
            clock.advance(seconds(1))
            bench.poller.tick()
            await bench.poller.idle()
        assert bench.transitions.changes[Change.PROBLEM] == 0
        database.full = False
        await bench.advance(INTERVAL)
        assert bench.transitions.changes[Change.PROBLEM] == 1
        assert sum(bench.transitions.changes.values()) == len(database.tables.transitions)


async def test_who_leaves_is_counted_too() -> None:
    clock, cloudflare = FakeClock(), FakeCloudflare()
    for name in (LINK.name, "icon-ams-02"):
        cloudflare.add(replace(LINK, name=name))
    async with at_work(MemoryDatabase(), clock, cloudflare) as bench:
        await bench.advance(INTERVAL)
        del cloudflare.links["icon-ams-02"]
        await bench.advance(timedelta(minutes=31))
        assert bench.transitions.changes[Change.REMOVED] == 1


def test_an_account_and_a_channel_are_counted_on_whoever_asks_for_them() -> None:
    tally = Tally()
    assert tally.polls("a") is tally.polls("a") is not tally.polls("b")
    assert tally.transitions("a") is tally.transitions("a")
    assert tally.deliveries("noc") is tally.deliveries("noc")
