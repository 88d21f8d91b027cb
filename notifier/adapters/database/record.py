"""Queries on what happened: observations, transitions, gaps, incidents."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows, tables
from notifier.adapters.database.journal import Journal
from notifier.domain.decision import Gap, Transition
from notifier.domain.incident import Incident, IncidentKind, incident_key
from notifier.domain.observation import Observation
from notifier.domain.status import Severity

_TOLD = ("number", "change", "before", "after", "reason", "last_seen_before", "first_seen_at", "unobserved", "flapping")


class SqlRecord:
    """Keeps `ports.Record` on either database."""

    def __init__(self, conn: AsyncConnection, journal: Journal) -> None:
        self._conn = conn
        self._journal = journal

    async def observations(self, observations: Collection[Observation]) -> None:
        """Keep observations."""
        if observations:
            values = [rows.from_observation(seen) for seen in observations]
            await self._conn.execute(insert(tables.observations), values)

    async def transitions(self, transitions: Collection[Transition]) -> None:
        """Keep transitions."""
        if transitions:
            await self._conn.execute(insert(tables.transitions), [asdict(t) for t in transitions])
        for t in transitions:
            told = {key: getattr(t, key) for key in _TOLD}
            key = t.incident and incident_key(IncidentKind.INTERCONNECT, t.account, t.name, t.incident)
            self._journal.note("transition", t.confirmed_at, t.account, t.name, **told, incident=key)

    async def gaps(self, gaps: Collection[Gap]) -> None:
        """Keep gaps."""
        if gaps:
            await self._conn.execute(insert(tables.gaps), [asdict(gap) for gap in gaps])

    async def open_incidents(self, incidents: Collection[Incident]) -> None:
        """Keep new incidents."""
        if incidents:
            values = [rows.from_incident(incident) for incident in incidents]
            await self._conn.execute(insert(tables.incidents), values)
        for incident in incidents:
            self._journal.incident(incident.opened_at, incident, "opened")

    async def worsen_incident(self, key: str, severity: Severity) -> None:
        """Raise an open incident's severity."""
        i = tables.incidents
        await self._conn.execute(update(i).where(i.c.key == key).values(severity=severity))

    async def close_incidents(self, ends: Mapping[str, datetime]) -> None:
        """End incidents, by key, each at its time."""
        if ends:
            for key, incident in (await self.incidents(ends)).items():
                if incident.closed_at is None:
                    self._journal.incident(ends[key], incident, "closed")
            i = tables.incidents
            closing = update(i).where(i.c.key == bindparam("ended"), i.c.closed_at.is_(None))
            values = [{"ended": key, "at": at} for key, at in ends.items()]
            await self._conn.execute(closing.values(closed_at=bindparam("at")), values)

    async def incidents(self, keys: Collection[str]) -> dict[str, Incident]:
        """Return incidents by key."""
        i = tables.incidents
        if not keys:
            return {}
        found = await self._conn.execute(select(i).where(i.c.key.in_(list(keys))))
        return {row.key: rows.to_incident(row) for row in found}

    async def last_incident(self, kind: IncidentKind, account: str, subject: str) -> Incident | None:
        """Return the newest incident of a subject."""
        i = tables.incidents
        query = (
            select(i)
            .where(i.c.kind == kind, i.c.account == account, i.c.subject == subject)
            .order_by(i.c.number.desc())
            .limit(1)
        )
        row = (await self._conn.execute(query)).one_or_none()
        return None if row is None else rows.to_incident(row)

    async def last_incidents(self, kind: IncidentKind, account: str, subjects: Collection[str]) -> dict[str, Incident]:
        """Return the newest incident of each subject that ever had one."""
        i = tables.incidents
        query = (
            select(i)
            .where(i.c.kind == kind, i.c.account == account, i.c.subject.in_(list(subjects)))
            .order_by(i.c.number)
        )
        return {row.subject: rows.to_incident(row) for row in await self._conn.execute(query)}

    async def open_incidents_of(self, kind: IncidentKind) -> list[Incident]:
        """Return the open incidents of a kind, oldest first."""
        i = tables.incidents
        query = select(i).where(i.c.kind == kind, i.c.closed_at.is_(None)).order_by(i.c.id)
        return [rows.to_incident(row) for row in await self._conn.execute(query)]
