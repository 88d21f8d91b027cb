"""The tables of a report for people, the same in Markdown and in HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from notifier.adapters.report.heading import Heading
from notifier.domain.duration import format_duration
from notifier.domain.incident import IncidentKind
from notifier.domain.reporting import Mean, Report, Summary, Times

_LISTED = 30  # incidents
_NONE, _ALL = "-", "All together"
NO_DATA = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a head, the account first; the first `words` columns are words. `remark` says what is not there."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: int
    remark: str = ""


def facts(report: Report, heading: Heading) -> list[tuple[str, str]]:
    """Return what matters most, as label and value."""
    total, incidents = report.total, report.incidents_of_links
    return [
        ("Availability", percent(total.availability)),
        ("Bad", hms(total.bad)),
        ("Observed", percent(total.observed)),
        ("Interconnects", str(len(report.links))),
        ("Incidents", str(incidents.count)),
        ("Longest", _span(incidents.longest)),
        ("Mean time to notice", _mean(incidents.notice)),
        ("Mean time to tell", _mean(incidents.tell)),
        ("Mean time to recover", _mean(incidents.recover)),
        *((label, value) for label, value in heading.asked),
    ]


def tables(report: Report, heading: Heading) -> list[Table]:
    """Return all of them, those without a row left out."""
    found = [
        _sites(report, heading),
        _left(report, heading),
        _links(report, heading),
        _by_link(report, heading),
        _incidents(report, heading),
    ]
    several = len(heading.names) > 1
    return [table if several else _without_account(table) for table in found if table.rows]


def _without_account(table: Table) -> Table:
    """Leave out who is the same in all rows; a row of all together loses no word by it."""
    rows = [(row[0], *row[2:]) if row[0] == _ALL else row[1:] for row in table.rows]
    return replace(table, head=table.head[1:], rows=rows, words=table.words - 1)


def _sites(report: Report, heading: Heading) -> Table:
    return Table(
        title="Sites",
        head=("Account", "Site", "Interconnects", *_TIMES, "Lost", "Longest"),
        rows=[
            (
                *(heading.name(site.account), site.name, str(site.links), *_times(site.times)),
                *(str(site.incidents.count), _span(site.incidents.longest)),
            )
            for site in report.sites
        ],
        words=2,
    )


def _left(report: Report, heading: Heading) -> Table:
    return Table(
        title="Redundancy lost",
        head=("Account", "Site", "Left at most", "For"),
        rows=[
            (heading.name(site.account), site.name, f"{each.left} of {each.watched}", hms(each.length))
            for site in report.sites
            for each in site.left
        ],
        words=2,
        remark="Sites that are not listed had all of their interconnects.",
    )


def _links(report: Report, heading: Heading) -> Table:
    rows = [
        (heading.name(link.account), link.site or _NONE, link.name, *_times(link.times), _if_any(link.silenced))
        for link in report.links
    ]
    if len(rows) > 1:
        silenced = sum((link.silenced for link in report.links), timedelta())
        rows.append((_ALL, "", "", *_times(report.total), _if_any(silenced)))
    return Table(
        title="Interconnects", head=("Account", "Site", "Interconnect", *_TIMES, "Silenced"), rows=rows, words=3
    )


def _by_link(report: Report, heading: Heading) -> Table:
    rows = [
        (heading.name(link.account), link.site or _NONE, link.name, *_summary(link.incidents))
        for link in report.links
        if link.incidents.count
    ]
    if len(rows) > 1:
        rows.append((_ALL, "", "", *_summary(report.incidents_of_links)))
    return Table(
        title="Incidents by interconnect",
        head=("Account", "Site", "Interconnect", "Incidents", "Open at the end", "Longest", *_MEANS),
        rows=rows,
        words=3,
        remark="Interconnects that are not listed had none.",
    )


def _incidents(report: Report, heading: Heading) -> Table:
    listed = report.incidents[:_LISTED]
    more = len(report.incidents) - len(listed)
    remark = f"The {_LISTED} longest; {more} more are in the report as JSON." if more else ""
    return Table(
        title="Incidents",
        head=("Account", "What", "Opened", "Closed", "In the period", "Noticed after", "Told after"),
        rows=[
            (
                heading.name(each.account),
                _WHAT[each.kind].format(each.subject),
                heading.moment(each.opened_at),
                heading.moment(each.closed_at) or "open",
                hms(each.within),
                _span(each.notice),
                _span(each.tell),
            )
            for each in listed
        ],
        words=4,
        remark=remark,
    )


_TIMES = ("Availability", "Of observed", "Good", "Bad", "Maintenance", "Not observed", "Not watched")
_MEANS = ("To notice", "At most", "To tell", "To recover")
_WHAT = {
    IncidentKind.INTERCONNECT: "{}",
    IncidentKind.SITE: "site {} lost",
    IncidentKind.BLIND: "the account could not be seen",
}


def _times(times: Times) -> tuple[str, ...]:
    return (
        percent(times.availability),
        percent(times.of_observed),
        hms(times.good),
        *map(_if_any, (times.bad, times.maintenance, times.unobserved, times.unwatched)),
    )


def _summary(of: Summary) -> tuple[str, ...]:
    means = of.notice, of.notice_at_most, of.tell, of.recover
    return str(of.count), str(of.still_open), _span(of.longest), *map(_mean, means)


def percent(value: float | None) -> str:
    """Write a share."""
    return NO_DATA if value is None else f"{value:.4f} %"


def hms(span: timedelta) -> str:
    """Write a span so that it can be added up: `743:59:12`."""
    minutes, seconds = divmod(span // timedelta(seconds=1), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _if_any(span: timedelta) -> str:
    return hms(span) if span else _NONE


def _span(span: timedelta | None) -> str:
    return _NONE if span is None else format_duration(span)


def _mean(mean: Mean) -> str:
    return _NONE if mean.mean is None else f"{format_duration(mean.mean)} (of {mean.of})"
