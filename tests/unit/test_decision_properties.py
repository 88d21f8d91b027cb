"""What holds of every history, whatever Cloudflare says and when."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.decision import Change, Policy, Transition, decide
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


@given(STEPS, POLICIES)
def test_incidents_open_and_close_in_turn(steps: list[tuple[str, int]], policy: Policy) -> None:
    state, transitions = replay(history(steps), policy)
    opened = 0
    is_open = False
    for transition in transitions:
        match transition.change:
            case Change.PROBLEM:
                opened += 1
                assert not is_open
                is_open = True
            case Change.RECOVERED:
                assert is_open
                is_open = False
            case Change.WORSENED | Change.EASED:
                assert is_open
            case Change.BASELINE | Change.UP:
                assert not is_open
                continue
        assert transition.incident == opened
    assert (state.incident is not None) == is_open == state.is_problem
    assert state.incidents == opened


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
