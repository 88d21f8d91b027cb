"""What people ask of the database: rows as plain objects with stable keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.tables import (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: of one account, since a moment, at most so many of the newest."""

    account: str | None = None
    since: datetime | None = None
    limit: int = 50


class Reading:
    """Answers people's questions within one transaction."""

    def __init__(self, conn: AsyncConnection) -> None:
        self.conn = conn

    async def status(self, wanted: Wanted) -> list[Found]:
        """Return every watched interconnect with what is believed of it."""
        query = (
            select(interconnects, *(c for c in states.c if c.name not in {"account", "name", "version"}))
            .join_from(
                interconnects,
                states,
                and_(states.c.account == interconnects.c.account, states.c.name == interconnects.c.name),
                isouter=True,
            )
            .where(interconnects.c.watched)
            .order_by(interconnects.c.account, interconnects.c.site, interconnects.c.name)
        )
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
        o, g = observations.c, gaps.c
        sights = select(observations).order_by(o.at.desc(), o.id.desc())
        unseen = select(gaps).order_by(g.until_at.desc(), g.id.desc())
        if name is not None:
            sights, unseen = sights.where(o.name == name), unseen.where(g.name == name)
        sights = _narrow(sights, wanted, o.account, o.at)
        unseen = _narrow(unseen, wanted, g.account, g.until_at)
        found = await self.transitions(wanted, name)
        found += [self._observation(row._mapping) for row in await self.conn.execute(sights)]  # noqa: SLF001
        found += [self._gap(row._mapping) for row in await self.conn.execute(unseen)]  # noqa: SLF001 - documented
        found.sort(key=lambda row: (row["at"], row["kind"] == "transition"))
        return found[-wanted.limit :]

    async def transitions(self, wanted: Wanted, name: str | None) -> list[Found]:
        """Return transitions, newest first."""
        t = transitions.c
        query = select(transitions).order_by(t.confirmed_at.desc(), t.id.desc())
        if name is not None:
            query = query.where(t.name == name)
        query = _narrow(query, wanted, t.account, t.confirmed_at)
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
        about = ("kind", "account", "subject", "number", "severity", "opened_at", "closed_at")
        keys = (*about, "acknowledged_by", "acknowledged_at", "acknowledged_until")
        return [
            {"id": row.key, **{key: row._mapping[key] for key in keys}}  # noqa: SLF001 - documented
            for row in await self.conn.execute(_narrow(query, wanted, i.account, i.opened_at))
        ]

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
            for row in await self.conn.execute(_narrow(query, wanted, n.account, n.recorded_at))
        ]

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


def _narrow(query: Select[Any], wanted: Wanted, account: Any, at: Any) -> Select[Any]:
    if wanted.account is not None:
        query = query.where(account == wanted.account)
    if wanted.since is not None:
        query = query.where(at >= wanted.since)
    return query.limit(wanted.limit)
