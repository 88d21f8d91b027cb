"""The steady clock: it never jumps, never goes back, and comes to agree with the machine's."""

import logging
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.adapters.clock import SteadyClock, SystemClock, since_boot
from tests.support.examples import NIGHT, seconds

HOUR = timedelta(hours=1)


class Machine:
    """A machine's clocks: time passes, and somebody sets the one that can be set."""

    def __init__(self) -> None:
        self.passed = timedelta()
        self.set_by = timedelta()
        self.clock = SteadyClock(self.wall, lambda: self.passed)

    def wall(self) -> datetime:
        return NIGHT + self.passed + self.set_by

    @property
    def apart(self) -> timedelta:
        return self.wall() - self.clock.now()

    def run(self, span: timedelta) -> None:
        """Let time pass, reading the clock now and then."""
        end = self.passed + span
        while self.passed < end:
            self.passed += min(seconds(10), end - self.passed)
            self.clock.now()


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    return [(record.getMessage(), record.__dict__["fields"]) for record in caplog.records]


def test_nobody_set_the_clock_and_both_agree_whatever_passes() -> None:
    machine = Machine()
    for hours in (0, 1, 1000):
        machine.passed += hours * HOUR
        assert machine.clock.now() == machine.wall()


@pytest.mark.parametrize(("step", "word"), [(-HOUR, "back"), (HOUR, "forward")])
def test_a_clock_that_was_set_is_said_once_and_agreed_with_slowly(
    step: timedelta, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine()
    machine.run(HOUR)
    before = machine.clock.now()
    machine.set_by = step
    assert machine.clock.now() == before
    machine.run(9 * HOUR)
    assert machine.apart == step / 10
    machine.run(HOUR)
    assert machine.apart == timedelta()
    fields = {"by": HOUR, "agreed_in": 10 * HOUR}
    assert said(caplog) == [(f"the machine's clock was set {word}", fields)]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_clock_that_is_set_right_again_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.set_by = HOUR
    machine.run(timedelta(minutes=10))
    machine.set_by = timedelta()
    machine.run(timedelta(minutes=20))
    assert machine.apart == timedelta()
    assert [fields for _, fields in said(caplog)] == [
        {"by": HOUR, "agreed_in": 10 * HOUR},
        {"by": HOUR, "agreed_in": timedelta(minutes=10)},
    ]


def test_what_is_less_than_a_second_is_made_up_for_and_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.set_by = seconds(-0.9)
    machine.run(seconds(9))
    assert machine.apart == timedelta()
    assert said(caplog) == []


def test_a_machine_that_slept_for_an_hour_has_an_hour_more_on_both(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.passed += HOUR
    assert machine.clock.now() == NIGHT + HOUR
    assert said(caplog) == []


@given(
    st.lists(
        st.tuples(st.timedeltas(timedelta(), 2 * HOUR), st.timedeltas(-2 * HOUR, 2 * HOUR)), min_size=1, max_size=30
    )
)
def test_it_never_goes_back_never_jumps_and_comes_to_agree(passing: list[tuple[timedelta, timedelta]]) -> None:
    machine = Machine()
    read = [(machine.passed, machine.clock.now())]
    for passed, step in passing:
        machine.passed += passed
        machine.set_by += step
        read.append((machine.passed, machine.clock.now()))
    for (was, before), (at, after) in pairwise(read):
        assert abs((after - before) - (at - was)) <= (at - was) / 10 + timedelta(microseconds=1)
        assert after >= before
    machine.passed += 10 * abs(machine.apart)
    assert machine.apart == timedelta()


def test_it_starts_as_the_machines_clock_and_goes_on() -> None:
    clock, machine, boot = SteadyClock(), SystemClock(), since_boot()
    first = clock.now()
    assert abs(machine.now() - first) < seconds(5)
    assert clock.now() >= first
    assert since_boot() >= boot > timedelta()
