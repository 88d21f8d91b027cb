"""For how much of a time a link was good, bad, under maintenance, or not observed at all. Pure.

What nobody saw is neither good nor bad: a link that was Down when it was last seen counts as unobserved from then on.
Nor was it under maintenance, whatever was planned: that covers good and bad time only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, assert_never

from notifier.domain.decision import Change
from notifier.domain.status import HEALTHY, PENDING


class Quality(StrEnum):
    """What a stretch of time was, the worst last."""

    GOOD = "good"  # no problem: Healthy, or Pending before it ever was
    MAINTENANCE = "maintenance"  # planned: what the link was meanwhile counts neither way
    UNOBSERVED = "unobserved"
    BAD = "bad"


# There may be a million of these three: tuples are made in half the time.


class Period(NamedTuple):
    """The time from a moment until just before another, which is not earlier."""

    from_at: datetime
    until_at: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until_at - self.from_at


class Turn(NamedTuple):
    """From this moment on a link was believed to be this."""

    at: datetime
    quality: Quality


class Stretch(NamedTuple):
    """A time throughout which a link was one thing."""

    period: Period
    quality: Quality


@dataclass(frozen=True, slots=True)
class Cell:
    """One of the equal parts of a bar: how much of it was what; what it never was is not named."""

    period: Period
    lengths: Mapping[Quality, timedelta]

    @property
    def quality(self) -> Quality:
        """The worst that it was, however short."""
        return max(self.lengths, key=_BADNESS.__getitem__, default=Quality.UNOBSERVED)

    def share(self, quality: Quality) -> float:
        """How much of it was that, from 0 to 1."""
        return self.lengths.get(quality, timedelta()) / self.period.length if self.period.length else 0.0


_NONE = timedelta()
_BADNESS = {quality: place for place, quality in enumerate(Quality)}


def quality_after(change: Change) -> Quality:
    """Say what a link is after a transition."""
    match change:
        case Change.BASELINE | Change.RECOVERED | Change.UP:
            return Quality.GOOD
        case Change.PROBLEM | Change.WORSENED | Change.EASED:
            return Quality.BAD
        case Change.REMOVED:
            return Quality.UNOBSERVED
        case _:
            assert_never(change)


def quality_before(change: Change, before: str | None) -> Quality:
    """Say what a link was before a transition from that status (None: it was not known)."""
    if before is None:
        return Quality.UNOBSERVED
    match change:
        case Change.WORSENED | Change.EASED | Change.RECOVERED:
            return Quality.BAD
        case Change.BASELINE | Change.PROBLEM | Change.UP:
            return Quality.GOOD
        case Change.REMOVED:
            return Quality.GOOD if before in {HEALTHY, PENDING} else Quality.BAD
        case _:
            assert_never(change)


def stretches(
    period: Period, *, before: Quality, turns: Iterable[Turn], unseen: Iterable[Period]
) -> tuple[Stretch, ...]:
    """Divide a period into stretches that follow each other without a gap, no two neighbours alike.

    `before` is what was believed of the link at its start: unobserved if it was not known yet. `turns` are the link's
    in their order; one that was before the period counts from its start. `unseen` are its gaps, and when it was blind.
    """
    believed, at, quality = list[Stretch](), period.from_at, before
    for turn in turns:
        until = min(max(turn.at, at), period.until_at)
        believed.append(Stretch(Period(at, until), quality))
        at, quality = until, turn.quality
    believed.append(Stretch(Period(at, period.until_at), quality))
    return overlay(believed, unseen, Quality.UNOBSERVED)


def overlay(under: Iterable[Stretch], covers: Iterable[Period], quality: Quality) -> tuple[Stretch, ...]:
    """Let some times, in any order, be of a quality whatever lies there; what is outside the stretches is left out."""
    apart, place = merged(covers), 0
    if not apart:
        return joined(under)
    found: list[Stretch] = []
    for stretch in under:
        at, end = stretch.period.from_at, stretch.period.until_at
        while place < len(apart) and apart[place].from_at < end:
            cover = apart[place]
            begin, until = max(at, cover.from_at), min(end, cover.until_at)
            if begin < until:
                found += [Stretch(Period(at, begin), stretch.quality), Stretch(Period(begin, until), quality)]
                at = until
            if cover.until_at > end:
                break  # it goes on in the next
            place += 1
        found.append(stretch if at == stretch.period.from_at else Stretch(Period(at, end), stretch.quality))
    return joined(found)


def merged(periods: Iterable[Period]) -> tuple[Period, ...]:
    """Make of periods in any order the same time in periods apart, in their order."""
    apart: list[Period] = []
    for each in sorted(periods, key=lambda period: period.from_at):
        if apart and each.from_at <= apart[-1].until_at:
            apart[-1] = Period(apart[-1].from_at, max(apart[-1].until_at, each.until_at))
        else:
            apart.append(each)
    return tuple(apart)


def totals(found: Iterable[Stretch]) -> dict[Quality, timedelta]:
    """Add up how long it was what; what it never was is not named."""
    lengths: dict[Quality, timedelta] = {}
    for stretch in found:
        period, quality = stretch.period, stretch.quality
        length = period.until_at - period.from_at
        lengths[quality] = lengths[quality] + length if quality in lengths else length
    return lengths


def cells(period: Period, found: Sequence[Stretch], count: int) -> tuple[Cell, ...]:
    """Fold a period's stretches into so many equal cells."""
    return fold(_divided(period, count), found)


def fold(parts: Iterable[Period], found: Sequence[Stretch]) -> tuple[Cell, ...]:
    """Fold stretches into parts of their period that follow each other."""
    folded, place = [], 0
    for cell in parts:
        begin, until = cell.from_at, cell.until_at
        lengths: dict[Quality, timedelta] = {}
        while place < len(found):
            stretch, quality = found[place].period, found[place].quality
            end = stretch.until_at
            length = (min(until, end)) - (max(begin, stretch.from_at))
            if length > _NONE:
                lengths[quality] = lengths[quality] + length if quality in lengths else length
            if end > until:
                break  # it goes on in the next
            place += 1
        folded.append(Cell(cell, lengths))
    return tuple(folded)


@lru_cache(maxsize=8)
def _divided(period: Period, count: int) -> tuple[Period, ...]:
    """Divide a period, which is the same for many links."""
    bounds = [*(period.from_at + period.length * place / count for place in range(count)), period.until_at]
    return tuple(Period(*two) for two in pairwise(bounds))


def joined(found: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Leave out what has no length, and make one of neighbours that are alike and touch."""
    alone: list[Stretch] = []
    last: Stretch | None = None
    for stretch in found:
        period = stretch.period
        if period.from_at == period.until_at:
            continue
        if last and last.quality is stretch.quality and last.period.until_at == period.from_at:
            last = alone[-1] = Stretch(Period(last.period.from_at, period.until_at), stretch.quality)
        else:
            alone.append(stretch)
            last = stretch
    return tuple(alone)
