"""What holds of every history, whatever Cloudflare says and when."""

from collections.abc import Iterator
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.decision import Change, Policy, Transition, calm, decide, removed
from notifier.domain.observation import Observation
from notifier.domain.state import State
from notifier.domain.status import is_problem
from tests.support.examples import NIGHT, observation, unknown

WORDS = st.sampled_from(["Healthy", "Pending", "Unhealthy", "Down", "Maintenance", "timeout", "403"])
STEPS = st.lists(st.tuples(WORDS, st.integers(1, 400)), max_size=60)
POLICIES = st.builds(
    Policy,
    confirm=st.integers(1, 3),
    recover=st.integers(1, 3),
    recover_for=st.sampled_from([timedelta(), timedelta(seconds=30)]),
)


def history(steps: list[tuple[str, int]]) -> list[Observation]:
    at, seen = NIGHT, []
    for word, later in steps:
        at += timedelta(seconds=later)
        seen.append(observation(word, at))
    return seen


def replay(seen: list[Observation], policy: Policy) -> tuple[State, list[Transition]]:
    state, transitions = unknown(), []
    for each in seen:
        decision = decide(state, each, policy)
        state = decision.state
        if decision.transition is not None:
            transitions.append(decision.transition)
    return state, transitions


@given(STEPS, POLICIES)
def test_transitions_chain_and_never_lead_to_the_same_state(steps: list[tuple[str, int]], policy: Policy) -> None:
    state, transitions = replay(history(steps), policy)
    before = None
    for number, transition in enumerate(transitions, start=1):
        assert transition.number == number
        assert transition.before == before
        assert transition.after != before
        before = transition.after
    assert state.status == before
    assert state.number == len(transitions)


@given(STEPS, POLICIES, st.integers(0, 60))
def test_replaying_a_prefix_changes_nothing(steps: list[tuple[str, int]], policy: Policy, length: int) -> None:
    seen = history(steps)
    assert replay(seen + seen[:length], policy) == replay(seen, policy)


@given(STEPS, POLICIES, st.data())
def test_late_and_repeated_observations_are_harmless(
    steps: list[tuple[str, int]], policy: Policy, data: st.DataObject
) -> None:
    seen = history(steps)
    disturbed: list[Observation] = []
    for each in seen:
        disturbed.append(each)
        disturbed += data.draw(st.lists(st.sampled_from(disturbed), max_size=2))
    assert replay(disturbed, policy) == replay(seen, policy)


LIVES = st.lists(
    st.tuples(WORDS | st.just("removed"), st.sampled_from([15, 60, 400, 1800])), max_size=80
)  # half an hour is as long as flapping takes to end


def live(steps: list[tuple[str, int]], policy: Policy) -> Iterator[tuple[State, State, Transition | None]]:
    """Live through observations, removals and the ends of flapping: each state, the one after, and the transition."""
    at, state = NIGHT, unknown()
    for word, later in steps:
        at += timedelta(seconds=later)
        if (calmed := calm(state, at, policy)) is not None:
            yield state, calmed, None
            state = calmed
        if word == "removed":
            after, transition = removed(state, at, last_listed_at=None, why="gone")
        else:
            decision = decide(state, observation(word, at), policy)
            after, transition = decision.state, decision.transition
        yield state, after, transition
        state = after


@given(LIVES, POLICIES)
def test_whatever_happens_numbers_have_no_gaps_and_transitions_chain(
    steps: list[tuple[str, int]], policy: Policy
) -> None:
    number, status = 0, None
    for before, after, transition in live(steps, policy):
        if transition is not None:
            number += 1
            assert (transition.number, transition.before) == (number, status)
            status = None if transition.change is Change.REMOVED else transition.after
        assert (after.number, after.status) == (number, status)
        assert before.number <= after.number


@given(LIVES, POLICIES)
def test_each_incident_is_opened_once_and_closed_once(steps: list[tuple[str, int]], policy: Policy) -> None:
    opened, is_open = 0, False
    for before, after, transition in live(steps, policy):
        match None if transition is None else transition.change:
            case None:
                is_open = is_open and not (before.flapping and not after.flapping and not after.is_problem)
            case Change.PROBLEM:
                opened += not is_open
                is_open = True
            case Change.RECOVERED:
                assert is_open
                is_open = after.flapping
            case Change.WORSENED | Change.EASED:
                assert is_open
            case Change.REMOVED:
                is_open = False
            case Change.BASELINE | Change.UP:
                assert not is_open or after.flapping
        if transition is not None and transition.incident is not None:
            assert transition.incident == opened
        assert after.incident == (opened if is_open else None)
        assert after.incidents == opened
        assert is_open if after.is_problem else after.flapping or not is_open
        assert (after.problem_since is not None) == is_open


@given(LIVES, POLICIES)
def test_flapping_begins_once_and_lasts_until_it_is_calm_or_the_link_is_gone(
    steps: list[tuple[str, int]], policy: Policy
) -> None:
    for before, after, transition in live(steps, policy):
        if transition is not None and transition.change is not Change.REMOVED:
            assert transition.flapping == after.flapping
            assert after.flapping or not before.flapping
        elif before.flapping and not after.flapping:
            assert after.changes == ()
        assert len(after.changes) <= policy.flapping.changes
        assert list(after.changes) == sorted(after.changes)


@given(STEPS, POLICIES)
def test_bounds_are_in_order(steps: list[tuple[str, int]], policy: Policy) -> None:
    _, transitions = replay(history(steps), policy)
    for t in transitions:
        assert t.first_seen_at <= t.confirmed_at
        assert t.last_seen_before is None or t.last_seen_before < t.first_seen_at


@given(STEPS, POLICIES)
def test_a_believed_status_was_really_seen(steps: list[tuple[str, int]], policy: Policy) -> None:
    seen = history(steps)
    _, transitions = replay(seen, policy)
    words = {(o.at, o.sight) for o in seen}
    for t in transitions:
        assert any(at == t.confirmed_at and getattr(sight, "status", None) == t.after for at, sight in words)


@given(STEPS)
def test_nothing_good_is_ever_a_problem(steps: list[tuple[str, int]]) -> None:
    _, transitions = replay(history(steps), Policy())
    assert all(t.after == "Healthy" or t.change is not Change.UP for t in transitions)
    assert not is_problem("Healthy", was_healthy=True)
