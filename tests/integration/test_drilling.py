"""Drills on each database: who makes one, what it counts for, and what of it arrives too late (R18, R27, R29)."""

import asyncio
from datetime import datetime, timedelta

from notifier.domain.drill import GRACE, Plan, drill_key
from notifier.domain.notification import Action
from notifier.pipeline.drilling import Drilling
from notifier.pipeline.settling import Settler
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.ports import Accepted, Claimed, Configured, Database, Drill, Outcome, Settlement
from tests.support.examples import NIGHT, seconds
from tests.support.fakes import FakeChannel, FakeClock

PAGER = Configured(fingerprint="mark", stateful=True)
NUMBER = int(NIGHT.timestamp())


def teller() -> Teller:
    return Teller(Rules(channels={"noc": FakeChannel("noc"), "pager": FakeChannel("pager", stateful=True)}))


def drilling(database: Database, clock: FakeClock) -> Drilling:
    """Return what makes one drill, at night, at the pager."""

    def due(at: datetime) -> datetime | None:
        return NIGHT if NIGHT <= at < NIGHT + GRACE else None

    return Drilling(
        plan=Plan(due=due, channels=("pager",), within=timedelta(minutes=10)),
        configured={"pager": PAGER},
        database=database,
        clock=clock,
        machine=clock,
        teller=teller(),
        committed=lambda: None,
    )


async def claimed(database: Database, now: datetime) -> Claimed:
    async with database.begin() as work:
        [one] = await work.outbox.claim("pager", whole=False, lanes=None, now=now, until=now + seconds(60), owner="me")
    return one


async def taken(database: Database, one: Claimed, at: datetime) -> None:
    """Have a delivery be taken, and do what follows."""
    settlement = Settlement(
        claimed=one,
        owner="me",
        message=f"{one.id}.1",
        started_at=at,
        ended_at=at,
        outcome=Outcome.SENT,
        answer=Accepted(code=202),
    )
    async with database.begin() as work:
        await Settler(teller()).settle(work, [settlement])


async def drills(database: Database) -> list[Drill]:
    async with database.begin() as work:
        return [each for each in [await work.drills.drill(NUMBER)] if each is not None]


async def test_r29_of_two_that_see_the_time_at_once_one_makes_the_drill(shared_database: Database) -> None:
    clock = FakeClock(NIGHT)
    two = [drilling(shared_database, clock) for _ in range(2)]
    await asyncio.gather(*(each.begin() for each in two))
    await asyncio.gather(*(each.tick() for each in two))
    first = await claimed(shared_database, NIGHT)
    assert (first.promise.lane, first.promise.action, first.promise.why) == (f"drill/{NUMBER}", Action.OPEN, "drill")
    await taken(shared_database, first, NIGHT + seconds(1))
    clock.advance(seconds(2))
    await asyncio.gather(*(each.tick() for each in two))
    second = await claimed(shared_database, clock.now())
    assert (second.promise.action, second.notification.incident_key) == (Action.CLOSE, drill_key(NUMBER))
    await taken(shared_database, second, NIGHT + seconds(3))
    clock.advance(seconds(2))
    await asyncio.gather(*(each.tick() for each in two))
    [drill] = await drills(shared_database)
    assert drill.ended_at == clock.now()
    assert drill.channels == {"pager": PAGER}


async def test_r18_what_takes_a_drill_open_after_its_recovery_is_closed_again(database: Database) -> None:
    clock = FakeClock(NIGHT)
    one = drilling(database, clock)
    await one.tick()
    opening = await claimed(database, NIGHT)
    clock.advance(timedelta(minutes=10))  # who sends it is paused
    await one.tick()
    again = await claimed(database, clock.now())  # another sends it, and the recovery behind it
    await taken(database, again, clock.now())
    await taken(database, await claimed(database, clock.now()), clock.now())
    clock.advance(seconds(5))
    await taken(database, opening, clock.now())
    last = await claimed(database, clock.now())
    assert (last.promise.action, last.notification.incident_key) == (Action.CLOSE, drill_key(NUMBER))


async def test_r27_a_drill_makes_no_storm(database: Database) -> None:
    await drilling(database, FakeClock(NIGHT)).tick()
    one = await claimed(database, NIGHT)
    async with database.begin() as work:
        assert await work.outbox.sent("pager", since=NIGHT - seconds(60), now=NIGHT) == []
    await taken(database, one, NIGHT)
    async with database.begin() as work:
        assert await work.outbox.sent("pager", since=NIGHT - seconds(60), now=NIGHT) == []


async def test_ended_drills_are_forgotten_with_their_deliveries(database: Database) -> None:
    clock = FakeClock(NIGHT)
    one = drilling(database, clock)
    await one.tick()
    clock.advance(timedelta(minutes=10))
    await one.tick()
    async with database.begin() as work:
        await work.drills.prune(clock.now() + timedelta(days=1))
    assert len(await drills(database)) == 1  # it has not ended
    clock.advance(timedelta(minutes=10))
    await one.tick()
    async with database.begin() as work:
        await work.drills.prune(clock.now())
        assert len(await work.drills.unfinished()) == 0
    assert len(await drills(database)) == 1
    async with database.begin() as work:
        await work.drills.prune(clock.now() + seconds(1))
    assert await drills(database) == []
