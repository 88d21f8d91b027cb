from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.budget import Allotment, CommonBudget, RequestBudget

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def test_it_gives_no_more_than_it_has() -> None:
    budget = RequestBudget(2, MINUTE)
    assert [budget.take(NOON) for _ in range(3)] == [True, True, False]


def test_a_permit_comes_back_when_it_leaves_the_window() -> None:
    budget = RequestBudget(2, MINUTE)
    budget.take(NOON)
    budget.take(NOON + seconds(20))
    assert budget.free_at(NOON + seconds(30)) == NOON + MINUTE
    assert not budget.take(NOON + seconds(59.999))
    assert budget.take(NOON + MINUTE)
    assert not budget.take(NOON + MINUTE)


def test_it_says_at_once_while_there_is_a_permit() -> None:
    assert RequestBudget(1, MINUTE).free_at(NOON) == NOON


def test_a_refused_permit_costs_nothing() -> None:
    budget = RequestBudget(1, MINUTE)
    for second in range(60):
        budget.take(NOON + seconds(second))
    assert budget.take(NOON + MINUTE)


def test_it_says_how_much_is_used() -> None:
    budget = RequestBudget(4, MINUTE)
    assert budget.used(NOON) == 0
    budget.take(NOON)
    assert budget.used(NOON) == 1
    assert budget.used(NOON + MINUTE) == 0


def test_a_block_stops_everything_until_its_end() -> None:
    budget = RequestBudget(10, MINUTE)
    budget.block(NOON + seconds(120))
    assert not budget.take(NOON + seconds(119))
    assert budget.blocked_until(NOON) == budget.free_at(NOON) == NOON + seconds(120)
    assert budget.take(NOON + seconds(120))
    assert budget.blocked_until(NOON + seconds(120)) is None


def test_a_shorter_block_does_not_end_a_longer_one() -> None:
    budget = RequestBudget(10, MINUTE)
    budget.block(NOON + seconds(120))
    budget.block(NOON + seconds(10))
    assert budget.blocked_until(NOON) == NOON + seconds(120)


def test_a_clock_set_back_keeps_nothing_for_longer_than_a_window() -> None:
    budget = RequestBudget(1, MINUTE)
    budget.take(NOON)
    hour_back = NOON - timedelta(hours=1)
    assert budget.free_at(hour_back) == hour_back + MINUTE


def test_a_budget_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RequestBudget(0, MINUTE)


@given(
    requests=st.integers(1, 8),
    steps=st.lists(st.floats(0, 40), max_size=200),
    blocks=st.dictionaries(st.integers(0, 199), st.floats(0, 120), max_size=5),
)
def test_no_window_ever_holds_more_than_the_budget(requests: int, steps: list[float], blocks: dict[int, float]) -> None:
    budget = RequestBudget(requests, MINUTE)
    now, taken = NOON, []
    for i, step in enumerate(steps):
        now += seconds(step)
        if i in blocks:
            budget.block(now + seconds(blocks[i]))
        promised = budget.free_at(now)
        got = budget.take(now)
        assert got == (promised == now)
        if got:
            taken.append(now)
    for start in taken:
        assert sum(start <= at < start + MINUTE for at in taken) <= requests


@given(steps=st.lists(st.floats(0, 40), max_size=60))
def test_the_promised_moment_is_kept_and_is_the_first(steps: list[float]) -> None:
    budget = RequestBudget(3, MINUTE)
    now = NOON
    for step in steps:
        now += seconds(step)
        free = budget.free_at(now)
        if free > now:
            assert not budget.take(free - timedelta(microseconds=1))
            now = free
        assert budget.take(now)


def test_where_others_share_it_only_what_was_set_aside_may_be_taken() -> None:
    budget = RequestBudget(10, MINUTE)
    budget.allot(Allotment(permits=2, until=NOON + seconds(10), at=NOON))
    assert [budget.take(NOON) for _ in range(3)] == [True, True, False]
    assert NOON < budget.free_at(NOON) < NOON + seconds(1)
    assert budget.lacked == 1


def test_what_was_set_aside_is_ours_for_its_time_only() -> None:
    budget = RequestBudget(10, MINUTE)
    budget.allot(Allotment(permits=2, until=NOON + seconds(10), at=NOON))
    assert not budget.take(NOON + seconds(10))
    left = budget.allot(Allotment(permits=1, until=NOON + seconds(20), at=NOON + seconds(10)))
    assert left == Allotment(permits=2, until=NOON + seconds(10), at=NOON)
    assert budget.take(NOON + seconds(10))


WINDOW = seconds(70)


def test_what_is_set_aside_never_exceeds_the_budget() -> None:
    common, first = CommonBudget().allotted(NOON, 7, requests=10, window=WINDOW)
    common, second = common.allotted(NOON + seconds(5), 7, requests=10, window=WINDOW)
    common, third = common.allotted(NOON + seconds(10), 7, requests=10, window=WINDOW)
    assert (first, second, third) == (7, 3, 0)
    _, later = common.allotted(NOON + WINDOW, 7, requests=10, window=WINDOW)
    assert later == 7


def test_what_was_not_used_can_be_set_aside_again() -> None:
    common, _ = CommonBudget().allotted(NOON, 10, requests=10, window=WINDOW)
    common, permits = common.returned(NOON, 4).allotted(NOON + seconds(5), 10, requests=10, window=WINDOW)
    assert permits == 4
    assert common.returned(NOON, 6).returned(NOON + seconds(5), 4).taken == ()


def test_what_one_hands_back_is_not_taken_from_what_another_set_aside_in_the_same_moment() -> None:
    common, _ = CommonBudget().allotted(NOON, 1, requests=10, window=WINDOW)
    common, _ = common.allotted(NOON, 2, requests=10, window=WINDOW)
    _, permits = common.returned(NOON, 1).allotted(NOON + seconds(1), 10, requests=10, window=WINDOW)
    assert permits == 8


@given(
    turns=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 8), st.booleans(), st.floats(0, 9.9), st.floats(0, 6)), max_size=60
    )
)
def test_three_processes_together_never_ask_more_than_the_budget_allows(
    turns: list[tuple[int, int, bool, float, float]],
) -> None:
    """Each turn one of them hands back and sets aside, or dies and comes back, and uses some of it before its end."""
    now, common, asked = NOON, CommonBudget(), []
    mine: dict[int, RequestBudget] = {number: RequestBudget(10, MINUTE) for number in range(3)}
    for who, want, dies, when, pause in turns:
        if dies:
            mine[who] = RequestBudget(10, MINUTE)
        left = mine[who].allot(None)
        if left is not None:
            common = common.returned(left.at, left.permits)
        common, permits = common.allotted(now, want, requests=10, window=MINUTE + seconds(10))
        mine[who].allot(Allotment(permits=permits, until=now + seconds(10), at=now))
        uses = [now + seconds(when)] * want
        asked += [at for at in uses if at < now + seconds(pause) and mine[who].take(at)]
        now += seconds(pause)
    for at in asked:
        assert sum(at <= other < at + MINUTE for other in asked) <= 10
