"""Maintenance windows recur by people's clocks, through every clock change (R24)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.adapters.cron import check_cron, fixed, occurrences, recurring

_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
_AMSTERDAM, _NEW_YORK = ZoneInfo("Europe/Amsterdam"), ZoneInfo("America/New_York")


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_window_begins_at_its_first_moment_and_has_ended_at_its_last() -> None:
    until = recurring("0 2 * * SUN", 2 * _HOUR, _AMSTERDAM)
    assert until(_utc("2026-12-06T00:59:59.999999")) is None
    assert until(_utc("2026-12-06T01:00")) == _utc("2026-12-06T03:00")
    assert until(_utc("2026-12-06T02:59:59.999999")) == _utc("2026-12-06T03:00")
    assert until(_utc("2026-12-06T03:00")) is None
    assert until(_utc("2026-12-07T01:30")) is None


def test_of_windows_that_overlap_the_last_begun_counts() -> None:
    until = recurring("0 * * * *", 90 * _MINUTE, _AMSTERDAM)
    assert until(_utc("2026-12-06T01:59")) == _utc("2026-12-06T02:30")
    assert until(_utc("2026-12-06T02:00")) == _utc("2026-12-06T03:30")


def test_a_window_may_be_longer_than_a_day() -> None:
    until = recurring("0 18 * * FRI", 60 * _HOUR, _NEW_YORK)
    assert until(_utc("2026-12-07T10:59")) == _utc("2026-12-07T11:00")
    assert until(_utc("2026-12-07T11:00")) is None


def test_a_single_window_has_a_beginning_and_an_end() -> None:
    begin, end = _utc("2026-12-01T21:00"), _utc("2026-12-02T01:00")
    until = fixed(begin, end)
    assert [until(at) for at in (begin - _MINUTE, begin, end - _MINUTE, end)] == [None, end, end, None]


# --- Clock changes: what a day's window is, beginning and end -------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "zone", "day", "begin", "end"),
    [
        # Clocks go from 02:00 to 03:00: 02:30 is made up for at 03:00.
        ("30 2 * * *", _AMSTERDAM, "2026-03-29", "01:00", "02:00"),
        ("30 2 * * *", _AMSTERDAM, "2027-03-28", "01:00", "02:00"),
        ("30 2 * * SUN", _NEW_YORK, "2026-03-08", "07:00", "08:00"),
        ("30 2 * * SUN", _NEW_YORK, "2027-03-14", "07:00", "08:00"),
        # An hour is an hour: this one is over at 03:30.
        ("30 1 * * SUN", _AMSTERDAM, "2026-03-29", "00:30", "01:30"),
        # Clocks go back to 02:00 at 03:00: the first 02:30 counts.
        ("30 2 * * *", _AMSTERDAM, "2026-10-25", "00:30", "01:30"),
        ("30 2 * * *", _AMSTERDAM, "2027-10-31", "00:30", "01:30"),
        ("30 1 * * SUN", _NEW_YORK, "2026-11-01", "05:30", "06:30"),
        ("30 1 * * SUN", _NEW_YORK, "2027-11-07", "05:30", "06:30"),
        # The days around it.
        ("30 2 * * *", _AMSTERDAM, "2026-10-24", "00:30", "01:30"),
        ("30 2 * * *", _AMSTERDAM, "2026-10-26", "01:30", "02:30"),
    ],
)
def test_an_hour_a_day_is_an_hour_on_the_day_of_a_clock_change(
    cron: str, zone: ZoneInfo, day: str, begin: str, end: str
) -> None:
    until = recurring(cron, _HOUR, zone)
    midnight = _utc(day)
    inside = [at for at in (midnight + minute * _MINUTE for minute in range(24 * 60)) if until(at) is not None]
    assert (inside[0], inside[-1] + _MINUTE, len(inside)) == (_utc(f"{day}T{begin}"), _utc(f"{day}T{end}"), 60)
    assert {until(at) for at in inside} == {_utc(f"{day}T{end}")}


def test_what_recurs_by_the_hour_goes_on_through_the_hour_that_comes_twice() -> None:
    until = recurring("0 * * * *", 15 * _MINUTE, _AMSTERDAM)
    for hour in range(4):
        begin = _utc("2026-10-24T23:00") + hour * _HOUR
        assert until(begin) == begin + 15 * _MINUTE
        assert until(begin + 15 * _MINUTE) is None


# --- Against a reference that looks at every minute ---------------------------------------------------------

_CHANGES = {
    (_AMSTERDAM, "2026-03-29T01:00"),
    (_AMSTERDAM, "2026-10-25T01:00"),
    (_NEW_YORK, "2027-03-14T07:00"),
    (_NEW_YORK, "2027-11-07T06:00"),
}
_MINUTES = {"0": {0}, "59": {59}, "15,45": {15, 45}, "*": set(range(60)), "*/20": {0, 20, 40}}
_HOURS = {"0": {0}, "1": {1}, "2": {2}, "1-3": {1, 2, 3}, "*": set(range(24)), "*/2": set(range(0, 24, 2))}
_DAYS = {"*": set(range(7)), "SUN": {0}, "1-6": set(range(1, 7))}


def _begun(minute: str, hour: str, day: str, zone: ZoneInfo, since: datetime, at: datetime) -> datetime | None:
    """Return the last beginning until `at`, found by looking at each minute."""

    def fits(local: datetime) -> bool:
        return local.minute in _MINUTES[minute] and local.hour in _HOURS[hour] and local.isoweekday() % 7 in _DAYS[day]

    steps = range((at - since) // _MINUTE + 61)  # clocks may be an hour further on
    if minute.startswith("*") or hour.startswith("*"):
        moments = [each for each in (since + step * _MINUTE for step in steps) if fits(each.astimezone(zone))]
    else:
        wall = since.astimezone(zone).replace(tzinfo=None)
        moments = [_first(each, zone) for each in (wall + step * _MINUTE for step in steps) if fits(each)]
    return max((each for each in moments if each <= at), default=None)


def _first(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when clocks first show a time, or the one after it that they do show."""
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    return at if at.astimezone(zone).replace(tzinfo=None) == wall else _first(wall + _MINUTE, zone)


