"""What people ask of the database: rows as plain objects with stable keys."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.tables import (
    acts,
    attempts,
    deliveries,
    gaps,
    incidents,
    interconnects,
    notifications,
    observations,
    silences,
    states,
    transitions,
    views,
)
from notifier.domain.incident import IncidentKind, incident_key
from notifier.ports import Outcome

Found = dict[str, Any]

_OF_LINK = ("account", "name", "site", "facility", "speed", "watched")
_OF_STATE = ("status", "reason", "since", "last_seen_at", "blind", "cause", "candidate", "incident", "number")
_OF_PAST = ("was_healthy", "flapping")

# What is believed of interconnects, in order.
BELIEVED = (
    select(
        *(interconnects.c[name] for name in _OF_LINK),
        *(states.c[name] for name in (*_OF_STATE, *_OF_PAST)),
    )
    .join_from(
        interconnects,
        states,
        and_(states.c.account == interconnects.c.account, states.c.name == interconnects.c.name),
        isouter=True,
    )
    .order_by(interconnects.c.account, interconnects.c.site, interconnects.c.name)
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in what is ordered by time, then by id: whatever comes after it is older."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: of one account, in a period, at most so many of the newest, or of those `after` a position.

    `links` narrows an account's column and a name's to some interconnects.
    """

    account: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: Position | None = None
    links: Callable[[Any, Any], ColumnElement[bool]] | None = None


