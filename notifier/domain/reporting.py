"""What a report says of a period: availability, incidents, and what was left of redundancy. Pure.

Every moment is cut to its second before anything is added up, so that the four times of a link or a site add up to the
period to the second.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from notifier.domain.availability import (
    Period,
    Quality,
    Stretch,
    Turn,
    fold,
    joined,
    merged,
    overlay,
    quality_after,
    quality_before,
    stretches,
    totals,
)
from notifier.domain.decision import Change
from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence

_ZERO, _SECOND, _DAY = timedelta(), timedelta(seconds=1), timedelta(days=1)
_AFTER = {change: quality_after(change) for change in Change}  # asked of each move of a year
_BEST_FIRST = (Quality.GOOD, Quality.UNOBSERVED, Quality.MAINTENANCE, Quality.BAD)
_GROUPS, _LANES = 6, 3  # sites whose past is kept to be drawn, and interconnects of each: the worst


# --- What is on record ----------------------------------------------------------------------------------------


class Move(NamedTuple):
    """Of a transition, what a report needs; `incident` is the number of the one that it belongs to."""

    change: Change
    before: str | None
    last_seen_before: datetime | None
    first_seen_at: datetime
    confirmed_at: datetime
    incident: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """An interconnect in a period: its moves in order, from the last before it to the first after it; its gaps.

    `site`, `watched` and `last_seen_at` are today's.
    """

    account: str
    name: str
    site: str | None
    watched: bool
    last_seen_at: datetime | None
    moves: tuple[Move, ...]
    gaps: tuple[Period, ...]


class IncidentRecord(NamedTuple):
    """An incident; `told_at` is when the first word of it was accepted, None if none was or it is kept no more.

    Of one that was opened before the period it says nothing.
    """

    kind: IncidentKind
    account: str
    subject: str
    number: int
    key: str
    severity: str
    opened_at: datetime
    closed_at: datetime | None
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class Planned:
    """When maintenance was planned, and for what."""

    match: Matcher
    periods: tuple[Period, ...]


# --- What is made of it ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long something was what: four times that add up to the period.

    `unwatched` is a part of `unobserved`: before it was first seen, and after it was removed.
    """

    good: timedelta = _ZERO
    bad: timedelta = _ZERO
    maintenance: timedelta = _ZERO
    unobserved: timedelta = _ZERO
    unwatched: timedelta = _ZERO

    def __add__(self, other: "Times") -> "Times":
        return Times(
            good=self.good + other.good,
            bad=self.bad + other.bad,
            maintenance=self.maintenance + other.maintenance,
            unobserved=self.unobserved + other.unobserved,
            unwatched=self.unwatched + other.unwatched,
        )

    @property
    def period(self) -> timedelta:
        """What they add up to."""
        return self.good + self.bad + self.maintenance + self.unobserved

    @property
    def availability(self) -> float | None:
        """Good time in percent of good and bad time; None where there is neither."""
        return percent(self.good, self.good + self.bad)

    @property
    def of_observed(self) -> float | None:
        """Good time in percent of all time in which it was observed, maintenance too; None where there is none."""
        return percent(self.good, self.good + self.bad + self.maintenance)

    @property
    def observed(self) -> float | None:
        """For how much of the period it was observed, in percent."""
        return percent(self.good + self.bad + self.maintenance, self.period)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of so many; None of none."""

    mean: timedelta | None
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFigures:
    """An incident in a period: `within` is how long it was open in it, `site` where its interconnect lies.

    `notice` is from when the problem was first seen until it was confirmed, `notice_at_most` from when something else
    was last seen; `tell` is until the first word of it was accepted. All three only if it was opened in the period.
    `key` is as it is on record.
    """

    kind: IncidentKind
    account: str
    subject: str
    site: str | None
    key: str
    severity: str
    opened_at: datetime
    closed_at: datetime | None
    within: timedelta
    notice: timedelta | None
    notice_at_most: timedelta | None
    tell: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The incidents that were open in a period: `opened` of them in it, `still_open` at its end.

    `recover` is of those closed in it, from first seen bad to first seen good; the other means of those opened in it.
    """

    count: int
    opened: int
    still_open: int
    longest: timedelta | None
    notice: Mean
    notice_at_most: Mean
    tell: Mean
    recover: Mean


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFigures:
    """What is reported of an interconnect; `silenced` is how long a silence held, which changes none of its times."""

    account: str
    name: str
    site: str | None
    times: Times
    silenced: timedelta
    incidents: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """For how long at most `left` of the `watched` interconnects of a site were left."""

    left: int
    watched: int
    length: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFigures:
    """What is reported of a site; `left` only of time in which one of its interconnects was bad, the least first.

    `incidents` are those of the site as a whole: it was lost.
    """

    account: str
    name: str
    links: int
    times: Times
    left: tuple[Left, ...]
    incidents: Summary


