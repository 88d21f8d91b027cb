"""When drills are made: a marked problem and its recovery, to see whether channels take what they are sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

GRACE = timedelta(minutes=5)  # a drill is made up for so long after its time, and not later
LANES = "drill/"  # how the lanes of drills begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Drills that recur: `due` tells, of a moment, for what time a drill is to be made, if for any.

    Each of the `channels` is to take the problem `within` that time, and its recovery within as much again.
    """

    due: Callable[[datetime], datetime | None]
    channels: tuple[str, ...]
    within: timedelta


def drill_key(number: int) -> str:
    """Return the key under which a drill is opened, and closed, at a stateful receiver."""
    return f"cni:drill:{number}"


def is_drill(key: str | None) -> bool:
    """Whether that is the key of a drill; a failed one's incident names its channel in between."""
    start, _, number = (key or "").rpartition(":")
    return start == "cni:drill" and number.isdigit()