class Reading:
    """Answers people's questions within one transaction."""

    def __init__(self, conn: AsyncConnection) -> None:
        self.conn = conn

    async def status(self, wanted: Wanted) -> list[Found]:
        """Return every watched interconnect with what is believed of it."""
        query = BELIEVED.where(interconnects.c.watched)
        if wanted.account is not None:
            query = query.where(interconnects.c.account == wanted.account)
        return [self._status(row._mapping) for row in await self.conn.execute(query)]  # noqa: SLF001 - documented

    def _status(self, row: RowMapping) -> Found:
        account, name, number = row["account"], row["name"], row["incident"]
        keys = ("account", "name", "site", "facility", "speed", "status", "reason", "since", "last_seen_at", "blind")
        candidate = row["candidate"]
        return {
            "id": f"{account}/{name}",
            **{key: row[key] for key in keys},
            "blind": bool(row["blind"]),
            "cause": row["cause"]["text"] if row["cause"] else None,
            "candidate": candidate and candidate["status"],
            "sightings": candidate and candidate["sightings"],
            "incident": number and incident_key(IncidentKind.INTERCONNECT, account, name, number),
            "number": row["number"],
        }

    async def blind(self, account: str | None = None) -> list[Found]:
        """Return the accounts that can't be seen, wholly or in part."""
        query = select(views).where(views.c.incident.is_not(None))
        if account is not None:
            query = query.where(views.c.account == account)
        return [
            {"id": row.account, "since": row.since, "cause": row.listing_cause and row.listing_cause["text"]}
            for row in await self.conn.execute(query)
        ]

    async def history(self, wanted: Wanted, name: str | None) -> list[Found]:
        """Return transitions, the notable observations between them, and the gaps, oldest first."""
        found = await self.transitions(wanted, name)
        found += await self.observations(wanted, name)
        found += await self.gaps(wanted, name)
        found.sort(key=lambda row: (row["at"], row["kind"] == "transition"))
        return found[-wanted.limit :]

    async def observations(self, wanted: Wanted, name: str | None) -> list[Found]:
        """Return notable observations, newest first."""
        o = observations.c
        query = select(observations).order_by(o.at.desc(), o.id.desc())
        if name is not None:
            query = query.where(o.name == name)
        query = _narrow(query, wanted, o, o.at, o.name)
        return [self._observation(row._mapping) for row in await self.conn.execute(query)]  # noqa: SLF001 - documented

    async def gaps(self, wanted: Wanted, name: str | None) -> list[Found]:
        """Return the gaps, the last that ended first."""
        g = gaps.c
        query = select(gaps).order_by(g.until_at.desc(), g.id.desc())
        if name is not None:
            query = query.where(g.name == name)
        query = _narrow(query, wanted, g, g.until_at, g.name)
        return [self._gap(row._mapping) for row in await self.conn.execute(query)]  # noqa: SLF001 - documented

    async def transitions(self, wanted: Wanted, name: str | None) -> list[Found]:
        """Return transitions, newest first."""
        t = transitions.c
        query = select(transitions).order_by(t.confirmed_at.desc(), t.id.desc())
        if name is not None:
            query = query.where(t.name == name)
        query = _narrow(query, wanted, t, t.confirmed_at, t.name)
        return [self._transition(row._mapping) for row in await self.conn.execute(query)]  # noqa: SLF001

    def _transition(self, row: RowMapping) -> Found:
        number = row["incident"]
        key = number and incident_key(IncidentKind.INTERCONNECT, row["account"], row["name"], number)
        return {
            "id": f"transition-{row['id']}",
            "kind": "transition",
            "at": row["confirmed_at"],
            **{k: row[k] for k in ("account", "name", "number", "change", "before", "after", "reason")},
            **{k: row[k] for k in ("last_seen_before", "first_seen_at", "confirmed_at", "sightings", "unobserved")},
            "incident": key,
        }

    def _gap(self, row: RowMapping) -> Found:
        return {
            "id": f"gap-{row['id']}",
            "kind": "gap",
            "at": row["until_at"],
            "account": row["account"],
            "name": row["name"],
            "from_at": row["from_at"],
            "until_at": row["until_at"],
            "reason": None,
        }

    def _observation(self, row: RowMapping) -> Found:
        return {
            "id": f"observation-{row['id']}",
            "kind": "observation",
            "at": row["at"],
            "account": row["account"],
            "name": row["name"],
            "status": row["status"],
            "reason": row["reason"],
            "cause": row["cause"]["text"] if row["cause"] else None,
        }

    async def incidents(self, wanted: Wanted) -> list[Found]:
        """Return incidents, open ones first, then the newest."""
        i = incidents.c
        query = select(incidents).order_by(i.closed_at.is_not(None), i.opened_at.desc(), i.id.desc())
        found = await self.conn.execute(_narrow(query, wanted, i, i.opened_at, i.subject))
        return [self._incident(row._mapping) for row in found]  # noqa: SLF001 - documented

    async def newest_incidents(self, wanted: Wanted, *, is_open: bool | None) -> list[Found]:
        """Return incidents, newest first; `is_open`: only open ones, or only those that are over."""
        i = incidents.c
        query = select(incidents).order_by(i.opened_at.desc(), i.id.desc())
        if is_open is not None:
            query = query.where(i.closed_at.is_(None) if is_open else i.closed_at.is_not(None))
        return await self.incidents_in(_narrow(query, wanted, i, i.opened_at, i.subject))

    async def incidents_in(self, query: Select[Any]) -> list[Found]:
        """Return the incidents that a query finds, each with the number of its `row`."""
        found = await self.conn.execute(query)
        return [self._incident(row._mapping) | {"row": row.id} for row in found]  # noqa: SLF001 - documented

    def _incident(self, row: RowMapping) -> Found:
        about = ("kind", "account", "subject", "number", "severity", "opened_at", "closed_at")
        keys = (*about, "acknowledged_by", "acknowledged_at", "acknowledged_until", "sticky")
        return {"id": row["key"], **{key: row[key] for key in keys}}

    async def deliveries(self, wanted: Wanted, *, failed: bool) -> list[Found]:
        """Return deliveries, newest first; `failed`: only those abandoned, or tried in vain so far."""
        d, n = deliveries.c, notifications.c
        last = (
            select(func.max(attempts.c.ended_at)).where(attempts.c.delivery == d.id).scalar_subquery().label("tried_at")
        )
        query = (
            select(deliveries, n.content, n.account, n.recorded_at, last)
            .join_from(deliveries, notifications, n.id == d.notification)
            .order_by(d.id.desc())
        )
        if failed:
            query = query.where((d.outcome == Outcome.ABANDONED) | ((d.outcome == Outcome.PENDING) & (d.attempts > 0)))
        keys = ("channel", "outcome", "action", "attempts", "cause", "receipt", "recorded_at", "tried_at", "settled_at")
        return [
            {
                "id": row.id,
                **{key: row._mapping[key] for key in keys},  # noqa: SLF001 - documented
                "due_at": row.due_at if row.outcome == Outcome.PENDING else None,
                "account": row.account,
                "subject": row.content["subject"],
                "kind": row.content["kind"],
                "title": row.content["title"],
                "incident": row.content["incident_key"],
            }
            for row in await self.conn.execute(_narrow(query, wanted, n, n.recorded_at, n.subject, id_=d.id))
        ]

    async def acts(self, wanted: Wanted) -> list[Found]:
        """Return what operators did, newest first."""
        query = select(acts).order_by(acts.c.id.desc())
        if wanted.since is not None:
            query = query.where(acts.c.at >= wanted.since)
        if wanted.after is not None:
            query = query.where(acts.c.id < wanted.after.id)
        return [act_found(row) for row in await self.conn.execute(query.limit(wanted.limit))]

    async def silences(self, since: datetime | None) -> list[Found]:
        """Return the silences that end after a moment, or all of them, in the order of their beginning."""
        query = select(silences).order_by(silences.c.from_at, silences.c.id)
        if since is not None:
            query = query.where(silences.c.until_at > since)
        keys = ("id", "accounts", "names", "sites", "from_at", "until_at", "comment")
        return [
            {**{key: row._mapping[key] for key in keys}, "by": row.set_by}  # noqa: SLF001 - documented
            for row in await self.conn.execute(query)
        ]


def act_found(row: Any) -> Found:
    """Read what an operator did."""
    return {"id": f"act-{row.id}", "kind": "act", "at": row.at, "by": row.done_by} | {
        "act": row.act,
        "target": row.target,
        "comment": row.comment,
    }


def _narrow(query: Select[Any], wanted: Wanted, columns: Any, at: Any, name: Any, *, id_: Any = None) -> Select[Any]:
    """Narrow what is in the order of its times, or else, if `id_` is given, of that alone."""
    if wanted.account is not None:
        query = query.where(columns.account == wanted.account)
    if wanted.since is not None:
        query = query.where(at >= wanted.since)
    if wanted.until is not None:
        query = query.where(at < wanted.until)
    if wanted.links is not None:
        query = query.where(wanted.links(columns.account, name))
    if wanted.after is not None and id_ is not None:
        query = query.where(id_ < wanted.after.id)
    elif wanted.after is not None:
        same = and_(at == wanted.after.at, columns.id < wanted.after.id)
        query = query.where(or_(at < wanted.after.at, same))
    return query.limit(wanted.limit)
