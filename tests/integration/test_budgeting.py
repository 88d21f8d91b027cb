"""One credential has one budget, whatever processes use it, one after the other or at the same time (R32)."""

from datetime import timedelta

from notifier.domain.budget import RequestBudget
from notifier.errors import DatabaseError
from notifier.pipeline.budgeting import Budgeting
from notifier.ports import Database
from tests.support.examples import seconds
from tests.support.fakes import FakeClock
from tests.support.unreliable import Unreliable

MINUTE = timedelta(minutes=1)


class Process:
    """One process with one credential."""

    def __init__(self, database: Database, clock: FakeClock, *, wanted: int = 6, shared: bool = True) -> None:
        self.clock = clock
        self.wanted = wanted
        self.budget = RequestBudget(10, MINUTE)
        self.budgeting = Budgeting(
            budgets={"mark": self.budget},
            wanted=lambda _mark, _span: self.wanted,
            shared=shared,
            database=database,
            clock=clock,
        )

    def asks(self, times: int) -> int:
        """Ask as often as that; return how often it could."""
        return sum(self.budget.take(self.clock.now()) for _ in range(times))


async def test_two_processes_have_one_budget(shared_database: Database, clock: FakeClock) -> None:
    one, two = Process(shared_database, clock), Process(shared_database, clock)
    await one.budgeting.begin()
    await two.budgeting.begin()
    assert one.asks(20) + two.asks(20) == 10


async def test_what_one_does_not_use_the_other_may(shared_database: Database, clock: FakeClock) -> None:
    one, two = Process(shared_database, clock), Process(shared_database, clock)
    await one.budgeting.begin()
    await two.budgeting.begin()
    one.wanted = 0
    clock.advance(seconds(5))
    await one.budgeting.tick()
    two.wanted = 10
    await two.budgeting.tick()
    assert (one.asks(20), two.asks(20)) == (0, 10)


async def test_a_process_that_starts_finds_used_what_the_one_before_it_used(
    shared_database: Database, clock: FakeClock
) -> None:
    killed = Process(shared_database, clock, wanted=10)
    await killed.budgeting.begin()
    assert killed.asks(20) == 10
    clock.advance(seconds(30))
    after = Process(shared_database, clock, wanted=10)
    await after.budgeting.begin()
    assert after.asks(20) == 0
    clock.advance(seconds(40))
    await after.budgeting.tick()
    assert after.asks(20) == 10


async def test_whoever_lacked_permits_asks_for_more_the_next_time(shared_database: Database, clock: FakeClock) -> None:
    one = Process(shared_database, clock, wanted=2)
    await one.budgeting.begin()
    assert one.asks(7) == 2
    await one.budgeting.tick()
    assert one.asks(7) == 7


async def test_a_block_holds_for_all_and_for_who_comes_after(shared_database: Database, clock: FakeClock) -> None:
    one, two = Process(shared_database, clock), Process(shared_database, clock)
    await one.budgeting.begin()
    await two.budgeting.begin()
    one.budget.block(clock.now() + seconds(120))
    await one.budgeting.tick()
    await two.budgeting.tick()
    after = Process(shared_database, clock)
    await after.budgeting.begin()
    assert [each.budget.blocked_until(clock.now()) for each in (one, two, after)] == [clock.now() + seconds(120)] * 3
    clock.advance(seconds(120))
    assert two.budget.blocked_until(clock.now()) is None


HOUR = timedelta(hours=1)


async def test_r7_the_databases_clock_set_back_keeps_nobody_from_asking_for_longer_than_a_window(
    shared_database: Database, clock: FakeClock
) -> None:
    one, two = Process(shared_database, clock, wanted=10), Process(shared_database, clock)
    await one.budgeting.begin()
    assert one.asks(20) == 10
    clock.advance(-HOUR)
    await two.budgeting.begin()
    assert two.asks(20) == 0
    clock.advance(seconds(75))
    await two.budgeting.tick()
    assert two.asks(20) == 10


async def test_r7_a_block_ends_in_time_whatever_becomes_of_the_databases_clock(
    shared_database: Database, clock: FakeClock
) -> None:
    one = Process(shared_database, clock)
    await one.budgeting.begin()
    one.budget.block(clock.now() + seconds(120))
    await one.budgeting.tick()
    clock.advance(-HOUR)
    two = Process(shared_database, clock)
    await two.budgeting.begin()
    assert two.budget.blocked_until(clock.now()) == clock.now() + seconds(120)
    clock.advance(seconds(130))
    await two.budgeting.tick()
    assert two.asks(1) == 1


async def test_r7_a_process_alone_that_starts_with_a_clock_behind_waits_no_longer_than_it_was_to(
    database: Database, clock: FakeClock
) -> None:
    alone = Process(database, clock, shared=False)
    await alone.budgeting.begin()
    alone.budget.block(clock.now() + seconds(120))
    await alone.budgeting.tick()
    clock.advance(-HOUR)
    after = Process(database, clock, shared=False)
    await after.budgeting.begin()
    assert after.budget.blocked_until(clock.now()) == clock.now() + seconds(120)
    clock.advance(seconds(120))
    await after.budgeting.tick()
    assert after.asks(1) == 1


async def test_a_process_alone_keeps_a_block_for_the_next_and_writes_nothing_else(
    database: Database, clock: FakeClock
) -> None:
    unreliable = Unreliable(database)
    alone = Process(unreliable, clock, shared=False)
    await alone.budgeting.begin()
    unreliable.trouble = DatabaseError("nothing is to be written")
    await alone.budgeting.tick()
    assert alone.asks(20) == 10
    unreliable.trouble = None
    alone.budget.block(clock.now() + seconds(120))
    await alone.budgeting.tick()
    after = Process(database, clock, shared=False)
    await after.budgeting.begin()
    until = after.budget.blocked_until(clock.now())
    assert until is not None
    assert abs(until - clock.now() - seconds(120)) < seconds(5)


async def test_while_the_database_is_away_what_was_set_aside_is_used_up(
    shared_database: Database, clock: FakeClock
) -> None:
    unreliable = Unreliable(shared_database)
    one = Process(unreliable, clock)
    await one.budgeting.begin()
    unreliable.trouble = DatabaseError("no connection")
    clock.advance(seconds(5))
    await one.budgeting.tick()
    assert one.asks(4) == 4
    clock.advance(seconds(5))
    await one.budgeting.tick()
    assert one.asks(4) == 0, "it may count as another's by now"
