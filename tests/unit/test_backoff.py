"""R16: again after 5, 15, 30, 60, 120, then each 300 s, ±20 %."""

from datetime import timedelta

import pytest

from notifier.domain.backoff import gives_up_at, next_attempt
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
