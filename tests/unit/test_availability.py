"""How much of a period a link was good, bad or unobserved, and how a bar shows it."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.availability import Cell, Quality, Span, Stretch, cells, overlay, quality_after, stretches, totals
from notifier.domain.decision import Change, Transition
from tests.support.examples import ACCOUNT, NIGHT, run, seconds

GOOD, BAD, UNOBSERVED = Quality.GOOD, Quality.BAD, Quality.UNOBSERVED
HOUR = Span(NIGHT, NIGHT + timedelta(hours=1))


def minutes(begin: float, end: float) -> Span:
    return Span(NIGHT + timedelta(minutes=begin), NIGHT + timedelta(minutes=end))


def change(number: int, minute: float, change: Change = Change.PROBLEM) -> Transition:
    at = NIGHT + timedelta(minutes=minute)
    return Transition(
        account=ACCOUNT,
        name="icon-ams-01",
        number=number,
        change=change,
        before=None,
        after="a word",
        reason=None,
        last_seen_before=None,
        first_seen_at=at,
        confirmed_at=at + timedelta(seconds=15),
        sightings=2,
    )


def written(found: tuple[Stretch, ...]) -> str:
    """Write stretches in short: "good 20 bad 40", in minutes."""
    return " ".join(f"{each.quality} {each.span.length / timedelta(minutes=1):g}" for each in found)


def test_nothing_happened() -> None:
    assert written(stretches(HOUR, before=GOOD, transitions=[], unseen=[])) == "good 60"


def test_a_problem_counts_from_when_it_was_first_seen_to_when_its_end_was() -> None:
    history = [change(2, 20), change(3, 27, Change.WORSENED), change(4, 30, Change.RECOVERED)]
    assert written(stretches(HOUR, before=GOOD, transitions=history, unseen=[])) == "good 20 bad 10 good 30"


def test_what_was_believed_at_the_start_goes_on() -> None:
    history = [change(4, 30, Change.RECOVERED)]
    assert written(stretches(HOUR, before=BAD, transitions=history, unseen=[])) == "bad 30 good 30"


def test_before_it_was_first_seen_and_after_it_was_removed_nothing_was_observed() -> None:
    history = [change(1, 10, Change.BASELINE), change(2, 50, Change.REMOVED)]
    found = stretches(HOUR, before=UNOBSERVED, transitions=history, unseen=[])
    assert written(found) == "unobserved 10 good 40 unobserved 10"


def test_a_link_that_is_down_and_blind_is_unobserved() -> None:
    found = stretches(HOUR, before=GOOD, transitions=[change(2, 20)], unseen=[minutes(30, 40), minutes(35, 50)])
    assert written(found) == "good 20 bad 10 unobserved 20 bad 10"


def test_a_change_that_nobody_watched_follows_its_gap() -> None:
    found = stretches(HOUR, before=GOOD, transitions=[change(2, 20)], unseen=[minutes(-60, 20)])
    assert written(found) == "unobserved 20 bad 40"


def test_a_change_that_was_first_seen_before_the_period_counts_from_its_start() -> None:
    assert written(stretches(HOUR, before=GOOD, transitions=[change(2, -1)], unseen=[])) == "bad 60"


def test_something_else_can_be_laid_over_it() -> None:
    under = stretches(HOUR, before=BAD, transitions=[], unseen=[minutes(0, 10)])
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
    last = [d.transition for d in decisions if d.transition is not None][-1]
    assert quality_after(last.change) is quality
    assert decisions[-1].state.is_problem == (quality is BAD)


def test_a_cell_is_as_bad_as_the_worst_in_it_and_says_how_much() -> None:
    found = stretches(
        HOUR, before=GOOD, transitions=[change(2, 31), change(3, 32, Change.RECOVERED)], unseen=[minutes(0, 9)]
    )
    first, second, third, fourth = cells(HOUR, found, 4)
    assert [each.quality for each in (first, second, third, fourth)] == [UNOBSERVED, GOOD, BAD, GOOD]
    assert first.share(UNOBSERVED) == pytest.approx(0.6)
    assert third.share(BAD) == pytest.approx(1 / 15)
    assert third.share(UNOBSERVED) == 0
    assert second.lengths == {GOOD: timedelta(minutes=15)}


def test_a_period_without_length_has_nothing_in_it() -> None:
    instant = Span(NIGHT, NIGHT)
    assert stretches(instant, before=GOOD, transitions=[], unseen=[]) == ()
    assert cells(instant, (), 1) == (Cell(instant, {}),)
    assert Cell(instant, {}).share(GOOD) == 0
    assert Cell(instant, {}).quality is UNOBSERVED


_MINUTE = st.integers(-30, 90).map(float)
_HISTORIES = st.lists(st.tuples(_MINUTE, st.sampled_from(Change)), max_size=8).map(
    lambda drawn: [change(number, *each) for number, each in enumerate(sorted(drawn, key=lambda each: each[0]), 1)]
)
_SPANS = st.lists(st.tuples(_MINUTE, _MINUTE).map(lambda two: minutes(*sorted(two))), max_size=6)


@given(st.sampled_from(Quality), _HISTORIES, _SPANS)
def test_stretches_add_up_to_the_period_and_say_what_was_at_each_moment(
    before: Quality, history: list[Transition], unseen: list[Span]
) -> None:
    found = stretches(HOUR, before=before, transitions=history, unseen=unseen)
    assert found[0].span.from_at == HOUR.from_at
    assert found[-1].span.until_at == HOUR.until_at
    assert all(a.span.until_at == b.span.from_at and a.quality is not b.quality for a, b in pairwise(found))
    assert sum(totals(found).values(), timedelta()) == HOUR.length
    for second in range(30, 3600, 60):
        at = NIGHT + seconds(second)
        last = [each for each in history if each.first_seen_at <= at]
        believed = quality_after(last[-1].change) if last else before
        blind = any(span.from_at <= at < span.until_at for span in unseen)
        (there,) = [each for each in found if each.span.from_at <= at < each.span.until_at]
        assert there.quality is (UNOBSERVED if blind else believed)


@given(st.sampled_from(Quality), _HISTORIES, _SPANS, st.integers(1, 100))
def test_cells_hold_the_same_as_the_stretches(
    before: Quality, history: list[Transition], unseen: list[Span], count: int
) -> None:
    found = stretches(HOUR, before=before, transitions=history, unseen=unseen)
    folded = cells(HOUR, found, count)
    assert len(folded) == count
    for cell in folded:
        assert sum(cell.lengths.values(), timedelta()) == cell.span.length
    for quality in Quality:
        whole = sum((cell.lengths.get(quality, timedelta()) for cell in folded), timedelta())
        assert whole == totals(found).get(quality, timedelta())
