"""For how much of a time a link was good, bad, or not observed at all. Pure.

What nobody saw is neither good nor bad: a link that was Down when it was last seen counts as unobserved from then on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import assert_never

from notifier.domain.decision import Change, Transition


class Quality(StrEnum):
    """What a stretch of time was, the worst last."""

    GOOD = "good"  # no problem: Healthy, or Pending before it ever was
    UNOBSERVED = "unobserved"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Span:
    """A time from a moment until just before another, which is not earlier."""

    from_at: datetime
    until_at: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until_at - self.from_at


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time throughout which a link was one thing."""

    span: Span
    quality: Quality


@dataclass(frozen=True, slots=True)
class Cell:
    """One of the equal parts of a bar: how much of it was what; what it never was is not named."""

    span: Span
    lengths: Mapping[Quality, timedelta]

    @property
    def quality(self) -> Quality:
        """The worst that it was, however short."""
        return max(self.lengths, key=_BADNESS.__getitem__, default=Quality.UNOBSERVED)

    def share(self, quality: Quality) -> float:
        """How much of it was that, from 0 to 1."""
        return self.lengths.get(quality, timedelta()) / self.span.length if self.span.length else 0.0


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


def stretches(
    period: Span, *, before: Quality, transitions: Iterable[Transition], unseen: Iterable[Span]
) -> tuple[Stretch, ...]:
    """Divide a period into stretches that follow each other without a gap, no two neighbours alike.

    `before` is what was believed of the link at its start: unobserved if it was not known yet. `transitions` are the
    link's in the period; each counts from when it was first seen. `unseen` are its gaps, and when it was blind.
    """
    begun = [(period.from_at, before)]
    for transition in sorted(transitions, key=lambda each: each.number):
        at = min(max(transition.first_seen_at, begun[-1][0]), period.until_at)
        begun.append((at, quality_after(transition.change)))
    ends = [at for at, _ in begun[1:]] + [period.until_at]
    believed = [Stretch(Span(at, end), quality) for (at, quality), end in zip(begun, ends, strict=True)]
    return overlay(believed, unseen, Quality.UNOBSERVED)


def overlay(under: Iterable[Stretch], spans: Iterable[Span], quality: Quality) -> tuple[Stretch, ...]:
    """Let some spans, in any order, be of a quality whatever lies there; what is outside the stretches is left out."""
    covers = sorted(spans, key=lambda span: span.from_at)
    found: list[Stretch] = []
    for stretch in under:
        at, end = stretch.span.from_at, stretch.span.until_at
        for cover in covers:
            begin, until = max(at, cover.from_at), min(end, cover.until_at)
            if begin < until:
                found += [Stretch(Span(at, begin), stretch.quality), Stretch(Span(begin, until), quality)]
                at = until
        found.append(Stretch(Span(at, end), stretch.quality))
    return _joined(found)


def totals(found: Iterable[Stretch]) -> dict[Quality, timedelta]:
    """Add up how long it was what; what it never was is not named."""
    lengths: dict[Quality, timedelta] = {}
    for stretch in found:
        lengths[stretch.quality] = lengths.get(stretch.quality, timedelta()) + stretch.span.length
    return lengths


def cells(period: Span, found: Sequence[Stretch], count: int) -> tuple[Cell, ...]:
    """Fold a period's stretches into so many equal cells."""
    bounds = [*(period.from_at + period.length * place / count for place in range(count)), period.until_at]
    folded, first = [], 0
    for begin, end in pairwise(bounds):
        while first < len(found) - 1 and found[first].span.until_at <= begin:
            first += 1
        within: list[Stretch] = []
        for stretch in found[first:]:
            if stretch.span.from_at >= end:
                break
            within.append(replace(stretch, span=_cut(stretch.span, begin, end)))
        folded.append(Cell(Span(begin, end), totals(each for each in within if each.span.length)))
    return tuple(folded)


def _cut(span: Span, begin: datetime, end: datetime) -> Span:
    return Span(max(span.from_at, begin), min(span.until_at, end))


def _joined(found: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Leave out what has no length, and make one of neighbours that are alike."""
    joined: list[Stretch] = []
    for stretch in found:
        if not stretch.span.length:
            continue
        if joined and joined[-1].quality is stretch.quality:
            joined[-1] = Stretch(Span(joined[-1].span.from_at, stretch.span.until_at), stretch.quality)
        else:
            joined.append(stretch)
    return tuple(joined)
