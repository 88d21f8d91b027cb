"""What was told beside what would have been told: pairs, and what they come to."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from notifier.domain.notification import Action, Kind
from notifier.past import Telling
from notifier.ports import Outcome

_TOGETHER = timedelta(hours=1)  # two tellings of one kind about one subject further apart tell two things
_SAME = timedelta(seconds=1)  # less is no difference
# What does not follow from observations: audit, drills and objective, what a changed configuration leaves behind.
_APART = {
    Kind.AUDIT_FAILED,
    Kind.AUDIT_PASSED,
    Kind.DRILL_FAILED,
    Kind.DRILL_PASSED,
    Kind.OBJECTIVE_MISSED,
    Kind.OBJECTIVE_MET,
    Kind.STRANDED,
    Kind.TEST,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing told to one channel, or promised to it: as it was, and as it would have been; None: not at all."""

    was: Telling | None
    would: Telling | None

    @property
    def telling(self) -> Telling:
        """Either of the two; what was, if that is there."""
        telling = self.was or self.would
        assert telling is not None  # noqa: S101 - one of the two always is
        return telling

    @property
    def at(self) -> datetime:
        """When it was first told, or promised, by either."""
        return min(_at(each) for each in (self.was, self.would) if each is not None)

    @property
    def later(self) -> timedelta | None:
        """How much later it would have been told; None if one of the two was not told."""
        was, would = told_at(self.was), told_at(self.would)
        return None if was is None or would is None else would - was

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        if self.was is None or self.would is None:
            return False
        if self.later is None:
            return self.was.outcome == self.would.outcome
        return abs(self.later) < _SAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one channel was told, or would have been: messages that arrived, and incidents opened at a stateful one."""

    messages: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What all pairs come to; `channels` are (was, would) by name, `later` and `earlier` by how much each was."""

    channels: Mapping[str, tuple[Tally, Tally]]
    same: int
    later: Sequence[timedelta]
    earlier: Sequence[timedelta]
    not_told: int
    newly_told: int


def compare(was: Sequence[Telling], would: Sequence[Telling], since: datetime) -> list[Pair]:
    """Pair what tells the same to the same channel, in the order of time, from a moment on."""
    pairs: list[Pair] = []
    ours, others = _by_key(was), _by_key(would)
    for key in {**ours, **others}:
        pairs += _paired(ours[key], others[key])
    return sorted((pair for pair in pairs if pair.at >= since), key=lambda pair: (pair.at, pair.telling.channel))


def summarise(pairs: Sequence[Pair]) -> Summary:
    """Count."""
    names = sorted({pair.telling.channel for pair in pairs})
    was, would = _tallies([p.was for p in pairs]), _tallies([p.would for p in pairs])
    shifts = [pair.later for pair in pairs if pair.later is not None]
    return Summary(
        channels={name: (was(name), would(name)) for name in names},
        same=sum(pair.same for pair in pairs),
        later=sorted(shift for shift in shifts if shift >= _SAME),
        earlier=sorted(-shift for shift in shifts if -shift >= _SAME),
        not_told=sum(told_at(p.was) is not None and told_at(p.would) is None for p in pairs),
        newly_told=sum(told_at(p.was) is None and told_at(p.would) is not None for p in pairs),
    )


def middle(spans: Sequence[timedelta]) -> timedelta:
    """Return the median of some spans."""
    return timedelta(seconds=median(span.total_seconds() for span in spans))


def told_at(telling: Telling | None) -> datetime | None:
    """When it arrived, if it did."""
    return telling.told_at if telling is not None else None


def _at(telling: Telling) -> datetime:
    return telling.told_at or telling.notification.recorded_at


def _by_key(tellings: Sequence[Telling]) -> defaultdict[tuple[object, ...], list[Telling]]:
    found: defaultdict[tuple[object, ...], list[Telling]] = defaultdict(list)
    for telling in tellings:
        told = telling.notification
        if told.kind not in _APART:
            found[telling.channel, told.account, told.subject, telling.action, told.kind, told.status].append(telling)
    return found


def _paired(was: Sequence[Telling], would: Sequence[Telling]) -> Iterator[Pair]:
    """Pair two lists about the same subject: each with the first of the other that is near enough."""
    ours, others = sorted(was, key=_at), sorted(would, key=_at)
    while ours and others:
        apart = _at(others[0]) - _at(ours[0])
        if abs(apart) <= _TOGETHER:
            yield Pair(ours.pop(0), others.pop(0))
        elif apart > timedelta():
            yield Pair(ours.pop(0), None)
        else:
            yield Pair(None, others.pop(0))
    yield from (Pair(each, None) for each in ours)
    yield from (Pair(None, each) for each in others)


class _Tallies:
    def __init__(self, tellings: Sequence[Telling]) -> None:
        self._messages: defaultdict[str, set[object]] = defaultdict(set)
        self._pages: Counter[str] = Counter()
        for telling in tellings:
            if telling.outcome is Outcome.SENT:
                last = telling.attempts[-1].message if telling.attempts else None
                self._messages[telling.channel].add(last or telling.number)
                self._pages[telling.channel] += telling.action is Action.OPEN

    def __call__(self, channel: str) -> Tally:
        return Tally(messages=len(self._messages[channel]), pages=self._pages[channel])


def _tallies(tellings: Sequence[Telling | None]) -> _Tallies:
    return _Tallies([telling for telling in tellings if telling is not None])
