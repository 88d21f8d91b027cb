"""Spans of time as people write and read them."""

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_FORM = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")


def parse_duration(text: str) -> timedelta:
    """Read `200ms`, `15s`, `5m`, `4h` or `7d`; ValueError for anything else."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected a number and a unit, such as 200ms, 15s, 5m, 4h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def format_duration(span: timedelta) -> str:
    """Write a span with its two largest units: `7m 12s`, `2d 4h`, `45s`; below a second `0.4s`."""
    seconds = span.total_seconds()
    if 0 < seconds < 1:
        return f"{min(max(seconds, 0.1), 0.9):.1f}s"
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{number}{unit}" for number, unit in parts[:2] if number) or "0s"
