"""Histories for reports, written by the clock: days and times of one month."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.domain.availability import Period
from notifier.domain.decision import Change
from notifier.domain.incident import IncidentKind, incident_key
from notifier.domain.reporting import (
    IncidentRecord,
    LinkRecord,
    Move,
    Planned,
    Reckoning,
    Report,
    Times,
)
from notifier.domain.suppression import Silence
from tests.support.examples import ACCOUNT

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def at(text: str) -> datetime:
    """Read `10 12:00:30` as that day of November 2026, UTC; or a whole moment."""
    if "-" in text:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    day, _, clock = text.partition(" ")
    hour, minute, second = (*map(int, clock.split(":")), 0, 0, 0)[:3] if clock else (0, 0, 0)
    return datetime(2026, 11, int(day), hour, minute, second, tzinfo=UTC)


def between(begin: str, end: str) -> Period:
    return Period(at(begin), at(end))


NOVEMBER = Period(at("1"), datetime(2026, 12, 1, tzinfo=UTC))
DAY = between("10", "11")  # most tables are of one day


def move(when: str, change: Change, before: str | None, incident: int | None = None, last: str | None = None) -> Move:
    """Make a move that was first seen then, something else 60 s before unless said, and was confirmed 15 s after."""
    first = at(when)
    since = at(last) if last is not None else None if before is None else first - timedelta(seconds=60)
    return Move(change, before, since, first, first + timedelta(seconds=15), incident)


def born(when: str = "1") -> Move:
    return move(when, Change.BASELINE, None)


def fell(when: str, incident: int = 1) -> Move:
    return move(when, Change.PROBLEM, "Healthy", incident)


def rose(when: str, incident: int = 1) -> Move:
    return move(when, Change.RECOVERED, "Down", incident)


def link(
    *moves: Move,
    name: str = "icon-ams-01",
    site: str | None = "ams-a",
    gaps: Sequence[Period] = (),
    watched: bool = True,
    seen: str | None = "2026-12-24",
) -> LinkRecord:
    return LinkRecord(
        account=ACCOUNT,
        name=name,
        site=site,
        watched=watched,
        last_seen_at=at(seen) if seen is not None else None,
        moves=moves,
        gaps=tuple(gaps),
    )


def incident(
    opened: str,
    closed: str | None,
    told: str | None = None,
    *,
    number: int = 1,
    subject: str = "icon-ams-01",
    kind: IncidentKind = IncidentKind.INTERCONNECT,
) -> IncidentRecord:
    return IncidentRecord(
        kind=kind,
        account=ACCOUNT,
        subject=subject,
        number=number,
        key=incident_key(kind, ACCOUNT, subject, number),
        severity="critical",
        opened_at=at(opened),
        closed_at=at(closed) if closed is not None else None,
        told_at=at(told) if told is not None else None,
    )


def reported(
    *links: LinkRecord,
    period: Period = DAY,
    planned: Sequence[Planned] = (),
    silences: Sequence[Silence] = (),
    incidents: Sequence[IncidentRecord] = (),
    zone: ZoneInfo = ZoneInfo("UTC"),  # noqa: B008 - never changed
) -> Report:
    """Reckon with links that come site by site."""
    reckoning = Reckoning(
        period, zone, planned=planned, silences=silences, incidents=incidents, shown=lambda text: text
    )
    for site in dict.fromkeys(each.site for each in links):
        reckoning.add([each for each in links if each.site == site])
    return reckoning.report()


def written(times: Times) -> str:
    """Write times in short, those that are none left out: "good 23:30:00 bad 0:30:00"."""
    spans = {
        "good": times.good,
        "bad": times.bad,
        "maintenance": times.maintenance,
        "unobserved": times.unobserved,
        "unwatched": times.unwatched,
    }
    return " ".join(f"{name} {_hms(span)}" for name, span in spans.items() if span)


def _hms(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
