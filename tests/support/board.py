"""What the database might answer of how everything stands, put together by hand."""

from datetime import timedelta
from typing import Any

from notifier.domain.incident import IncidentKind
from notifier.domain.site import Member, Site
from notifier.domain.status import Severity
from notifier.insight import AccountNow, Change, IncidentEntry, LinkNow, Overview, SiteNow, Telling
from tests.support.examples import ACCOUNT, NIGHT

NOW = NIGHT + timedelta(days=60)


def link(name: str = "icon-ams-01", status: str | None = "Healthy", site: str | None = "ams-a", **more: Any) -> LinkNow:
    """A link that has been as it is for as long as anybody asks."""
    usual: dict[str, Any] = {
        "account": ACCOUNT,
        "name": name,
        "site": site,
        "facility": "Equinix AM5",
        "speed": "10G",
        "status": status,
        "problem": status not in {"Healthy", "Pending", None},
        "reason": None,
        "since": None if status is None else NIGHT,
        "last_seen_at": None if status is None else NOW,
        "blind": False,
        "cause": None,
        "flapping": False,
        "candidate": None,
        "sightings": None,
        "incident": None,
        "number": 1,
    }
    return LinkNow(**(usual | more))


def overview(
    *links: LinkNow, incidents: tuple[IncidentEntry, ...] = (), blind: bool = False, cause: str | None = None
) -> Overview:
    """How everything stands, if these are the links of one account."""
    by_site: dict[str, list[LinkNow]] = {}
    for each in links:
        by_site.setdefault(each.site or "", []).append(each)
    sites = tuple(
        SiteNow(
            standing=Site(
                account=ACCOUNT,
                name=name,
                members=tuple(Member(name=each.name, status=each.status, problem=each.problem) for each in its),
            ),
            links=tuple(its),
        )
        for name, its in sorted(by_site.items())
    )
    since = NOW - timedelta(minutes=42) if blind else None
    account = AccountNow(account=ACCOUNT, blind_since=since, cause=cause, sites=sites)
    shown = (account,) if links or blind else ()
    return Overview(at=NOW, accounts=shown, incidents=incidents, open_incidents=len(incidents))


def change(kind: str, before: str | None, after: str, ago: timedelta) -> Change:
    at = NOW - ago
    return Change(change=kind, before=before, after=after, last_seen_before=None, first_seen_at=at, unobserved=False)


def incident(
    kind: IncidentKind = IncidentKind.INTERCONNECT, subject: str = "icon-ams-01", **more: Any
) -> IncidentEntry:
    own = kind in {IncidentKind.CHANNEL, IncidentKind.AUDIT}
    usual: dict[str, Any] = {
        "key": f"key-of-{kind}",
        "kind": kind,
        "account": "" if own else ACCOUNT,
        "subject": ACCOUNT if kind is IncidentKind.BLIND else subject,
        "number": 1,
        "severity": Severity.CRITICAL,
        "opened_at": NOW - timedelta(minutes=7),
        "closed_at": None,
        "acknowledgement": None,
    }
    return IncidentEntry(**(usual | more))


def telling(channel: str = "noc", outcome: str = "sent", notification: int = 1, **more: Any) -> Telling:
    usual: dict[str, Any] = {
        "id": 7,
        "notification": notification,
        "channel": channel,
        "at": NOW - timedelta(minutes=7),
        "kind": "problem",
        "subject": "icon-ams-01",
        "title": "icon-ams-01 is Down",
        "incident": "a key",
        "outcome": outcome,
        "why": "route 1",
    }
    return Telling(**(usual | more))
