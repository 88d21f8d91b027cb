"""How everything stood at a moment of the past, as rows of an empty database: where a replay begins."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Subquery, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows, tables
from notifier.adapters.database.record import LISTING
from notifier.domain.decision import Change
from notifier.domain.incident import IncidentKind, number_in
from notifier.domain.notification import Action, Kind
from notifier.domain.status import HEALTHY, is_problem
from notifier.past import Past
from notifier.ports import Outcome

_CALM = timedelta(hours=1)  # after an incident: until nothing of it is under way any more
_CHANGES = 50  # as many as a link may need to flap

_OF_SITES = {Kind.SITE_LOST, Kind.SITE_BACK}
_OF_SIGHT = {Kind.BLIND, Kind.SEEN_AGAIN}
_OF_CHANNELS = {Kind.CHANNEL_FAILED, Kind.CHANNEL_WORKS}
_OF_LINKS = {Kind.PROBLEM, Kind.WORSENED, Kind.EASED, Kind.RECOVERED, Kind.UP, Kind.REMOVED, Kind.RETURNED}
_KINDS = {
    **dict.fromkeys(_OF_LINKS, IncidentKind.INTERCONNECT),
    **dict.fromkeys(_OF_SITES, IncidentKind.SITE),
    **dict.fromkeys(_OF_SIGHT, IncidentKind.BLIND),
    **dict.fromkeys(_OF_CHANNELS, IncidentKind.CHANNEL),
}

_Row = dict[str, Any]


async def first_moment(conn: AsyncConnection) -> datetime | None:
    """Return the first moment of which a replay would know all: that of the first start on record."""
    at: datetime | None = await conn.scalar(select(func.min(tables.inputs.c.at)))
    return at


async def quiet_moment(conn: AsyncConnection, since: datetime, kept_since: datetime) -> datetime:
    """Return where to begin: the last moment until `since` at which all was quiet, and not before `kept_since`.

    If it never was, at `kept_since`.
    """
    i = tables.incidents.c
    found = await conn.execute(
        select(i.opened_at, i.closed_at)
        .where(i.opened_at <= since, i.kind != IncidentKind.AUDIT)
        .order_by(i.opened_at.desc())
    )
    at = max(since, kept_since)
    for opened_at, closed_at in found:
        if closed_at is None or closed_at + _CALM > at:
            at = min(at, opened_at - timedelta.resolution)
    return max(at, kept_since)


def last_numbers(at: datetime) -> Subquery:
    """Return of each link, as of a moment, its last transition's and incident's numbers, and if it was ever Healthy."""
    t = tables.transitions.c
    return (
        select(
            t.account,
            t.name,
            func.max(t.number).label("number"),
            func.max(t.incident).label("incidents"),
            func.max(case((t.after == HEALTHY, 1), else_=0)).label("healthy"),
        )
        .where(t.confirmed_at < at)
        .group_by(t.account, t.name)
        .subquery()
    )


async def read(conn: AsyncConnection, at: datetime, past: Past) -> dict[str, list[_Row]]:
    """Return how everything stood at a moment, as far as the record says; what was told of it counts as told."""
    links = await _links(conn, at, past)
    states = await _states(conn, at, past)
    incidents = await _incidents(conn, at)
    opened = {row["key"] for row in incidents if row["closed_at"] is None}
    conditions, notifications = await _conditions(
        conn, at, states, opened, {(r["account"], r["name"]): r for r in links}
    )
    return {
        "interconnects": links,
        "states": list(states.values()),
        "views": _views(incidents),
        "incidents": incidents,
        "notifications": notifications,
        "conditions": conditions,
        "told": await _told(conn, at, conditions),
    }


async def _links(conn: AsyncConnection, at: datetime, past: Past) -> list[_Row]:
    """Return what was watched: what was listed last, and what something was believed of."""
    i, table = tables.inputs.c, tables.interconnects
    listed: dict[tuple[str, str], _Row] = {}
    query = select(i.account, i.content).where(i.kind == LISTING, i.at < at).order_by(i.id)
    for row in await conn.execute(query):
        if row.content.get("listed"):
            listed = {key: link for key, link in listed.items() if key[0] != row.account}
            listed |= {(row.account, link["name"]): link for link in row.content["listed"]}
    found: list[_Row] = []
    for row in await conn.execute(select(table)):
        link = row.account, row.name
        belief = past.believed(link, at)
        watched = link in listed or (belief is not None and belief.status is not None)
        known = {**row._mapping, **listed.get(link, {})}  # noqa: SLF001 - documented
        if watched or belief is not None:
            found.append(known | {"watched": watched, "listed_at": at, "missing": 0})
    return found


async def _states(conn: AsyncConnection, at: datetime, past: Past) -> dict[tuple[str, str], _Row]:
    t, n = tables.transitions, tables.notifications.c
    calm: dict[tuple[str, str], datetime] = {}
    query = select(n.account, n.subject, func.max(n.recorded_at)).where(n.kind == Kind.CALM, n.recorded_at < at)
    for account, name, when in await conn.execute(query.group_by(n.account, n.subject)):
        calm[account, name] = when
    changes: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    last_of = last_numbers(at)
    query_changes = (
        select(t, last_of.c.incidents, last_of.c.healthy)
        .join_from(t, last_of, and_(last_of.c.account == t.c.account, last_of.c.name == t.c.name))
        .where(t.c.number <= last_of.c.number, t.c.number > last_of.c.number - _CHANGES)
    )
    for row in await conn.execute(query_changes.order_by(t.c.number)):
        changes[row.account, row.name].append(row)
    first_looks = {
        (look.observation.account, look.observation.name): look.seen_before
        for batch in reversed(past.batches)
        for look in batch.looks
    }
    states: dict[tuple[str, str], _Row] = {}
    for link, known in changes.items():
        last, calm_at = known[-1], calm.get(link)
        gone = last.change == Change.REMOVED
        was_healthy = bool(last.healthy)
        calmed = calm_at is not None and calm_at >= last.confirmed_at
        problem = not gone and is_problem(last.after, was_healthy=was_healthy)
        over = gone or (not problem and (calmed or not last.flapping))
        since = max(
            filter(None, [calm_at, *(row.confirmed_at for row in known if row.change == Change.REMOVED)]), default=None
        )
        counted = [row.confirmed_at for row in known if row.change not in {Change.BASELINE, Change.REMOVED}]
        seen_at = first_looks.get(link) or past.seen.get(link)
        states[link] = {
            "account": link[0],
            "name": link[1],
            "status": None if gone else last.after,
            "reason": None if gone else last.reason,
            "since": None if gone else last.first_seen_at,
            "was_healthy": was_healthy,
            "number": last.number,
            "incidents": last.incidents or 0,
            "incident": None if over else last.incident,
            "problem_since": None if over else last.problem_since,
            "observed_at": last.confirmed_at,
            "last_seen_at": max(last.confirmed_at, min(seen_at or at, at)),
            "candidate": None,
            "failed_polls": 0,
            "blind": False,
            "cause": None,
            "changes": [when.isoformat() for when in counted if since is None or when > since][-_CHANGES:],
            "flapping": last.flapping and not calmed and not gone,
            "version": 1,
        }
    return states


async def _incidents(conn: AsyncConnection, at: datetime) -> list[_Row]:
    i = tables.incidents
    query = select(i).where(i.c.opened_at < at, i.c.kind != IncidentKind.AUDIT).order_by(i.c.id)
    return [_as_of(dict(row._mapping), at) for row in await conn.execute(query)]  # noqa: SLF001 - documented


def _as_of(incident: _Row, at: datetime) -> _Row:
    """Take away what came later: its end, its acknowledgement."""
    if incident["closed_at"] is not None and incident["closed_at"] > at:
        incident["closed_at"] = None
    if incident["acknowledged_at"] is not None and incident["acknowledged_at"] > at:
        incident |= {"acknowledged_by": None, "acknowledged_at": None, "acknowledged_until": None, "sticky": False}
    return incident


def _views(incidents: Sequence[_Row]) -> list[_Row]:
    """Return what could be seen of each account that was ever blind; that it still is ends with the first listing."""
    last = {row["account"]: row for row in incidents if row["kind"] == IncidentKind.BLIND}
    return [
        {
            "account": account,
            "listing_failures": 0,
            "listing_cause": None,
            "incident": row["number"] if row["closed_at"] is None else None,
            "incidents": row["number"],
            "since": row["opened_at"] if row["closed_at"] is None else None,
            "empty_listings": 0,
            "version": 1,
        }
        for account, row in last.items()
    ]


async def _conditions(
    conn: AsyncConnection,
    at: datetime,
    states: dict[tuple[str, str], _Row],
    opened: set[str],
    links: dict[tuple[str, str], _Row],
) -> tuple[list[_Row], list[_Row]]:
    """Return how each subject stood by the last words about it, and those words."""
    n = tables.notifications
    newest: dict[tuple[str, str, str], Any] = {}
    last = select(func.max(n.c.id)).where(n.c.recorded_at < at, n.c.kind.in_(_KINDS))
    query = select(n).where(n.c.id.in_(last.group_by(n.c.kind, n.c.account, n.c.subject))).order_by(n.c.id)
    for row in await conn.execute(query):
        newest[_KINDS[Kind(row.kind)], row.account, row.subject] = row
    conditions: list[_Row] = []
    for (kind, account, subject), row in newest.items():
        told = rows.to_notification(row.content)
        state = states.get((account, subject)) if kind == IncidentKind.INTERCONNECT else None
        incident = number_in(row.incident_key) if row.incident_key in opened else None
        if state is not None:
            incident = state["incident"]
        site = subject if kind == IncidentKind.SITE else links.get((account, subject), {}).get("site")
        conditions.append(
            {
                "kind": kind,
                "account": account,
                "subject": subject,
                "site": site if kind in {IncidentKind.SITE, IncidentKind.INTERCONNECT} else None,
                "status": told.status or "",
                "before": told.before,
                "problem": incident is not None and told.kind not in {Kind.RECOVERED, Kind.UP},
                "severity": told.severity,
                "incident": incident,
                "flapping": bool(state and state["flapping"]),
                "changed_at": told.recorded_at,
                "notification": row.id,
            }
        )
    return conditions, [dict(row._mapping) for row in newest.values()]  # noqa: SLF001 - documented


async def _told(conn: AsyncConnection, at: datetime, conditions: Sequence[_Row]) -> list[_Row]:
    """Return what each channel knew: how the subject stands, if it took anything of it."""
    d, n, i = tables.deliveries.c, tables.notifications.c, tables.incidents.c
    standing = {(c["kind"], c["account"], c["subject"]): c for c in conditions}
    last = (
        select(func.max(d.id))
        .join_from(tables.deliveries, tables.notifications, n.id == d.notification)
        .where(d.outcome == Outcome.SENT, d.settled_at < at)
    )
    query = (
        select(d.channel, d.action, d.settled_at, n.kind, n.account, n.subject, n.incident_key, i.kind.label("of"))
        .join_from(tables.deliveries, tables.notifications, n.id == d.notification)
        .join(tables.incidents, i.key == n.incident_key, isouter=True)
        .where(d.id.in_(last.group_by(d.channel, d.action, n.kind, n.account, n.subject)))
        .order_by(d.settled_at, d.id)
    )
    told: dict[tuple[Any, ...], _Row] = {}
    for row in await conn.execute(query):
        kind = row.of or _KINDS.get(Kind(row.kind))
        condition = standing.get((kind, row.account, row.subject))
        if condition is None:
            continue
        stateful = row.action != Action.TELL
        holds = stateful and row.action != Action.CLOSE and condition["incident"] == number_in(row.incident_key)
        told[row.channel, kind, row.account, row.subject] = {
            "channel": row.channel,
            "kind": kind,
            "account": row.account,
            "subject": row.subject,
            "status": condition["status"] if holds or not stateful else None,
            "problem": condition["problem"] if holds or not stateful else False,
            "incident": condition["incident"] if holds or not stateful else None,
            "notification": condition["notification"],
            "told_at": row.settled_at,
            "kept": None,
            "look_at": None,
            "remind_at": None,
        }
    return list(told.values())
