"""How many messages a person bears: in a storm, one for all that is due (R27)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """More messages to one channel than `messages` in `per`."""

    messages: int = 10
    per: timedelta = timedelta(minutes=1)

    @property
    def memory(self) -> timedelta:
        """How far back messages bear on the next one."""
        return 3 * self.per


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message: when it was sent, and of how many lanes; of several only in a storm."""

    at: datetime
    lanes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When something may be sent, and how many lanes, each by itself; None: one message of all that is due."""

    at: datetime
    lanes: int | None


def pace(storm: Storm, sent: Collection[Sent], now: datetime) -> Pace:
    """Say what may be sent to a channel after the messages that it got within the storm's memory.

    Never more than `messages` in `per`. When there were as many, everything goes into one message each `per`, until
    one found a single lane to tell, or none. Nothing counts that lies in the future: a clock was set back.
    """
    past = sorted((each for each in sent if each.at <= now), key=lambda each: each.at)
    if past and _raging(storm, past) and past[-1].at > now - 2 * storm.per:
        return Pace(at=past[-1].at + storm.per, lanes=None)
    return Pace(at=now, lanes=storm.messages - sum(each.at > now - storm.per for each in past))


def _raging(storm: Storm, past: list[Sent]) -> bool:
    """Whether the newest message gathered several lanes, or was the last that was to be sent by itself."""
    burst = past[-storm.messages :]
    return past[-1].lanes > 1 or (len(burst) == storm.messages and past[-1].at - burst[0].at < storm.per)
