from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.budget import RequestBudget
from notifier.domain.schedule import next_due, phase, stretched

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = timedelta(minutes=5)

moments = st.timedeltas(timedelta(), timedelta(days=36_500)).map(lambda since: NOON + since)
intervals = st.timedeltas(min_value=timedelta(milliseconds=200), max_value=timedelta(days=1))


def stretch(links: int, budget: int = 600, reserve: int = 60) -> timedelta:
    return stretched(MINUTE, links=links, budget_requests=budget, per=WINDOW, reserve=reserve)


def test_an_interval_the_budget_can_keep_stays() -> None:
    assert stretch(0) == MINUTE
    assert stretch(108) == MINUTE


def test_an_interval_the_budget_cannot_keep_stretches() -> None:
    assert stretch(109) > MINUTE
    assert stretch(540) == WINDOW
    assert stretch(1080) == 2 * WINDOW


def test_a_reserve_as_large_as_the_budget_still_leaves_polls() -> None:
    assert stretch(3, budget=1, reserve=1) == 3 * WINDOW


@given(links=st.integers(1, 5000), budget=st.integers(1, 5000), reserve=st.integers(0, 5000))
def test_a_stretched_interval_never_asks_for_more_than_is_left(links: int, budget: int, reserve: int) -> None:
    interval = stretch(links, budget, reserve)
    assert interval >= MINUTE
    assert links * WINDOW <= max(budget - reserve, 1) * interval


@given(now=moments, interval=intervals, index=st.integers(0, 10_000))
def test_a_link_is_due_within_one_interval_whenever_we_start(now: datetime, interval: timedelta, index: int) -> None:
    due = next_due(now, interval, phase(index))
    assert now < due <= now + interval


@given(now=moments, interval=intervals, index=st.integers(0, 10_000), later=st.floats(0, 0.999))
def test_a_restart_changes_nobodys_turn(now: datetime, interval: timedelta, index: int, later: float) -> None:
    due = next_due(now, interval, phase(index))
    restarted_at = now + (due - now) * later
    assert restarted_at == due or next_due(restarted_at, interval, phase(index)) == due
    assert next_due(due, interval, phase(index)) == due + interval


def test_a_link_added_moves_no_other() -> None:
    assert [phase(i) for i in range(5)] == [phase(i) for i in range(9)][:5]


@given(index=st.integers(0, 1_000_000))
def test_a_phase_lies_in_the_interval(index: int) -> None:
    assert 0 <= phase(index) < 1


@given(links=st.integers(50, 1000), start=st.floats(0, 1), now=moments)
def test_no_tenth_of_the_interval_gets_much_more_than_a_tenth_of_the_polls(
    links: int, start: float, now: datetime
) -> None:
    due = [next_due(now, MINUTE, phase(i)) for i in range(links)]
    begin = now + MINUTE * start
    # Half of the window may lie after the round: the next round looks the same.
    both = due + [at + MINUTE for at in due]
    inside = sum(begin <= at < begin + MINUTE / 10 for at in both)
    assert abs(inside - links / 10) <= 4


@given(links=st.integers(1, 300), budget=st.integers(20, 120), offset=st.integers(0, 3600))
def test_polls_at_the_stretched_interval_are_never_refused(links: int, budget: int, offset: int) -> None:
    interval = stretch(links, budget, reserve=8)
    permits = RequestBudget(budget, WINDOW)
    now = NOON + timedelta(seconds=offset)
    turns = sorted(next_due(now, interval, phase(i)) + turn * interval for i in range(links) for turn in range(3))
    assert all(permits.take(at) for at in turns)
