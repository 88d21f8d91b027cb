"""What was told in time and what late, asked of each database; and who keeps the incident of it."""

import asyncio
from datetime import datetime, timedelta
from fractions import Fraction

import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.punctuality import counting
from notifier.domain.incident import IncidentKind
from notifier.domain.notification import Action
from notifier.domain.objective import Count, Objective
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.pipeline.timekeeping import Timekeeper
from notifier.ports import Accepted, Answer, Database, Outcome, Promise, Refused, Settlement, TryAgain
from tests.support.examples import NIGHT, seconds
from tests.support.fakes import FakeChannel, FakeClock
from tests.support.messages import DOWN
from tests.support.planned import plan

WITHIN = timedelta(seconds=90)
ANSWERS: dict[Outcome, Answer] = {
    Outcome.SENT: Accepted(code=200),
    Outcome.ABANDONED: Refused(cause="403", code=403),
    Outcome.PENDING: TryAgain(cause="503", code=503),
}


async def promised(
    database: Database, outcome: Outcome | None, after: float, *, channel: str = "noc", sighted: datetime | None = NIGHT
) -> None:
    """Have a delivery of a change that was seen at night come to this, so many seconds after it was seen."""
    promise = Promise(
        channel=channel,
        lane="lane",
        action=Action.TELL,
        urgency=0,
        due_at=NIGHT,
        give_up_at=NIGHT + timedelta(days=1),
        sighted_at=sighted,
    )
    at = NIGHT + seconds(after)
    async with database.begin() as work:
        await work.outbox.promise([(DOWN, [promise])])
        if outcome is None:
            return
        [claimed] = await work.outbox.claim(
            channel, whole=True, lanes=None, now=NIGHT, until=NIGHT + seconds(60), owner="me"
        )
        if outcome is Outcome.MOOT:
            await work.outbox.call_off([claimed.id], "over", at)
            return
        settlement = Settlement(
            claimed=claimed,
            owner="me",
            message="1.1",
            started_at=NIGHT,
            ended_at=at,
            outcome=outcome,
            answer=ANSWERS[outcome],
            due_at=at + timedelta(days=1) if outcome is Outcome.PENDING else None,
        )
        assert await work.outbox.settle([settlement]) == [settlement]


async def counted(database: Database, now: float, *, since: datetime = NIGHT) -> dict[str, Count]:
    async with database.begin() as work:
        found = await work.outbox.punctuality(["noc", "mail"], since=since, within=WITHIN, now=NIGHT + seconds(now))
    return {name: count for name, count in found.channels.items() if count.all}


@pytest.mark.parametrize(
    ("outcome", "after", "now", "count"),
    [
        (Outcome.SENT, 90, 90, Count(1, 0)),
        (Outcome.SENT, 90.001, 91, Count(0, 1)),
        (Outcome.ABANDONED, 1, 2, Count(0, 1)),
        (Outcome.MOOT, 90, 1000, Count()),
        (Outcome.MOOT, 91, 1000, Count(0, 1)),
        (Outcome.PENDING, 10, 90, Count()),
        (Outcome.PENDING, 10, 90.001, Count(0, 1)),
        (None, 0, 90, Count()),
        (None, 0, 91, Count(0, 1)),
    ],
)
async def test_what_came_of_it_and_when_says_whether_it_was_in_time(
    outcome: Outcome | None, after: float, now: float, count: Count, database: Database
) -> None:
    await promised(database, outcome, after)
    assert await counted(database, now) == ({"noc": count} if count.all else {})


async def test_only_what_counts_is_counted_by_channel(database: Database) -> None:
    await promised(database, Outcome.SENT, 1)
    await promised(database, Outcome.SENT, 1000, channel="mail")
    await promised(database, Outcome.SENT, 1, channel="removed")
    await promised(database, Outcome.SENT, 1000, sighted=None)
    assert await counted(database, 1000) == {"noc": Count(1, 0), "mail": Count(0, 1)}
    assert await counted(database, 1000, since=NIGHT + seconds(0.001)) == {}


def timekeeper(database: Database, clock: FakeClock, share: Fraction, told: list[int]) -> Timekeeper:
    """Return one that notes each time it has told something."""
    return Timekeeper(
        objective=Objective(notify_within=WITHIN, share=share, over=timedelta(hours=1)),
        database=database,
        clock=clock,
        teller=Teller(Rules(channels={"noc": FakeChannel("noc"), "pager": FakeChannel("pager", stateful=True)})),
        committed=lambda: told.append(1),
    )


async def test_r29_replicas_with_different_objectives_do_not_end_each_others_incidents(
    shared_database: Database,
) -> None:
    clock, told = FakeClock(NIGHT + seconds(100)), list[int]()
    strict, lenient = (timekeeper(shared_database, clock, Fraction(share, 100), told) for share in (99, 50))
    await promised(shared_database, Outcome.SENT, 1)
    await promised(shared_database, Outcome.SENT, 95)
    for _ in range(3):
        await strict.check()
        await lenient.check()
    assert len(told) == 1
    await lenient.begin()  # as at its start
    assert len(told) == 2


async def test_r29_of_two_that_ask_at_once_one_opens_the_incident_and_one_closes_it(shared_database: Database) -> None:
    clock = FakeClock(NIGHT + seconds(100))
    told: list[int] = []
    both = [timekeeper(shared_database, clock, Fraction(99, 100), told) for _ in range(2)]
    await promised(shared_database, Outcome.SENT, 95)
    await asyncio.gather(*(each.begin() for each in both))
    await asyncio.gather(*(each.check() for each in both))
    await asyncio.gather(*(each.check() for each in both))
    async with shared_database.begin() as work:
        [incident] = await work.record.open_incidents_of(IncidentKind.OBJECTIVE)
    assert (incident.number, len(told)) == (1, 1)
    clock.advance(timedelta(hours=2))
    await asyncio.gather(*(each.check() for each in both))
    async with shared_database.begin() as work:
        assert await work.record.open_incidents_of(IncidentKind.OBJECTIVE) == []
    assert len(told) == 2


async def test_it_is_counted_by_an_index_however_much_is_kept(sql_database: SqlDatabase) -> None:
    for second in range(200):
        await promised(sql_database, None, second)
    async with sql_database.begin() as work:
        if work.conn.dialect.name == "postgresql":
            await work.conn.exec_driver_sql("ANALYZE")
            await work.conn.exec_driver_sql("SET LOCAL enable_seqscan = off")  # there is little: it would be cheap
        query = counting(work.conn.dialect.name, ["noc"], since=NIGHT, within=WITHIN, now=NIGHT)
        assert "ix_deliveries_sighted_at" in await plan(work.conn, query)
