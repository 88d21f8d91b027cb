"""One credential has one budget, whatever processes use it, one after the other or at the same time (R32)."""

from datetime import timedelta

from notifier.domain.budget import RequestBudget
from notifier.errors import DatabaseError
from notifier.pipeline.budgeting import Budgeting
from notifier.ports import Database
from notifier.settings import Settings
from notifier.settings.budget import budget_of, kept_interval, set_aside
from tests.support.examples import ACCOUNT, seconds
from tests.support.fakes import FakeClock
from tests.support.unreliable import Unreliable

MINUTE = timedelta(minutes=1)


class Process:
    """One process with one credential."""

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        *,
        wanted: int = 6,
        shared: bool = True,
        budget: RequestBudget | None = None,
    ) -> None:
        self.clock = clock
        self.wanted = wanted
        self.budget = budget or RequestBudget(10, MINUTE)
        self.budgeting = Budgeting(
            budgets={"mark": self.budget},
            wanted=lambda _mark: self.wanted,
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


LINKS = 600  # that use the budget up
USED_UP = Settings.model_validate(
    {
        "database": "postgresql://notifier@db.example.net/notifier",
        "accounts": [{"id": ACCOUNT, "token": "made-up"}],
        "cloudflare": {"rate_limit": {"requests": 1200, "per": "5m", "share": 0.5}},
        "channels": {"noc": {"url": "json://noc.example.net"}},
    }
)


class Replicas:
    """Processes that poll these links with one credential, evenly, second by second."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.interval = kept_interval(USED_UP, LINKS)
        self._database = database
        self._clock = clock

    def start(self, links: int) -> Process:
        """Start one with so many of the links."""
        wanted = set_aside(USED_UP, links=links, of=LINKS, interval=self.interval)
        return Process(self._database, self._clock, wanted=wanted, budget=budget_of(USED_UP))

    async def work(self, replicas: dict[Process, int], span: timedelta) -> dict[Process, float]:
        """Let them poll for a time; return what part of their polls each could make."""
        polled, due = dict.fromkeys(replicas, 0), dict.fromkeys(replicas, 0.0)
        for second in range(round(span.total_seconds())):
            self._clock.advance(seconds(1))
            for place, (replica, links) in enumerate(replicas.items()):
                if (second + place) % 5 == 0:
                    await replica.budgeting.tick()
                due[replica] += links / self.interval.total_seconds()
                polled[replica] += replica.asks(int(due[replica]) - polled[replica])
        return {replica: polled[replica] / due[replica] for replica in replicas}


async def test_replicas_that_use_up_a_budget_starve_none_and_who_takes_over_polls_at_once(
    shared_database: Database, clock: FakeClock
) -> None:
    replicas = Replicas(shared_database, clock)
    one, two, three = (replicas.start(LINKS // 3) for _ in range(3))
    for each in (one, two, three):
        await each.budgeting.begin()
    three_at_work = dict.fromkeys((one, two, three), LINKS // 3)
    await replicas.work(three_at_work, 6 * MINUTE)
    assert min((await replicas.work(three_at_work, 10 * MINUTE)).values()) > 0.97
    two_left = {one: LINKS // 2, two: LINKS // 2}  # one is killed; its lease ends
    await replicas.work(dict.fromkeys((one, two), LINKS // 3), seconds(12))
    for each in two_left:
        each.wanted = set_aside(USED_UP, links=LINKS // 2, of=LINKS, interval=replicas.interval)
    assert min((await replicas.work(two_left, seconds(20))).values()) > 0.9
