"""R16: again after 5, 15, 30, 60, 120, then each 300 s, ±20 %."""

from datetime import timedelta

import pytest

from notifier.domain.backoff import due_as_of, gives_up_at, next_attempt
from notifier.domain.notification import Action
from tests.support.examples import NIGHT, seconds


@pytest.mark.parametrize(("failed", "delay"), [(1, 5), (2, 15), (3, 30), (4, 60), (5, 120), (6, 300), (60, 300)])
def test_the_delays_grow(failed: int, delay: int) -> None:
    assert next_attempt(failed, NIGHT, retry_after=None, chance=0.5) == NIGHT + seconds(delay)


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 4), (0.5, 5), (1.0, 6)])
def test_chance_spreads_them(chance: float, delay: float) -> None:
    assert next_attempt(1, NIGHT, retry_after=None, chance=chance) == NIGHT + seconds(delay)


def test_a_receiver_is_never_asked_sooner_than_it_wants() -> None:
    assert next_attempt(1, NIGHT, retry_after=seconds(30), chance=0) == NIGHT + seconds(30)
    assert next_attempt(6, NIGHT, retry_after=seconds(30), chance=0.5) == NIGHT + seconds(300)


def test_a_close_is_tried_for_a_week_and_everything_else_for_a_day() -> None:
    assert gives_up_at(NIGHT, Action.CLOSE) == NIGHT + timedelta(days=7)
    assert gives_up_at(NIGHT, Action.OPEN) == gives_up_at(NIGHT, Action.TELL) == NIGHT + timedelta(days=1)


@pytest.mark.parametrize("ahead", [seconds(0), seconds(20), timedelta(hours=1), timedelta(days=400)])
def test_what_a_clock_ahead_has_promised_waits_no_longer_than_it_was_to(ahead: timedelta) -> None:
    wait, asked_for = seconds(10), timedelta(minutes=30)
    there = NIGHT + ahead
    assert due_as_of(NIGHT, there + wait, None, wait=wait) == NIGHT + wait
    assert due_as_of(NIGHT, there + asked_for, there, wait=wait) == NIGHT + asked_for


def test_a_second_start_brings_nothing_nearer_still() -> None:
    tried, wait = NIGHT + timedelta(hours=1), timedelta(minutes=30)
    due_at = due_as_of(NIGHT, tried + wait, tried, wait=seconds(10))
    assert due_as_of(NIGHT + seconds(5), due_at, tried, wait=seconds(10)) == due_at == NIGHT + wait


def test_what_is_due_soon_and_what_a_receiver_asked_for_stays_as_it_is() -> None:
    soon, tried = NIGHT + seconds(5), NIGHT - timedelta(minutes=10)
    assert due_as_of(NIGHT, soon, None, wait=seconds(10)) == soon
    assert due_as_of(NIGHT, tried + timedelta(hours=1), tried, wait=seconds(10)) == tried + timedelta(hours=1)
