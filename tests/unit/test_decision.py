"""R1-R9 and R11, and the scenarios that one interconnect alone can show."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.decision import Change, Policy, decide, removed, renewed
from notifier.domain.observation import Observation, Unseen
from tests.support.examples import NIGHT, TIMEOUT, changes, observation, run, seconds, unknown

CASES = {
    # R1, R2
    "scenario 1: one bad answer is not yet a transition": ("Healthy Down Healthy Healthy", "baseline:Healthy"),
    "scenario 2: a problem is believed at the second sighting": ("Healthy Down Down", "baseline:Healthy problem:Down"),
    "scenario 3: more bad polls say nothing new": (
        "Healthy Down Down Down Down Down Down",
        "baseline:Healthy problem:Down",
    ),
    "scenario 4: one bad answer starts the recovery anew": (
        "Healthy Down Down Healthy Down Healthy Healthy",
        "baseline:Healthy problem:Down",
    ),
    "scenario 4: recovered only after the last good ones": (
        "Healthy Down Down Healthy Down Healthy Healthy Healthy",
        "baseline:Healthy problem:Down recovered:Healthy",
    ),
    "a worse sighting counts towards a problem": ("Healthy Unhealthy Down", "baseline:Healthy problem:Down"),
    "a lesser sighting counts towards a problem": ("Healthy Down Unhealthy", "baseline:Healthy problem:Unhealthy"),
    "two good answers 15 s apart do not span 30 s": (
        "Healthy Down Down Healthy Healthy",
        "baseline:Healthy problem:Down",
    ),
    # R3
    "scenario 8: worse at once, easing is no recovery": (
        "Healthy Unhealthy Unhealthy Down Unhealthy Unhealthy",
        "baseline:Healthy problem:Unhealthy worsened:Down eased:Unhealthy",
    ),
    "easing is confirmed like anything else": (
        "Healthy Down Down Unhealthy Down Unhealthy",
        "baseline:Healthy problem:Down",
    ),
    # R4
    "scenario 5: healthy at first sight is a baseline": ("Healthy Healthy", "baseline:Healthy"),
    "pending at first sight is a baseline": ("Pending Pending", "baseline:Pending"),
    "scenario 6: a problem at first sight is confirmed": ("Down Down", "problem:Down"),
    "one problem, then good, at first sight": ("Down Healthy", "baseline:Healthy"),
    # R5
    "pending after healthy is a problem": ("Healthy Pending Pending", "baseline:Healthy problem:Pending"),
    "up for the first time": ("Pending Healthy Healthy Healthy", "baseline:Pending up:Healthy"),
    "a link that was never up comes back to pending": (
        "Down Down Pending Pending Pending",
        "problem:Down recovered:Pending",
    ),
    # R6
    "not seeing changes nothing": ("Healthy timeout timeout timeout timeout", "baseline:Healthy"),
    "not seeing does not stop a count": ("Healthy Down timeout timeout Down", "baseline:Healthy problem:Down"),
    "scenario 39: blindness does not close": (
        "Healthy Down Down timeout timeout timeout timeout Healthy",
        "baseline:Healthy problem:Down",
    ),
    # R8
    "an unknown word is a problem": ("Healthy Maintenance Maintenance", "baseline:Healthy problem:Maintenance"),
    "healthy in small letters is not Healthy": ("Healthy healthy healthy", "baseline:Healthy problem:healthy"),
    "an unknown word that becomes Down worsens": (
        "Healthy Maintenance Maintenance Down",
        "baseline:Healthy problem:Maintenance worsened:Down",
    ),
}


@pytest.mark.parametrize(("words", "expected"), CASES.values(), ids=CASES.keys())
def test_the_state_machine(words: str, expected: str) -> None:
    assert changes(run(words)) == expected


def test_confirm_one_believes_the_first_sighting() -> None:
    assert changes(run("Healthy Down", Policy(confirm=1))) == "baseline:Healthy problem:Down"


def test_a_transition_carries_its_bounds() -> None:
    transition = run("Healthy Healthy Down Down")[-1].transition
    assert transition is not None
    assert transition.last_seen_before == NIGHT + seconds(15)
    assert transition.first_seen_at == NIGHT + seconds(30)
    assert transition.confirmed_at == NIGHT + seconds(45)
    assert transition.sightings == 2
    assert transition.before == "Healthy"
    assert transition.reason == "reason of Down"


def test_a_worsening_keeps_the_incident() -> None:
    transitions = [d.transition for d in run("Healthy Unhealthy Unhealthy Down") if d.transition]
    _, opened, worsened = transitions
    assert opened.incident == worsened.incident == 1
    assert worsened.problem_since == opened.first_seen_at


def test_each_outage_is_an_incident_of_its_own() -> None:
    decisions = run("Healthy Down Down Healthy Healthy Healthy Down Down")
    problems = [d.transition for d in decisions if d.transition and d.transition.change is Change.PROBLEM]
    assert [t.incident for t in problems] == [1, 2]
    assert [t.number for t in problems] == [2, 4]


def test_three_failed_polls_in_a_row_are_blindness() -> None:
    assert [d.state.blind for d in run("Healthy timeout timeout timeout")] == [False, False, False, True]


def test_a_refusal_blinds_at_once() -> None:
    assert run("Healthy 403")[-1].state.blind


def test_one_answer_ends_blindness() -> None:
    state = run("Healthy 403 Healthy")[-1].state
    assert not state.blind
    assert state.cause is None


def test_a_gap_is_kept_and_the_change_in_it_says_so() -> None:
    state = run("Healthy Healthy")[-1].state
    assert state.last_seen_at is not None
    later = state.last_seen_at + timedelta(hours=1)
    first = decide(state, observation("Down", later), Policy())
    second = decide(first.state, observation("Down", later + seconds(15)), Policy())
    assert first.gap is not None
    assert (first.gap.from_at, first.gap.until_at) == (state.last_seen_at, later)
    assert second.transition is not None
    assert second.transition.unobserved
    assert second.transition.last_seen_before == state.last_seen_at


def test_an_unchanged_answer_is_not_notable() -> None:
    assert [d.notable for d in run("Healthy Healthy Healthy")] == [True, False, False]


def test_blindness_is_notable_only_until_it_is_known() -> None:
    decisions = run("Healthy timeout timeout timeout timeout timeout")
    assert [d.notable for d in decisions] == [True, True, True, True, False, False]


def test_a_late_observation_is_harmless() -> None:
    state = run("Healthy Healthy")[-1].state
    assert decide(state, observation("Down", NIGHT), Policy()).state == state


def test_a_failure_before_anything_was_seen_is_no_state() -> None:
    seen = Observation(account="a", name="n", at=NIGHT, sight=Unseen(TIMEOUT.cause))
    assert decide(unknown(), seen, Policy()).state.status is None


def test_a_removal_ends_the_incident_and_forgets_what_was_believed() -> None:
    before = run("Healthy Down Down")[-1].state
    state, transition = removed(before, NIGHT + seconds(600), last_listed_at=NIGHT, why="Cloudflare lists it no more")
    assert transition is not None
    assert (transition.change, transition.before, transition.after) == (Change.REMOVED, "Down", "removed")
    assert (transition.number, transition.incident, transition.problem_since) == (3, 1, before.problem_since)
    assert (transition.last_seen_before, transition.first_seen_at) == (before.last_seen_at, NIGHT + seconds(600))
    assert transition.reason == "Cloudflare lists it no more"
    kept = ("last_seen_at", "was_healthy", "incidents", "version")
    bare = {name: getattr(before, name) for name in kept}
    assert state == replace(unknown(), number=3, observed_at=NIGHT + seconds(600), **bare)


def test_what_was_observed_before_a_removal_and_is_recorded_after_it_brings_nothing_back() -> None:
    before = run("Healthy Down Down")[-1].state
    gone, _ = removed(before, NIGHT + seconds(600), last_listed_at=None, why="gone")
    for word, after in (("Down", 590), ("Healthy", 600)):
        late = decide(gone, observation(word, NIGHT + seconds(after)), Policy(confirm=1))
        assert (late.state, late.notable, late.transition) == (gone, False, None)


def test_a_link_that_was_listed_after_it_was_last_seen_was_there_then() -> None:
    before = run("Healthy")[-1].state
    _, transition = removed(before, NIGHT + seconds(600), last_listed_at=NIGHT + seconds(60), why="gone")
    assert transition is not None
    assert transition.last_seen_before == NIGHT + seconds(60)


def test_a_link_of_which_nothing_was_ever_believed_leaves_without_a_word() -> None:
    before = run("Down")[-1].state
    state, transition = removed(before, NIGHT + seconds(600), last_listed_at=None, why="gone")
    assert transition is None
    assert (state.candidate, state.number) == (None, 0)


@pytest.mark.parametrize(
    ("same", "expected"), [(True, "problem:Pending"), (False, "baseline:Pending")], ids=["same", "another"]
)
def test_the_same_link_was_healthy_before_and_another_one_under_its_name_was_not(
    same: bool,  # noqa: FBT001 - a table's column
    expected: str,
) -> None:
    gone, _ = removed(run("Healthy")[-1].state, NIGHT + seconds(600), last_listed_at=None, why="gone")
    decisions = run("Pending Pending", state=gone if same else renewed(gone), every=600)
    assert changes(decisions) == expected
    assert decisions[-1].state.number == 3
    assert (decisions[0].state.candidate is not None) is same
    assert (decisions[0].gap is not None) is same
