"""Which channels a condition reaches, why, and after how long (R16, R23)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from notifier.domain.condition import Condition
from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Further channels, told of an incident that nobody has acknowledged for so long."""

    after: timedelta
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What goes to which channels; every route that takes a condition counts."""

    channels: tuple[str, ...]
    match: Matcher = field(default_factory=Matcher)
    escalate: Escalation | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Why a channel is told: at once, or `after` that time without acknowledgement."""

    why: str
    after: timedelta | None


def reached(routes: Sequence[Route], condition: Condition, channels: Collection[str]) -> dict[str, Reach]:
    """Return the channels that are told, each at the earliest that any route says.

    Without routes every channel is. The notifier's own trouble is told at once somewhere, whatever the routes say,
    and never on the channel that is in trouble (R16).
    """
    failing = condition.subject.name if condition.subject.kind in _OF_CHANNELS else None
    able = [channel for channel in channels if channel != failing]
    if not routes:
        return dict.fromkeys(able, Reach("no routes: everything to every channel", None))
    found: dict[str, Reach] = {}
    for channel, reach in sorted(_leads(routes, condition), key=lambda lead: lead[1].after or timedelta(0)):
        if channel in able:
            found.setdefault(channel, reach)
    if condition.own and all(reach.after is not None for reach in found.values()):
        return dict.fromkeys(able, Reach("the notifier's own trouble: told everywhere", None))
    return found


_OF_CHANNELS = {IncidentKind.CHANNEL, IncidentKind.DRILL}


def _leads(routes: Sequence[Route], condition: Condition) -> Iterator[tuple[str, Reach]]:
    for number, route in enumerate(routes):
        if route.match.takes(condition):
            why = f"routes[{number}]"
            yield from ((channel, Reach(why, None)) for channel in route.channels)
            if route.escalate is not None:
                reach = Reach(f"escalation of {why}", route.escalate.after)
                yield from ((channel, reach) for channel in route.escalate.channels)