@dataclass(frozen=True, slots=True)
class Lane:
    """The past of a site (then `links` is how many it has) or of an interconnect, to be drawn."""

    name: str
    track: tuple[Stretch, ...]
    links: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is reported of a period. `total` and `incidents_of_links` are of all interconnects together.

    `incidents` are those of interconnects, sites and accounts' sight, the longest first. `days` are the times of all
    interconnects in each of its days. `lanes` are of the worst sites.
    """

    period: Period
    links: tuple[LinkFigures, ...]
    sites: tuple[SiteFigures, ...]
    total: Times
    incidents_of_links: Summary
    incidents: tuple[IncidentFigures, ...]
    days: tuple[tuple[Period, Times], ...]
    lanes: tuple[Lane, ...]


def percent(part: timedelta, whole: timedelta) -> float | None:
    """Return a share in percent, four digits after the point; what is less than whole is never 100. None of nothing."""
    return (part // _SECOND) * 1_000_000 // (whole // _SECOND) / 10_000 if whole >= _SECOND else None


def cut(at: datetime) -> datetime:
    """Return the second that a moment lies in."""
    return at.replace(microsecond=0)


def days_of(period: Period, zone: tzinfo) -> tuple[Period, ...]:
    """Divide a period at each midnight by the clocks of a zone; a day has 23 or 25 hours if they are changed in it."""
    bounds, day = [period.from_at], period.from_at.astimezone(zone).date() + _DAY
    while (midnight := datetime.combine(day, time(), zone).astimezone(UTC)) < period.until_at:
        bounds.append(midnight)
        day += _DAY
    return tuple(Period(*two) for two in zip(bounds, [*bounds[1:], period.until_at], strict=True))


def past(link: LinkRecord, period: Period, planned: Sequence[Period]) -> tuple[Stretch, ...]:
    """Divide a period into what a link was; while it was not watched there is nothing.

    What nobody saw is unobserved: its gaps, the time since it was last seen, and before it was removed the time since
    it was last seen or listed.
    """
    before = quality_before(link.moves[0].change, link.moves[0].before) if link.moves else Quality.UNOBSERVED
    turns = [Turn(cut(move.first_seen_at), _AFTER[move.change]) for move in link.moves]
    believed = stretches(period, before=before, turns=turns, unseen=())
    watched = [each for each in believed if each.quality is not Quality.UNOBSERVED]
    unseen = [Period(cut(gap.from_at), cut(gap.until_at)) for gap in link.gaps]
    unseen += [
        Period(cut(move.last_seen_before), cut(move.first_seen_at))
        for move in link.moves
        if move.change is Change.REMOVED and move.last_seen_before is not None
    ]
    if link.watched and link.last_seen_at is not None and link.last_seen_at < period.until_at:
        unseen.append(Period(cut(link.last_seen_at), period.until_at))
    kept = overlay(watched, planned, Quality.MAINTENANCE) if planned else watched
    return overlay(kept, unseen, Quality.UNOBSERVED)


def times_of(lengths: Mapping[Quality, timedelta], whole: timedelta) -> Times:
    """Say how long something was what of a whole; what is missing it was not watched, so not observed."""
    good, bad, maintenance, unobserved = (
        lengths.get(each, _ZERO) for each in (Quality.GOOD, Quality.BAD, Quality.MAINTENANCE, Quality.UNOBSERVED)
    )
    unwatched = whole - good - bad - maintenance - unobserved
    return Times(good=good, bad=bad, maintenance=maintenance, unobserved=unobserved + unwatched, unwatched=unwatched)


def together(tracks: Iterable[Sequence[Stretch]]) -> Iterator[tuple[datetime, datetime, Mapping[Quality, int]]]:
    """Say in order from when until when how many links were what; of time in which none was watched nothing.

    What is said holds until the next is asked for: it is the same mapping.
    """
    steps: list[tuple[datetime, Quality, int]] = []
    for each in chain.from_iterable(tracks):
        steps += [(each.period.from_at, each.quality, 1), (each.period.until_at, each.quality, -1)]
    counts = dict.fromkeys(Quality, 0)
    since, watched = datetime.min.replace(tzinfo=UTC), 0
    for at, quality, change in sorted(steps, key=itemgetter(0)):
        if watched and since < at:
            yield since, at, counts
        counts[quality] += change
        since, watched = at, watched + change


def quality_of_site(counts: Mapping[Quality, int]) -> Quality:
    """Say what a site is whose watched links are these: the first of good, unobserved, maintenance, bad that one is."""
    for quality in _BEST_FIRST:
        if counts[quality]:
            return quality
    raise ValueError("none of its links is watched")


@dataclass(slots=True)
class _Group:
    """One site's lanes, and how bad it was."""

    badness: tuple[timedelta, timedelta]
    lanes: list[Lane] = field(default_factory=list)