@given(
    minute=st.sampled_from(sorted(_MINUTES)),
    hour=st.sampled_from(sorted(_HOURS)),
    day=st.sampled_from(sorted(_DAYS)),
    change=st.sampled_from(sorted(_CHANGES, key=str)),
    length=st.sampled_from([1, 30, 60, 150, 1500]),
    offset=st.integers(-240, 240),
)
def test_every_minute_around_a_clock_change_is_as_a_reference_has_it(
    minute: str, hour: str, day: str, change: tuple[ZoneInfo, str], length: int, offset: int
) -> None:
    zone, at = change[0], _utc(change[1]) + offset * _MINUTE
    span = length * _MINUTE
    begun = _begun(minute, hour, day, zone, at - span - 2 * _HOUR, at)
    expected = begun + span if begun is not None and begun + span > at else None
    assert recurring(f"{minute} {hour} * * {day}", span, zone)(at) == expected


# --- What is no cron expression ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "good", ["0 2 * * SUN", "*/15 1-3 * * mon-fri", "0 0 L * *", "0 4 * * 1#2", "0 0 29 2 *", "30 1 * * 6-7"]
)
def test_what_cron_understands_is_taken(good: str) -> None:
    assert check_cron(good) is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("", "it has not five fields"),
        ("0 2 * *", "it has not five fields"),
        ("0 0 2 * * SUN", "it has not five fields"),
        ("@daily", "it has not five fields"),
        ("60 * * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 2 * * SAT-SUN", "bad day-of-week"),
        ("0 2 30 2 *", "bad day-of-month"),
        ("0 2 * FOO *", "bad month"),
    ],
)
def test_what_cron_does_not_understand_is_told(wrong: str, told: str) -> None:
    assert check_cron(wrong) == told


@given(
    st.text("0123456789*/-,#LWSUNMON ", max_size=30)
    | st.lists(st.text(max_size=4), min_size=5, max_size=5).map(" ".join)
)
def test_any_text_is_taken_or_told(text: str) -> None:
    if check_cron(text) is None:
        recurring(text, _HOUR, _AMSTERDAM)(_utc("2026-10-25T01:00"))


@pytest.mark.parametrize("zone", [_AMSTERDAM, _NEW_YORK, ZoneInfo("Australia/Lord_Howe")])
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_windows_of_a_period_are_those_that_keep_messages_back(zone: ZoneInfo, data: st.DataObject) -> None:
    cron = data.draw(st.sampled_from(["30 2 * * *", "0 * * * *", "15 1 * * SUN", "0 0 1 * *", "*/20 1-3 * * *"]))
    length = timedelta(minutes=data.draw(st.sampled_from([10, 60, 90, 3000])))
    begin = datetime(2026, data.draw(st.sampled_from([3, 4, 10, 11])), data.draw(st.integers(1, 28)), tzinfo=UTC)
    spans = list(occurrences(cron, length, zone, begin, begin + timedelta(days=2)))
    until = recurring(cron, length, zone)
    for minute in range(0, 2 * 24 * 60, 13):
        moment = begin + timedelta(minutes=minute)
        assert any(first <= moment < last for first, last in spans) == (until(moment) is not None)
