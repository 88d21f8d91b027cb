"""What a clock that was ahead has written is brought back to the present (R7)."""

from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.state import State, as_of
from tests.support.examples import NIGHT, run, seconds

HOUR = timedelta(hours=1)
EVENTFUL = "Healthy Down Down Healthy Healthy Healthy Down Down Healthy"  # a problem, and a candidate for its end

WORDS = st.lists(st.sampled_from(["Healthy", "Down", "timeout"]), min_size=1, max_size=20)


def after(words: str) -> State:
    return run(words)[-1].state


def times(value: object) -> list[datetime]:
    """Return every moment in a state, wherever it stands."""
    if isinstance(value, datetime):
        return [value]
    if isinstance(value, tuple):
        return [at for each in value for at in times(each)]
    if is_dataclass(value):
        return [at for each in fields(value) for at in times(getattr(value, each.name))]
    return []


def test_what_lies_in_the_past_stays_as_it_is() -> None:
    state = after(EVENTFUL)
    assert state.observed_at is not None
    assert as_of(state, state.observed_at) == state


def test_no_time_of_a_state_lies_in_the_future() -> None:
    state, now = after(EVENTFUL), NIGHT - HOUR
    assert len(times(state)) == 9  # of every field that has one
    assert set(times(as_of(state, now))) == {now}


def test_the_next_look_counts() -> None:
    state = as_of(after("Healthy Healthy Down"), NIGHT - HOUR)
    [decision] = run("Down", state=state)
    assert decision.transition is not None
    assert decision.transition.first_seen_at == NIGHT - HOUR


def test_nothing_but_times_is_changed() -> None:
    before = after(EVENTFUL)
    brought = as_of(before, NIGHT - HOUR)
    assert (brought.status, brought.number, brought.incident) == (before.status, before.number, before.incident)
    assert brought.candidate is not None
    assert before.candidate is not None
    assert brought.candidate.sightings == before.candidate.sightings
    assert brought.version == before.version


def test_changes_that_are_brought_back_do_not_make_a_link_flap() -> None:
    state = after("Healthy Down Down Healthy Healthy Healthy Down Down")
    assert len(state.changes) == 3
    brought = as_of(state, NIGHT - HOUR)
    assert brought.changes == (NIGHT - HOUR,)
    assert not any(decision.flapping_began for decision in run("Healthy Healthy Healthy", state=brought))


def test_what_has_flapped_flaps_until_it_was_quiet_for_long_enough_from_now_on() -> None:
    state = after("Healthy " + "Down Down Healthy Healthy Healthy " * 2)
    assert state.flapping
    assert as_of(state, NIGHT - HOUR).changes == (NIGHT - HOUR,)


@given(WORDS, st.integers(-600, 600))
def test_a_state_keeps_its_order_of_times(words: list[str], later: int) -> None:
    state = as_of(after(" ".join(words)), NIGHT + seconds(later))
    assert all(at <= NIGHT + seconds(later) for at in times(state))
    assert as_of(state, NIGHT + seconds(later)) == state
    in_order = [at for at in (state.problem_since, state.since, state.last_seen_at, state.observed_at) if at]
    assert in_order == sorted(in_order)
    assert list(state.changes) == sorted(set(state.changes))