class Reckoning:
    """Makes a report, site after site, and keeps of each no more than the report needs.

    `planned` is maintenance; `incidents` are those open in the period; `shown` makes names fit to be shown.
    """

    def __init__(
        self,
        period: Period,
        zone: tzinfo,
        *,
        planned: Sequence[Planned],
        silences: Sequence[Silence],
        incidents: Iterable[IncidentRecord],
        shown: Callable[[str], str],
    ) -> None:
        self._period = period
        self._days = days_of(period, zone)
        self._planned = planned
        self._silences = silences
        self._shown = shown
        self._open: dict[tuple[IncidentKind, str, str], list[IncidentRecord]] = {}
        for incident in incidents:
            self._open.setdefault((incident.kind, incident.account, incident.subject), []).append(incident)
        self._links: list[LinkFigures] = []
        self._sites: list[SiteFigures] = []
        self._incidents: list[IncidentFigures] = []
        self._by_day: list[dict[Quality, timedelta]] = [{} for _ in self._days]
        self._worst: list[_Group] = []

    def add(self, links: Sequence[LinkRecord], *, whole: bool = True) -> None:
        """Take all interconnects of a site, or of one account those of none; `whole`: they are all that it has."""
        tracks = [(link, past(link, self._period, self._planned_for(link))) for link in links]
        watched = [(link, track) for link, track in tracks if track]
        if not watched:
            return
        figures = [self._link(link, track) for link, track in watched]
        lanes = [Lane(each.name, track) for each, (_, track) in zip(figures, watched, strict=True)]
        total = sum((each.times for each in figures), Times())
        order = sorted(range(len(lanes)), key=lambda place: figures[place].times.bad, reverse=True)[:_LANES]
        group = _Group((total.bad, total.unobserved - total.unwatched), [lanes[place] for place in sorted(order)])
        account, site = links[0].account, links[0].site
        if whole and site is not None:
            group.lanes.insert(0, self._site(account, site, [track for _, track in watched]))
        self._worst.append(group)
        if len(self._worst) > _GROUPS:
            self._worst.remove(min(self._worst, key=lambda each: each.badness))

    def report(self) -> Report:
        """Return what has come of it."""
        of_links = [each for each in self._incidents if each.kind is IncidentKind.INTERCONNECT]
        for (kind, account, _), its in self._open.items():
            if kind is IncidentKind.BLIND:
                self._incidents += [self._incident(each, {}, None, self._shown(account)) for each in its]
        return Report(
            period=self._period,
            links=tuple(self._links),
            sites=tuple(self._sites),
            total=sum((link.times for link in self._links), Times()),
            incidents_of_links=self._summary(of_links),
            incidents=tuple(sorted(self._incidents, key=lambda each: (-each.within, each.opened_at, each.key))),
            days=tuple(
                (day, times_of(lengths, day.length * len(self._links)))
                for day, lengths in zip(self._days, self._by_day, strict=True)
            ),
            lanes=tuple(chain.from_iterable(group.lanes for group in self._worst)),
        )

    def _link(self, link: LinkRecord, track: tuple[Stretch, ...]) -> LinkFigures:
        for lengths, cell in zip(self._by_day, fold(self._days, track), strict=True):
            for quality, length in cell.lengths.items():
                lengths[quality] = lengths.get(quality, _ZERO) + length
        openings = {move.incident: move for move in reversed(link.moves) if move.change is Change.PROBLEM}
        name, site = self._shown(link.name), link.site and self._shown(link.site)
        its = [
            self._incident(each, openings, site, name)
            for each in self._open.get((IncidentKind.INTERCONNECT, link.account, link.name), ())
        ]
        self._incidents += its
        silenced = merged(
            Period(cut(each.from_at), cut(each.until_at))
            for each in self._silences
            if each.match.covers(link.account, link.name, link.site)
        )
        figures = LinkFigures(
            account=link.account,
            name=name,
            site=site,
            times=times_of(totals(track), self._period.length),
            silenced=sum((self._overlap(each.from_at, each.until_at) for each in silenced), _ZERO),
            incidents=self._summary(its),
        )
        self._links.append(figures)
        return figures

    def _site(self, account: str, site: str, tracks: Sequence[Sequence[Stretch]]) -> Lane:
        name, found = self._shown(site), list[Stretch]()
        left: dict[tuple[int, int], timedelta] = {}
        for begin, end, counts in together(tracks):
            found.append(Stretch(Period(begin, end), quality_of_site(counts)))
            if bad := counts[Quality.BAD]:
                watched = sum(counts.values())
                key = watched - bad, watched
                left[key] = left.get(key, _ZERO) + (end - begin)
        track = joined(found)
        its = [self._incident(each, {}, name, name) for each in self._open.get((IncidentKind.SITE, account, site), ())]
        self._incidents += its
        self._sites.append(
            SiteFigures(
                account=account,
                name=name,
                links=len(tracks),
                times=times_of(totals(track), self._period.length),
                left=tuple(Left(left=key[0], watched=key[1], length=left[key]) for key in sorted(left)),
                incidents=self._summary(its),
            )
        )
        return Lane(name, track, len(tracks))

    def _planned_for(self, link: LinkRecord) -> list[Period]:
        fitting = (each for each in self._planned if each.match.covers(link.account, link.name, link.site))
        return [Period(cut(span.from_at), cut(span.until_at)) for each in fitting for span in each.periods]

    def _incident(
        self, incident: IncidentRecord, openings: Mapping[int | None, Move], site: str | None, subject: str
    ) -> IncidentFigures:
        opened, closed, told = incident.opened_at, incident.closed_at, incident.told_at
        move = openings.get(incident.number) if opened >= self._period.from_at else None
        since, confirmed = (move.last_seen_before, move.confirmed_at) if move is not None else (None, None)
        return IncidentFigures(
            kind=incident.kind,
            account=incident.account,
            subject=subject,
            site=site,
            key=incident.key,
            severity=incident.severity,
            opened_at=opened,
            closed_at=closed,
            within=self._overlap(cut(opened), self._period.until_at if closed is None else cut(closed)),
            notice=_span(opened, confirmed),
            notice_at_most=_span(since, confirmed),
            tell=_span(opened, told) if opened >= self._period.from_at else None,
        )

    def _overlap(self, from_at: datetime, until_at: datetime) -> timedelta:
        return max(min(until_at, self._period.until_at) - max(from_at, self._period.from_at), _ZERO)

    def _summary(self, of: Sequence[IncidentFigures]) -> Summary:
        begin, end = self._period.from_at, self._period.until_at
        return Summary(
            count=len(of),
            opened=sum(each.opened_at >= begin for each in of),
            still_open=sum(each.closed_at is None or each.closed_at >= end for each in of),
            longest=max((each.within for each in of), default=None),
            notice=_mean(each.notice for each in of),
            notice_at_most=_mean(each.notice_at_most for each in of),
            tell=_mean(each.tell for each in of),
            recover=_mean(
                _span(each.opened_at, each.closed_at if each.closed_at is not None and each.closed_at < end else None)
                for each in of
            ),
        )


def _span(from_at: datetime | None, until_at: datetime | None) -> timedelta | None:
    """Return how long it was from one to the other, if there are both; not less than nothing."""
    return max(until_at - from_at, _ZERO) if from_at is not None and until_at is not None else None


def _mean(spans: Iterable[timedelta | None]) -> Mean:
    known = [span for span in spans if span is not None]
    return Mean(sum(known, _ZERO) / len(known) if known else None, len(known))
