"""R10: flapping goes by time; what flaps keeps its incident open until it is calm."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.decision import Change, Decision, Policy, calm
from notifier.domain.flapping import Flapping
from notifier.domain.state import State
from tests.support.examples import run, seconds

AT_ONCE = Policy(confirm=1, recover=1, recover_for=timedelta())
MINUTE, HALF_HOUR = 60.0, timedelta(minutes=30)
DOWN_UP = "Down " * 2 + "Healthy " * 8


def story(decisions: list[Decision]) -> str:
    """Write the transitions in short; `!` where flapping begins, `~` while it goes on, the incident's number last."""
    told = [(d.transition, d.flapping_began) for d in decisions if d.transition is not None]
    return " ".join(
        f"{t.change}{'!' if began else '~' if t.flapping else ''}{'' if t.incident is None else t.incident}"
        for t, began in told
    )


CASES = {
    "a baseline is no change": ("Healthy Down Healthy Down", MINUTE, "baseline problem1 recovered1 problem2"),
    "the fourth change begins it, a recovery too": (
        "Healthy Down Healthy Down Healthy",
        MINUTE,
        "baseline problem1 recovered1 problem2 recovered!2",
    ),
    "scenario 32: a change at every poll is one flapping": (
        "Healthy Down Healthy Down Healthy Down Healthy Down",
        MINUTE,
        "baseline problem1 recovered1 problem2 recovered!2 problem~2 recovered~2 problem~2",
    ),
    "a problem that grows and shrinks flaps as well": (
        "Healthy Unhealthy Down Unhealthy Down",
        MINUTE,
        "baseline problem1 worsened1 eased1 worsened!1",
    ),
    "four changes in an hour to the second": (
        "Healthy Down Healthy Down Healthy",
        1200.0,
        "baseline problem1 recovered1 problem2 recovered!2",
    ),
    "four changes in more than an hour are none": (
        "Healthy Down Healthy Down Healthy",
        1201.0,
        "baseline problem1 recovered1 problem2 recovered2",
    ),
    "blindness is no change": (
        "Healthy Down timeout Healthy timeout Down timeout Down",
        MINUTE,
        "baseline problem1 recovered1 problem2",
    ),
    "up for the first time can begin it, and there is no incident to keep": (
        "Down Pending Down Pending Healthy Down",
        900.0,
        "problem1 recovered1 problem2 recovered!2 up~2 problem~2",
    ),
    "no incident is kept where none is open": (
        "Pending Down Pending Down Pending Healthy",
        1100.0,
        "baseline problem1 recovered1 problem2 recovered!2 up~2",
    ),
}


@pytest.mark.parametrize(("words", "every", "expected"), CASES.values(), ids=CASES.keys())
def test_flapping(words: str, every: float, expected: str) -> None:
    assert story(run(words, AT_ONCE, every=every)) == expected


def test_scenario_34_one_down_up_each_ten_polls_is_found_once() -> None:
    decisions = run("Healthy " + DOWN_UP * 12, every=MINUTE)
    assert [d.flapping_began for d in decisions].count(True) == 1
    found = next(d.transition for d in decisions if d.flapping_began)
    assert found is not None
    assert found.number == 5
    assert decisions[-1].state.flapping


def test_slower_changes_do_not_end_it() -> None:
    state = flapped("Healthy Down Healthy Down Healthy")
    slower = run("Down Healthy Down Healthy Down", AT_ONCE, state, every=1799)
    assert story(slower) == "problem~2 recovered~2 problem~2 recovered~2 problem~2"


def flapped(words: str) -> State:
    state = run(words, AT_ONCE, every=MINUTE)[-1].state
    assert state.flapping
    return state


def test_it_is_calm_half_an_hour_after_the_last_change_and_not_before() -> None:
    state = flapped("Healthy Down Healthy Down Healthy")
    assert calm(state, state.changes[-1] + HALF_HOUR - seconds(1), AT_ONCE) is None
    after = calm(state, state.changes[-1] + HALF_HOUR, AT_ONCE)
    assert after == replace(state, flapping=False, changes=(), incident=None, problem_since=None)


def test_scenario_33_calm_in_down_keeps_the_incident_and_recovers_once() -> None:
    state = flapped("Healthy Down Healthy Down Healthy Down")
    after = calm(state, state.changes[-1] + HALF_HOUR, AT_ONCE)
    assert after is not None
    assert (after.flapping, after.status, after.incident) == (False, "Down", 2)
    assert after.problem_since == state.problem_since
    later = run("Down Healthy Healthy", AT_ONCE, after, every=1800)
    assert story(later) == "recovered2"
    assert later[-1].state.incident is None


def test_what_does_not_flap_does_not_become_calm() -> None:
    state = run("Healthy Down Down")[-1].state
    assert state.last_seen_at is not None
    assert calm(state, state.last_seen_at + timedelta(days=1), Policy()) is None


@pytest.mark.parametrize("word", ["403", "Down"])
def test_nothing_is_said_of_calm_while_it_can_not_be_seen_or_may_be_changing(word: str) -> None:
    flapping = run("Healthy " + DOWN_UP * 3, every=MINUTE)[-1].state
    assert flapping.flapping
    doubtful = run(word, state=flapping)[-1].state
    assert calm(doubtful, flapping.changes[-1] + timedelta(hours=2), Policy()) is None
    clear = run("Healthy", state=doubtful)[-1].state
    assert calm(clear, flapping.changes[-1] + timedelta(hours=2), Policy()) is not None


def test_it_takes_four_new_changes_to_flap_again() -> None:
    state = flapped("Healthy Down Healthy Down Healthy")
    after = calm(state, state.changes[-1] + HALF_HOUR, AT_ONCE)
    again = run("Down Healthy Down Healthy", AT_ONCE, after, every=MINUTE)
    assert story(again) == "problem3 recovered3 problem4 recovered!4"


@pytest.mark.parametrize(("few", "flaps"), [(2, True), (3, True), (4, False)])
def test_other_thresholds_hold_at_once_after_a_reload(few: int, flaps: bool) -> None:  # noqa: FBT001 - a table's column
    state = run("Healthy Down Healthy", AT_ONCE, every=MINUTE)[-1].state
    policy = replace(AT_ONCE, flapping=Flapping(changes=few))
    [decision] = run("Down", policy, state, every=MINUTE)
    assert decision.flapping_began is flaps
    assert decision.transition is not None
    assert decision.transition.change is Change.PROBLEM
