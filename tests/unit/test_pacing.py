"""A storm: at most so many messages, then one each minute for everything, until it is calm (R27)."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.pacing import Pace, Sent, Storm, pace
from tests.support.examples import NIGHT, seconds

STORM = Storm()


def at(*times: float, lanes: int = 1) -> list[Sent]:
    return [Sent(at=NIGHT + seconds(time), lanes=lanes) for time in times]


def test_a_quiet_channel_may_send_ten_at_once() -> None:
    assert pace(STORM, [], NIGHT) == Pace(at=NIGHT, lanes=10)
    assert pace(STORM, at(-30, -1), NIGHT) == Pace(at=NIGHT, lanes=8)


def test_after_ten_in_a_minute_the_rest_waits_a_minute_and_goes_together() -> None:
    sent = at(*range(10))
    assert pace(STORM, sent, NIGHT + seconds(10)) == Pace(at=NIGHT + seconds(69), lanes=None)
    assert pace(STORM, sent, NIGHT + seconds(75)) == Pace(at=NIGHT + seconds(69), lanes=None)


def test_ten_in_more_than_a_minute_are_no_storm() -> None:
    sent = at(*range(0, 70, 7))
    assert pace(STORM, sent, NIGHT + seconds(64)) == Pace(at=NIGHT + seconds(64), lanes=1)


def test_a_message_of_several_lanes_is_followed_by_another_a_minute_later() -> None:
    sent = [*at(*range(10)), *at(69, lanes=40)]
    assert pace(STORM, sent, NIGHT + seconds(80)) == Pace(at=NIGHT + seconds(129), lanes=None)
    assert pace(STORM, sent, NIGHT + seconds(188)) == Pace(at=NIGHT + seconds(129), lanes=None)


def test_it_is_calm_when_a_minute_had_nothing_to_gather() -> None:
    sent = [*at(*range(10)), *at(69, lanes=40)]
    assert pace(STORM, sent, NIGHT + seconds(189)) == Pace(at=NIGHT + seconds(189), lanes=10)
    lone = [*sent, *at(130)]
    assert pace(STORM, lone, NIGHT + seconds(131)) == Pace(at=NIGHT + seconds(131), lanes=9)


def test_messages_of_a_future_that_a_clock_set_back_made_hold_nothing_up() -> None:
    assert pace(STORM, at(*range(3600, 3620)), NIGHT) == Pace(at=NIGHT, lanes=10)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30)), max_size=60), st.integers(1, 10))
def test_never_more_than_so_many_in_a_minute_and_nothing_waits_longer_than_one(
    plan: list[tuple[float, int]], messages: int
) -> None:
    """Lanes fall due at random; a channel that looks each second sends as the pace says."""
    storm = Storm(messages=messages)
    sent: list[Sent] = []
    now, waiting = NIGHT, 0
    waits_since: datetime | None = None
    arrivals = iter(plan)
    due, count = next(arrivals, (0.0, 0))
    next_at = now + timedelta(seconds=due)
    for _ in range(900):
        while count and next_at <= now:
            waiting += count
            due, count = next(arrivals, (0.0, 0))
            next_at += timedelta(seconds=due)
        waits_since = (waits_since or now) if waiting else None
        while waiting and (allowed := pace(storm, sent, now)).at <= now:
            lanes = waiting if allowed.lanes is None else 1
            sent.append(Sent(at=now, lanes=lanes))
            waiting -= lanes
            waits_since = now if waiting else None
        assert waits_since is None or now - waits_since <= storm.per
        assert sum(each.at > now - storm.per for each in sent) <= messages
        now += seconds(1)
    assert waiting == 0
