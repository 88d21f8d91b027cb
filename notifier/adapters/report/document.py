"""A report for programs: one JSON document, or one table as CSV (RFC 4180). Keys and columns are stable."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

from notifier.adapters.report.heading import Heading, utc
from notifier.domain.reporting import IncidentFigures, LinkFigures, Mean, Report, SiteFigures, Summary, Times

VERSION = 1
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet calculate

_Row = dict[str, Any]


def to_json(report: Report, heading: Heading) -> str:
    """Return the document, in one line: with indentation it would take four times as long to write."""
    return json.dumps(document(report, heading)) + "\n"


def document(report: Report, heading: Heading) -> _Row:
    """Return the document as plain JSON: moments in UTC, spans in seconds."""
    period = report.period
    return {
        "format": "cni-notifier report",
        "version": VERSION,
        "made_at": utc(heading.at),
        "period": {
            "from": utc(period.from_at),
            "to": utc(period.until_at),
            "length_s": _s(period.length),
            "zone": heading.zone.key,
        },
        "asked": dict(heading.asked),
        "total": {"interconnects": len(report.links), **_times(report.total), **_summary(report.incidents_of_links)},
        "sites": [_site(site, heading) for site in report.sites],
        "interconnects": [_link(link, heading) for link in report.links],
        "incidents": [_incident(incident, heading) for incident in report.incidents],
        "days": [
            {"from": utc(day.from_at), "to": utc(day.until_at), "length_s": _s(day.length), **_times(times)}
            for day, times in report.days
        ],
        "notes": list(heading.notes()),
    }


def to_csv(report: Report, heading: Heading) -> str:
    """Return one line of names, then one for each site and each interconnect, then one for all interconnects."""
    rows = [
        *(_flat("site", _site(site, heading)) for site in report.sites),
        *(_flat("interconnect", _link(link, heading)) for link in report.links),
        _flat("total", {**_times(report.total), **_summary(report.incidents_of_links)}),
    ]
    period = {"from": utc(report.period.from_at), "to": utc(report.period.until_at)}
    written = io.StringIO()
    writer = csv.DictWriter(written, [*_COLUMNS, *period], restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in {**row, **period}.items()} for row in rows)
    return written.getvalue()


def _flat(kind: str, row: _Row) -> _Row:
    return {name: value for name, value in {"kind": kind, **row}.items() if name in _COLUMNS}


def _cell(value: Any) -> Any:
    """Keep a text from being calculated."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _site(site: SiteFigures, heading: Heading) -> _Row:
    return {
        "account": heading.name(site.account),
        "account_id": site.account,
        "site": site.name,
        "interconnects": site.links,
        **_times(site.times),
        "redundancy_lost_s": _s(sum((each.length for each in site.left), timedelta())),
        "left": [{"left": each.left, "watched": each.watched, "length_s": _s(each.length)} for each in site.left],
        **_summary(site.incidents),
    }


def _link(link: LinkFigures, heading: Heading) -> _Row:
    return {
        "account": heading.name(link.account),
        "account_id": link.account,
        "site": link.site,
        "interconnect": link.name,
        **_times(link.times),
        "silenced_s": _s(link.silenced),
        **_summary(link.incidents),
    }


def _incident(incident: IncidentFigures, heading: Heading) -> _Row:
    return {
        "incident": heading.shown(incident.key),
        "kind": incident.kind.value,
        "account": heading.name(incident.account),
        "account_id": incident.account,
        "site": incident.site,
        "subject": incident.subject,
        "severity": incident.severity,
        "opened_at": utc(incident.opened_at),
        "closed_at": utc(incident.closed_at),
        "within_s": _s(incident.within),
        "notice_s": _exact(incident.notice),
        "notice_at_most_s": _exact(incident.notice_at_most),
        "tell_s": _exact(incident.tell),
    }


def _times(times: Times) -> _Row:
    return {
        "good_s": _s(times.good),
        "bad_s": _s(times.bad),
        "maintenance_s": _s(times.maintenance),
        "not_observed_s": _s(times.unobserved),
        "not_watched_s": _s(times.unwatched),
        "availability_percent": times.availability,
        "of_observed_percent": times.of_observed,
        "observed_percent": times.observed,
    }


def _summary(summary: Summary) -> _Row:
    return {
        "incidents": summary.count,
        "opened": summary.opened,
        "still_open": summary.still_open,
        "longest_s": None if summary.longest is None else _s(summary.longest),
        **_mean("notice", summary.notice),
        **_mean("notice_at_most", summary.notice_at_most),
        **_mean("tell", summary.tell),
        **_mean("recover", summary.recover),
    }


def _mean(name: str, mean: Mean) -> _Row:
    return {f"{name}_mean_s": _exact(mean.mean), f"{name}_of": mean.of}


def _s(span: timedelta) -> int:
    return span // timedelta(seconds=1)


def _exact(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 3)


_COLUMNS = (
    *("kind", "account", "account_id", "site", "interconnect", "interconnects"),
    *_times(Times()),
    *("silenced_s", "redundancy_lost_s"),
    *("incidents", "opened", "still_open", "longest_s"),
    *(f"{name}_{what}" for name in ("notice", "notice_at_most", "tell", "recover") for what in ("mean_s", "of")),
)
