"""Spans of time as people write and read them."""

from datetime import timedelta

import pytest

from notifier.domain.duration import format_duration, parse_duration

WRITTEN = {
    "200ms": timedelta(milliseconds=200),
    "15s": timedelta(seconds=15),
    "5m": timedelta(minutes=5),
    "4h": timedelta(hours=4),
    "7d": timedelta(days=7),
    " 0s ": timedelta(),
}
SHOWN = {
    timedelta(): "0s",
    timedelta(milliseconds=1): "0.1s",
    timedelta(milliseconds=400): "0.4s",
    timedelta(milliseconds=999): "0.9s",
    timedelta(seconds=1): "1s",
    timedelta(seconds=45, milliseconds=900): "45s",
    timedelta(minutes=7, seconds=12): "7m 12s",
    timedelta(minutes=5): "5m",
    timedelta(hours=3, minutes=2, seconds=59): "3h 2m",
    timedelta(hours=1, seconds=5): "1h",
    timedelta(days=2, hours=4, minutes=30): "2d 4h",
}


@pytest.mark.parametrize(("text", "span"), WRITTEN.items())
def test_a_number_and_a_unit_are_a_duration(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "1.5s", "5 s", "1h30m", "5S", "5w", "1e3s", "٣s", "9999999999d"])
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="200ms, 15s, 5m, 4h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize(("span", "text"), SHOWN.items())
def test_a_span_is_shown_by_its_two_largest_units(span: timedelta, text: str) -> None:
    assert format_duration(span) == text
