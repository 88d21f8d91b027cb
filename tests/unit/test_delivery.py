"""What one channel gets, and when: lanes, retries, bundles, storms, and what is over before it is told."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.pacing import Storm
from notifier.errors import DatabaseError
from notifier.pipeline.delivery import Deliverer
from notifier.ports import Accepted, Answer, Message, Outcome, Promise, Refused, Settlement, TryAgain, UnitOfWork
from tests.support.deliveries import promise
from tests.support.examples import seconds
from tests.support.fakes import FakeChannel, FakeClock, HeldChannel
from tests.support.memory import MemoryDatabase
from tests.support.messages import DOWN, HEALTHY, about

OPEN, UPDATE, CLOSE = Action.OPEN, Action.UPDATE, Action.CLOSE
NOWHERE = TryAgain(cause="no connection", arrived=False)
PERHAPS = TryAgain(cause="500")


class Desk:
    """One channel of one process; `another` is a second process over the same database."""

    def __init__(self, channel: FakeChannel, database: MemoryDatabase | None = None, owner: str = "desk") -> None:
        self.channel = channel
        self.database = database or MemoryDatabase()
        self.clock = FakeClock()
        self.settled: list[Settlement] = []
        self.promises: Callable[[Settlement], bool] = lambda _: False
        self.commits = 0
        self.deliverer = self.process(owner)

    def process(self, owner: str) -> Deliverer:
        return Deliverer(
            channel=self.channel,
            database=self.database,
            clock=self.clock,
            owner=owner,
            chance=lambda: 0.5,
            settle=self._settle,
            committed=self._committed,
            storm=Storm(),
        )

    async def _settle(self, work: UnitOfWork, settlements: Sequence[Settlement]) -> tuple[list[Settlement], bool]:
        held = await work.outbox.settle(settlements)
        ended = [each for each in held if each.outcome is not Outcome.PENDING]
        self.settled += ended
        return held, sum(map(self.promises, ended)) > 0

    def _committed(self) -> None:
        self.commits += 1

    async def promise(
        self, told: Notification, lane: str = "a", *, action: Action | None = None, urgency: int = 0, wait: float = 0
    ) -> None:
        does = action or (OPEN if self.channel.stateful else Action.TELL)
        due_at = self.clock.now() + seconds(wait)
        each: Promise = promise(self.channel.name, lane, urgency, action=does, due_at=due_at)
        async with self.database.begin() as work:
            await work.outbox.promise([(told, [each])])

    async def promise_each(self, *lanes: str) -> None:
        for lane in lanes:
            await self.promise(about(f"icon-{lane}"), lane)

    async def after(self, span: float, step: float = 1) -> None:
        """Let time pass, and do what is due in each second of it."""
        for _ in range(round(span / step)):
            self.clock.advance(seconds(step))
            await self.deliverer.drain()

    @property
    def outcomes(self) -> list[Outcome]:
        return [row.outcome for row in self.database.tables.deliveries]

    @property
    def actions(self) -> list[Action]:
        return [message.action for message in self.channel.taken]


@pytest.fixture
def noc() -> Desk:
    return Desk(FakeChannel())


@pytest.fixture
def pager() -> Desk:
    return Desk(FakeChannel("pager", stateful=True))


@pytest.fixture
def events() -> Desk:
    return Desk(FakeChannel("events", bundles=False))


async def test_r20_what_a_lane_gathers_is_one_message_when_its_oldest_is_due(noc: Desk) -> None:
    await noc.promise(DOWN, wait=10)
    await noc.after(5)
    await noc.promise(about("icon-ams-02", after=5), wait=10)
    await noc.after(4)
    assert noc.channel.titles == []
    await noc.after(1)
    assert noc.channel.titles == ["icon-ams-02 is Down (was Healthy) #42 and 1 more"]
    assert noc.outcomes == [Outcome.SENT, Outcome.SENT]
    assert len({attempt.message for attempt in noc.database.tables.attempts}) == 1


async def test_r20_a_stateful_channel_gets_each_by_itself_in_order(pager: Desk) -> None:
    await pager.promise(DOWN)
    await pager.promise(about("icon-ams-02"))
    await pager.after(1)
    assert pager.channel.titles == ["icon-ams-01 is Down (was Healthy) #42", "icon-ams-02 is Down (was Healthy) #42"]


async def test_events_go_each_by_itself_and_as_fast_as_they_come(events: Desk) -> None:
    await events.promise_each(*"aab", *map(str, range(30)))
    await events.after(1)
    assert len(events.channel.taken) == 33


async def test_scenario_18_a_problem_that_ended_unheard_is_one_message_that_says_so(noc: Desk) -> None:
    noc.channel.answers = [NOWHERE]
    await noc.promise(DOWN)
    await noc.after(1)
    await noc.promise(HEALTHY, wait=10)
    await noc.after(300, step=5)
    [message] = noc.channel.taken
    assert message.notification.kind is Kind.RECOVERED
    assert message.notification.lead.startswith("It was over before it could be told.")
    assert len(noc.settled) == 2


async def test_scenario_18_a_stateful_channel_that_heard_nothing_of_it_gets_neither(pager: Desk) -> None:
    pager.channel.answers = [NOWHERE]
    await pager.promise(DOWN)
    await pager.after(1)
    await pager.promise(HEALTHY, action=CLOSE)
    await pager.after(60)
    assert pager.actions == []
    assert pager.outcomes == [Outcome.MOOT, Outcome.MOOT]
    assert {row.cause for row in pager.database.tables.deliveries} == {"over before it could be sent"}
    assert pager.settled == []


async def test_r18_what_may_have_been_opened_is_closed(pager: Desk) -> None:
    pager.channel.answers = [PERHAPS]
    await pager.promise(DOWN)
    await pager.after(1)
    await pager.promise(DOWN, action=UPDATE)
    await pager.promise(HEALTHY, action=CLOSE)
    await pager.after(60)
    assert pager.actions == [CLOSE]
    assert pager.outcomes == [Outcome.MOOT, Outcome.MOOT, Outcome.SENT]


async def test_r18_what_was_being_opened_when_the_process_died_is_closed(pager: Desk) -> None:
    await pager.promise(DOWN)
    async with pager.database.begin() as work:
        now = pager.clock.now()
        await work.outbox.claim("pager", whole=False, lanes=1, now=now, until=now + seconds(60), owner="dead")
    await pager.promise(HEALTHY, action=CLOSE)
    await pager.after(59)
    assert pager.channel.tried == []
    await pager.after(2)
    assert pager.actions == [CLOSE]


async def test_r18_what_is_just_being_opened_is_closed_when_it_is() -> None:
    held = HeldChannel("pager", stateful=True)
    desk = Desk(held)
    await desk.promise(DOWN)
    draining = asyncio.ensure_future(desk.deliverer.drain())
    await held.begun.acquire()
    await desk.promise(HEALTHY, action=CLOSE)
    await desk.process("another").drain()
    held.gate.set()
    await draining
    assert desk.actions == [OPEN, CLOSE]


@pytest.mark.parametrize("stateful", [False, True])
async def test_r15_what_is_being_sent_is_not_sent_beside_it_when_its_lease_ran_out_while_we_were_stopped(
    stateful: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    held = HeldChannel(stateful=stateful)
    desk = Desk(held)
    await desk.promise(DOWN)
    draining = asyncio.ensure_future(desk.deliverer.drain())
    await held.begun.acquire()
    desk.clock.advance(timedelta(minutes=5))
    await desk.promise(HEALTHY, action=CLOSE if stateful else None)
    desk.deliverer.wake()
    for _ in range(50):
        await asyncio.sleep(0)
    await desk.process("another").drain()
    assert len(held.tried) == 1
    held.gate.set()
    await draining
    await desk.after(1)
    assert [each.notification for each in held.taken] == [DOWN, HEALTHY]
    assert desk.outcomes == [Outcome.SENT, Outcome.SENT]


async def test_r15_what_could_not_be_settled_is_sent_again_by_the_same_process_when_its_lease_ends(noc: Desk) -> None:
    fails = [True]

    def promises(_: Settlement) -> bool:
        if fails.pop():
            raise DatabaseError("away")
        return False

    noc.promises = promises
    await noc.promise(DOWN)
    await noc.after(59)
    fails = [False]
    assert len(noc.channel.taken) == 1
    await noc.after(3)
    assert len(noc.channel.taken) == 2
    assert noc.outcomes == [Outcome.SENT]


async def test_r15_a_recovery_waits_for_its_problem_and_the_next_problem_for_it() -> None:
    desk = Desk(FakeChannel("event", bundles=False))
    desk.channel.answers = [PERHAPS, Accepted(code=202), PERHAPS]
    for told in (DOWN, HEALTHY, DOWN):
        await desk.promise(told)
        await desk.after(1)
    await desk.after(30)
    assert [message.notification for message in desk.channel.taken] == [DOWN, HEALTHY, DOWN]


async def test_r16_a_batch_that_fails_is_tried_again_as_one(noc: Desk) -> None:
    noc.channel.answers = [PERHAPS, TryAgain(cause="429", retry_after=seconds(30), arrived=False)]
    await noc.promise_each("a", "a")
    await noc.after(60)
    assert len(noc.channel.tried) == 3
    assert [attempt.claimed.attempt for attempt in noc.database.tables.attempts] == [1, 1, 2, 2, 3, 3]
    assert [len(m.notification.facts) for m in noc.channel.tried] == [4, 4, 4]
    assert len(noc.settled) == 2


async def test_r16_what_was_tried_for_a_day_is_abandoned_and_said(noc: Desk) -> None:
    noc.channel.answers = [PERHAPS] * 1000
    await noc.promise(DOWN)
    await noc.after(timedelta(hours=25).total_seconds(), step=300)
    [settlement] = noc.settled
    assert settlement.outcome is Outcome.ABANDONED
    assert settlement.cause is not None
    assert settlement.cause.startswith("given up after ")
    assert settlement.uncertain


async def test_each_delivery_of_a_refused_message_is_settled_and_what_that_promises_is_announced(noc: Desk) -> None:
    noc.channel.answers = [Refused(cause="401", code=401)]
    noc.promises = lambda settlement: settlement.claimed.id == 2
    await noc.promise_each("a", "a")
    await noc.after(1)
    assert [each.outcome for each in noc.settled] == [Outcome.ABANDONED, Outcome.ABANDONED]
    assert not any(each.uncertain for each in noc.settled)
    assert noc.commits == 1


async def test_nothing_is_announced_that_promises_nothing(noc: Desk) -> None:
    await noc.promise(DOWN)
    await noc.after(1)
    assert [each.outcome for each in noc.settled] == [Outcome.SENT]
    assert noc.commits == 0


async def test_what_is_promised_while_settling_fails_with_it_and_is_sent_again(noc: Desk) -> None:
    def full(_: Settlement) -> bool:
        raise DatabaseError("disk full")

    noc.promises = full
    await noc.promise(DOWN)
    await noc.after(1)
    assert noc.outcomes == [Outcome.PENDING]
    noc.promises = lambda _: False
    await noc.after(60)
    assert noc.outcomes == [Outcome.SENT]
    assert len(noc.channel.taken) == 2


async def test_r17_a_late_message_knows_how_late_its_oldest_part_is(noc: Desk) -> None:
    noc.channel.answers = [TryAgain(cause="503", retry_after=timedelta(minutes=8))]
    await noc.promise(DOWN)
    await noc.promise(about("icon-ams-02", after=100))
    await noc.after(600)
    [message] = noc.channel.taken
    assert message.late_by == noc.database.tables.attempts[-1].started_at - DOWN.recorded_at
    assert message.late_by >= timedelta(minutes=7)


async def test_r26_problems_go_before_what_came_earlier(noc: Desk) -> None:
    for number in range(10):
        await noc.promise(HEALTHY, f"over {number}", urgency=1)
    await noc.promise(DOWN, "problem")
    await noc.after(1)
    assert noc.channel.titles[0] == "icon-ams-01 is Down (was Healthy) #42"


async def test_r26_a_hanging_send_keeps_no_other_lane_waiting() -> None:
    held = HeldChannel()
    desk = Desk(held)
    await desk.promise_each("a")
    draining = asyncio.ensure_future(desk.deliverer.drain())
    await held.begun.acquire()
    await desk.promise_each("b")
    desk.deliverer.wake()
    await held.begun.acquire()
    held.gate.set()
    await draining
    assert desk.outcomes == [Outcome.SENT, Outcome.SENT]


async def test_r27_in_a_storm_ten_are_told_then_one_message_a_minute_until_it_is_calm(noc: Desk) -> None:
    began = noc.clock.now()
    for number in range(300):
        await noc.promise_each(str(number))
        await noc.after(0.5, step=0.5)
    await noc.after(180)
    titles = noc.channel.titles
    times = [attempt.started_at for attempt in noc.database.tables.attempts]
    sent = sorted({(at - began).total_seconds() for at in times})
    assert titles[:10] == [f"icon-{number} is Down (was Healthy) #42" for number in range(10)]
    assert sent[10:] == [65.0, 125.0, 185.0]
    assert len(titles) == 13
    assert all(title.endswith(" more") for title in titles[10:])
    assert set(noc.outcomes) == {Outcome.SENT}
    await noc.promise_each("calm", "again")
    await noc.after(1)
    assert noc.channel.titles[13:] == ["icon-calm is Down (was Healthy) #42", "icon-again is Down (was Healthy) #42"]


async def test_r27_a_storm_is_a_storm_after_a_restart_and_for_another_process(noc: Desk) -> None:
    await noc.promise_each(*map(str, range(30)))
    await noc.after(1)
    assert len(noc.channel.taken) == 10
    noc.deliverer = noc.process("after a restart")
    other = noc.process("another")
    await asyncio.gather(noc.deliverer.drain(), other.drain())
    await noc.after(58)
    assert len(noc.channel.taken) == 10
    await noc.after(2)
    await other.drain()
    assert len(noc.channel.taken) == 11


async def test_r27_while_a_message_of_the_storm_is_on_its_way_no_other_is_sent() -> None:
    held = HeldChannel()
    held.gate.set()
    desk = Desk(held)
    await desk.promise_each(*map(str, range(10)))
    await desk.after(1)
    held.gate.clear()
    await desk.promise_each("x", "y")
    desk.clock.advance(seconds(60))
    draining = asyncio.ensure_future(desk.deliverer.drain())
    for _ in range(11):
        await held.begun.acquire()
    await desk.promise_each("z")
    desk.deliverer.wake()
    for _ in range(50):
        await asyncio.sleep(0)
    held.gate.set()
    await draining
    assert len(held.tried) == 11
    await desk.after(60)
    assert len(held.tried) == 12


async def test_r27_one_lane_keeps_its_order_through_a_storm(noc: Desk) -> None:
    await noc.promise_each(*map(str, range(10)))
    await noc.after(1)
    await noc.promise(DOWN, "x")
    await noc.after(30)
    await noc.promise(HEALTHY, "x")
    await noc.promise_each("y")
    await noc.after(60)
    last = noc.channel.taken[-1].notification
    assert last.title == "[production] icon-y is Down (was Healthy) #42 and 1 more"
    assert last.lead.startswith("Over before it could be told: icon-ams-01.")


async def test_a_fault_of_ours_in_one_message_stops_no_other() -> None:
    class Faulty(FakeChannel):
        async def send(self, message: Message) -> Answer:
            if message.notification is DOWN:
                raise RuntimeError("a mistake")
            return await super().send(message)

    desk = Desk(Faulty())
    await desk.promise(DOWN)
    await desk.promise_each("b")
    desk.database.tables.deliveries[0].notification = DOWN
    await desk.after(1)
    assert desk.outcomes == [Outcome.PENDING, Outcome.SENT]
    assert desk.database.tables.deliveries[0].cause == "a fault in the notifier: RuntimeError"


async def test_a_stopped_deliverer_claims_no_more(noc: Desk) -> None:
    await noc.promise(DOWN)
    noc.deliverer.stop()
    await noc.deliverer.run()
    assert noc.channel.tried == []
