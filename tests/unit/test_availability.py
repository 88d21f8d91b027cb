"""How much of a period a link was good, bad or unobserved, and how a bar shows it."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.availability import (
    Cell,
    Period,
    Quality,
    Stretch,
    Turn,
    cells,
    overlay,
    quality_after,
    quality_before,
    stretches,
    totals,
)
from notifier.domain.decision import Change
from tests.support.examples import NIGHT, run, seconds

GOOD, BAD, UNOBSERVED = Quality.GOOD, Quality.BAD, Quality.UNOBSERVED
HOUR = Period(NIGHT, NIGHT + timedelta(hours=1))


def minutes(begin: float, end: float) -> Period:
    return Period(NIGHT + timedelta(minutes=begin), NIGHT + timedelta(minutes=end))


def turn(minute: float, quality: Quality) -> Turn:
    return Turn(NIGHT + timedelta(minutes=minute), quality)


def written(found: tuple[Stretch, ...]) -> str:
    """Write stretches in short: "good 20 bad 40", in minutes."""
    return " ".join(f"{each.quality} {each.period.length / timedelta(minutes=1):g}" for each in found)


def test_nothing_happened() -> None:
    assert written(stretches(HOUR, before=GOOD, turns=[], unseen=[])) == "good 60"


def test_a_problem_lasts_until_it_turns_good_again() -> None:
    history = [turn(20, BAD), turn(27, BAD), turn(30, GOOD)]
    assert written(stretches(HOUR, before=GOOD, turns=history, unseen=[])) == "good 20 bad 10 good 30"


def test_what_was_believed_at_the_start_goes_on() -> None:
    assert written(stretches(HOUR, before=BAD, turns=[turn(30, GOOD)], unseen=[])) == "bad 30 good 30"


def test_before_it_was_first_seen_and_after_it_was_removed_nothing_was_observed() -> None:
    found = stretches(HOUR, before=UNOBSERVED, turns=[turn(10, GOOD), turn(50, UNOBSERVED)], unseen=[])
    assert written(found) == "unobserved 10 good 40 unobserved 10"


def test_a_link_that_is_down_and_blind_is_unobserved() -> None:
    found = stretches(HOUR, before=GOOD, turns=[turn(20, BAD)], unseen=[minutes(35, 50), minutes(30, 40)])
    assert written(found) == "good 20 bad 10 unobserved 20 bad 10"


def test_a_change_that_nobody_watched_follows_its_gap() -> None:
    found = stretches(HOUR, before=GOOD, turns=[turn(20, BAD)], unseen=[minutes(-60, 20)])
    assert written(found) == "unobserved 20 bad 40"


def test_a_change_that_was_first_seen_before_the_period_counts_from_its_start() -> None:
    assert written(stretches(HOUR, before=GOOD, turns=[turn(-1, BAD)], unseen=[])) == "bad 60"


def test_something_else_can_be_laid_over_it() -> None:
    under = stretches(HOUR, before=BAD, turns=[], unseen=[minutes(0, 10)])
    assert written(overlay(under, [minutes(5, 20)], GOOD)) == "unobserved 5 good 15 bad 40"


@pytest.mark.parametrize(
    ("words", "quality"),
    [
        ("Healthy", GOOD),
        ("Pending", GOOD),
        ("Down Down", BAD),
        ("Healthy Down Down", BAD),
        ("Healthy Pending Pending", BAD),
        ("Pending Healthy Healthy Healthy", GOOD),
        ("Healthy Down Down Pending Pending", BAD),
        ("Healthy Down Down Healthy Healthy Healthy", GOOD),
        ("Healthy Strange Strange", BAD),
    ],
)
def test_what_a_link_is_agrees_with_what_is_decided_of_it(words: str, quality: Quality) -> None:
    decisions = run(words)
    transitions = [d.transition for d in decisions if d.transition is not None]
    assert quality_after(transitions[-1].change) is quality
    assert decisions[-1].state.is_problem == (quality is BAD)
    was = [UNOBSERVED, *(quality_after(each.change) for each in transitions)]
    assert [quality_before(each.change, each.before) for each in transitions] == was[:-1]


@pytest.mark.parametrize(("before", "quality"), [("Healthy", GOOD), ("Down", BAD), (None, UNOBSERVED)])
def test_what_is_removed_is_unobserved_from_then_on(before: str | None, quality: Quality) -> None:
    assert quality_before(Change.REMOVED, before) is quality
    assert quality_after(Change.REMOVED) is UNOBSERVED


def test_a_cell_is_as_bad_as_the_worst_in_it_and_says_how_much() -> None:
    found = stretches(HOUR, before=GOOD, turns=[turn(31, BAD), turn(32, GOOD)], unseen=[minutes(0, 9)])
    first, second, third, fourth = cells(HOUR, found, 4)
    assert [each.quality for each in (first, second, third, fourth)] == [UNOBSERVED, GOOD, BAD, GOOD]
    assert first.share(UNOBSERVED) == pytest.approx(0.6)
    assert third.share(BAD) == pytest.approx(1 / 15)
    assert third.share(UNOBSERVED) == 0
    assert second.lengths == {GOOD: timedelta(minutes=15)}


def test_a_period_without_length_has_nothing_in_it() -> None:
    instant = Period(NIGHT, NIGHT)
    assert stretches(instant, before=GOOD, turns=[], unseen=[]) == ()
    assert cells(instant, (), 1) == (Cell(instant, {}),)
    assert Cell(instant, {}).share(GOOD) == 0
    assert Cell(instant, {}).quality is UNOBSERVED


_MINUTE = st.integers(-30, 90).map(float)
_HISTORIES = st.lists(st.builds(turn, _MINUTE, st.sampled_from(Quality)), max_size=8).map(
    lambda drawn: sorted(drawn, key=lambda each: each.at)
)
_SPANS = st.lists(st.tuples(_MINUTE, _MINUTE).map(lambda two: minutes(*sorted(two))), max_size=6)


@given(st.sampled_from(Quality), _HISTORIES, _SPANS)
def test_stretches_add_up_to_the_period_and_say_what_was_at_each_moment(
    before: Quality, history: list[Turn], unseen: list[Period]
) -> None:
    found = stretches(HOUR, before=before, turns=history, unseen=unseen)
    assert found[0].period.from_at == HOUR.from_at
    assert found[-1].period.until_at == HOUR.until_at
    assert all(a.period.until_at == b.period.from_at and a.quality is not b.quality for a, b in pairwise(found))
    assert sum(totals(found).values(), timedelta()) == HOUR.length
    for second in range(30, 3600, 60):
        at = NIGHT + seconds(second)
        last = [each for each in history if each.at <= at]
        believed = last[-1].quality if last else before
        blind = any(each.from_at <= at < each.until_at for each in unseen)
        (there,) = [each for each in found if each.period.from_at <= at < each.period.until_at]
        assert there.quality is (UNOBSERVED if blind else believed)


@given(st.sampled_from(Quality), _HISTORIES, _SPANS, st.integers(1, 100))
def test_cells_hold_the_same_as_the_stretches(
    before: Quality, history: list[Turn], unseen: list[Period], count: int
) -> None:
    found = stretches(HOUR, before=before, turns=history, unseen=unseen)
    folded = cells(HOUR, found, count)
    assert len(folded) == count
    for cell in folded:
        assert sum(cell.lengths.values(), timedelta()) == cell.period.length
    for quality in Quality:
        whole = sum((cell.lengths.get(quality, timedelta()) for cell in folded), timedelta())
        assert whole == totals(found).get(quality, timedelta())
