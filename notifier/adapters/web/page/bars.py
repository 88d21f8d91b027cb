"""The past of an interconnect as a bar of equal cells, and as a plot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from notifier.domain.availability import (
    Cell,
    Period,
    Quality,
    Stretch,
    Turn,
    cells,
    quality_after,
    quality_before,
    stretches,
    totals,
)
from notifier.domain.decision import Change
from notifier.domain.duration import format_duration
from notifier.insight import LinkNow, Span

CELLS = 48  # of every bar: the pattern that cuts it is one for all
HEIGHT = 20
_TALL, _THIN = 44, 0.15  # the plot's height, and the least width (percent) of what is in it
_VISIBLE = 0.35  # of the height: what a cell was for a moment only is seen all the same

WORDS = {
    Quality.GOOD: "good",
    Quality.BAD: "bad",
    Quality.MAINTENANCE: "under maintenance",
    Quality.UNOBSERVED: "not observed",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """How far back a bar reaches, and the marks along it."""

    name: str
    words: str
    length: timedelta
    marks: tuple[str, ...]


CHOICES = {
    each.name: each
    for each in (
        Choice("24h", "24 hours", timedelta(hours=24), ("24 h ago", "18 h", "12 h", "6 h", "now")),
        Choice("7d", "7 days", timedelta(days=7), ("7 d ago", "6 d", "5 d", "4 d", "3 d", "2 d", "1 d", "now")),
        Choice("30d", "30 days", timedelta(days=30), ("30 d ago", "20 d", "10 d", "now")),
    )
}
DEFAULT = CHOICES["24h"]


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle over the good ground of a bar; `x` and `width` in percent of it."""

    quality: Quality
    x: float
    y: int
    width: float
    height: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring cells that were the same; `title` says when that was, and what."""

    title: str
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """What is drawn: a ground that is good, the runs that are not wholly so, and all of it in words."""

    label: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A period, each stretch as long as it was; and all of it in words."""

    label: str
    patches: tuple[Patch, ...]


def past(link: LinkNow, span: Span | None, period: Period) -> tuple[Stretch, ...]:
    """Divide a period of an interconnect's past; `span` is what happened in it, if anything did."""
    happened = span or Span()
    unseen = [Period(begin, end) for begin, end in happened.gaps]
    if link.blind:
        unseen.append(Period(link.last_seen_at or period.from_at, period.until_at))
    turns = [Turn(each.first_seen_at, quality_after(Change(each.change))) for each in happened.changes]
    if happened.changes:
        first = happened.changes[0]
        before = quality_before(Change(first.change), first.before)
    else:
        before = _now(link)
        if link.since is not None and link.since > period.from_at:  # known by its state alone
            turns, before = [Turn(link.since, before)], Quality.UNOBSERVED
    return stretches(period, before=before, turns=turns, unseen=unseen)


def _now(link: LinkNow) -> Quality:
    if link.status is None or not link.watched:
        return Quality.UNOBSERVED
    return Quality.BAD if link.problem else Quality.GOOD


def period_of(choice: Choice, now: datetime) -> Period:
    """Return the period of that length that ends now."""
    return Period(now - choice.length, now)


def bar(choice: Choice, period: Period, found: tuple[Stretch, ...]) -> Bar:
    """Draw a period's stretches."""
    folded = cells(period, found, CELLS)
    runs, place = [], 0
    for shape, group in groupby(folded, _shape):
        alike = list(group)
        if shape:
            runs.append(_run(alike, shape, place))
        place += len(alike)
    return Bar(_label(choice, found), tuple(runs))


def plot(choice: Choice, period: Period, found: tuple[Stretch, ...]) -> Plot:
    """Draw a period's stretches, each as long as it was."""
    patches = []
    for each in found:
        if each.quality is not Quality.GOOD:
            x, width = (
                _percent(part / period.length) for part in (each.period.from_at - period.from_at, each.period.length)
            )
            words = f"{_when(each.period)}: {in_words({each.quality: each.period.length})}"
            patches.append(Patch(each.quality, x, 0, max(width, _THIN), _TALL, words))
    return Plot(_label(choice, found), tuple(patches))


def _label(choice: Choice, found: tuple[Stretch, ...]) -> str:
    return f"Last {choice.words}: {in_words(totals(found))}"


def in_words(lengths: Mapping[Quality, timedelta]) -> str:
    """Say how long it was what: `good 23h 30m, bad 30m`."""
    return ", ".join(f"{word} {format_duration(lengths[each])}" for each, word in WORDS.items() if lengths.get(each))


def _shape(cell: Cell) -> tuple[tuple[Quality, int], ...]:
    """Say what is to be seen of a cell beside the good: qualities with their heights, from the ground up."""
    if len(cell.lengths) == 1:
        (only,) = cell.lengths
        return () if only is Quality.GOOD else ((only, HEIGHT),)
    bad, unobserved = (_height(cell.share(each)) for each in (Quality.BAD, Quality.UNOBSERVED))
    if bad + unobserved > HEIGHT:
        unobserved = max(HEIGHT - bad, _height(0.01))
        bad = HEIGHT - unobserved
    return tuple((q, h) for q, h in ((Quality.BAD, bad), (Quality.UNOBSERVED, unobserved)) if h)


def _height(share: float) -> int:
    return round(max(share, _VISIBLE) * HEIGHT) if share else 0


def _run(alike: list[Cell], shape: Iterable[tuple[Quality, int]], place: int) -> Run:
    patches, top = [], HEIGHT
    for quality, height in shape:
        top -= height
        patches.append(Patch(quality, _percent(place / CELLS), top, _percent(len(alike) / CELLS), height))
    lengths: dict[Quality, timedelta] = {}
    for cell in alike:
        for quality, length in cell.lengths.items():
            lengths[quality] = lengths.get(quality, timedelta()) + length
    when = _when(Period(alike[0].period.from_at, alike[-1].period.until_at))
    return Run(f"{when}: {in_words(lengths)}", tuple(patches))


def _when(period: Period) -> str:
    first, last = period.from_at.astimezone(UTC), period.until_at.astimezone(UTC)
    return f"{first:%d %b %H:%M} to {last:%d %b %H:%M} UTC"


def _percent(share: float) -> float:
    return round(share * 100, 3)
