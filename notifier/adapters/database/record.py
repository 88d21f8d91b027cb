"""Queries on what happened: observations, transitions, gaps, incidents."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows, tables
from notifier.adapters.database.entering import Entering
from notifier.adapters.database.journal import Journal
from notifier.domain.chain import EntryKind
from notifier.domain.decision import Gap, Transition
from notifier.domain.incident import NOBODYS, Incident, IncidentKind, incident_key
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import Cause
from notifier.domain.status import Severity
from notifier.ports import Due, Look

LISTING, START = "listing", "start"  # kinds of inputs
_TOLD = ("number", "change", "before", "after", "reason", "last_seen_before", "first_seen_at", "unobserved", "flapping")


class SqlRecord:
    """Keeps `ports.Record` on either database."""

    def __init__(self, conn: AsyncConnection, journal: Journal, entering: Entering) -> None:
        self._conn = conn
        self._journal = journal
        self._entering = entering

    async def observations(self, looks: Sequence[Look], at: datetime) -> None:
        """Keep observations."""
        if looks:
            values = [
                rows.from_observation(look.observation)
                | {"written_at": at, "place": place, "last_seen_before": look.seen_before}
                for place, look in enumerate(looks)
            ]
            self._entering.note(EntryKind.OBSERVATION, await self._conn.execute(_OBSERVATIONS, values))

    async def listing(self, account: str, listed: Collection[Interconnect] | Cause, at: datetime) -> None:
        """Keep a listing that changed something."""
        content = (
            {"cause": rows.from_cause(listed)}
            if isinstance(listed, Cause)
            else {"listed": [rows.from_link(link) for link in listed]}
        )
        await self._conn.execute(_INPUT, {"at": at, "kind": LISTING, "account": account, "content": content})

    async def start(self, at: datetime) -> None:
        """Keep that a process looks at everything anew."""
        signs = (await self._conn.execute(_SIGNS_OF_LIFE)).one()
        alive = max(filter(None, signs), default=None)
        content = {"alive": alive and alive.isoformat()}
        await self._conn.execute(_INPUT, {"at": at, "kind": START, "account": NOBODYS, "content": content})

    async def came_to(self, account: str, what: Due, at: datetime) -> None:
        """Keep when what is due by time alone was done."""
        await self._conn.execute(_INPUT, {"at": at, "kind": what, "account": account, "content": {}})

    async def transitions(self, transitions: Collection[Transition]) -> None:
        """Keep transitions."""
        if transitions:
            written = await self._conn.execute(_TRANSITIONS, [rows.values(t) for t in transitions])
            self._entering.note(EntryKind.TRANSITION, written)
        for t in transitions:
            told = {key: getattr(t, key) for key in _TOLD}
            key = t.incident and incident_key(IncidentKind.INTERCONNECT, t.account, t.name, t.incident)
            self._journal.note("transition", t.confirmed_at, t.account, t.name, **told, incident=key)

    async def gaps(self, gaps: Collection[Gap]) -> None:
        """Keep gaps."""
        if gaps:
            written = await self._conn.execute(_GAPS, [rows.values(gap) for gap in gaps])
            self._entering.note(EntryKind.GAP, written)

    async def open_incidents(self, incidents: Collection[Incident]) -> None:
        """Keep new incidents."""
        if incidents:
            values = [rows.from_incident(incident) for incident in incidents]
            await self._conn.execute(_INCIDENTS, values)
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
            await self._conn.execute(_CLOSE, [{"ended": key, "at": at} for key, at in ends.items()])

    async def incidents(self, keys: Collection[str]) -> dict[str, Incident]:
        """Return incidents by key."""
        if not keys:
            return {}
        found = await self._conn.execute(_BY_KEY, {"keys": list(keys)})
        return {row.key: rows.to_incident(row) for row in found}

    async def last_incident(self, kind: IncidentKind, account: str, subject: str) -> Incident | None:
        """Return the newest incident of a subject."""
        return (await self.last_incidents(kind, account, [subject])).get(subject)

    async def last_incidents(self, kind: IncidentKind, account: str, subjects: Collection[str]) -> dict[str, Incident]:
        """Return the newest incident of each subject that ever had one."""
        found = await self._conn.execute(_LAST, {"kind": kind, "account": account, "subjects": list(subjects)})
        return {row.subject: rows.to_incident(row) for row in found}

    async def open_incidents_of(self, kind: IncidentKind) -> list[Incident]:
        """Return the open incidents of a kind, oldest first."""
        i = tables.incidents
        query = select(i).where(i.c.kind == kind, i.c.closed_at.is_(None)).order_by(i.c.id)
        return [rows.to_incident(row) for row in await self._conn.execute(query)]


# Put together once: that takes longer than to run them.


def _last() -> Select[Any]:
    i, other = tables.incidents, tables.incidents.alias()
    same = (other.c.kind == i.c.kind, other.c.account == i.c.account, other.c.subject == i.c.subject)
    newest = select(func.max(other.c.number)).where(*same).scalar_subquery()
    subjects = i.c.subject.in_(bindparam("subjects", expanding=True))
    return (
        select(i)
        .where(i.c.kind == bindparam("kind"), i.c.account == bindparam("account"), subjects)
        .where(i.c.number == newest)
    )


_OBSERVATIONS = insert(tables.observations).returning(tables.observations)
_INPUT = insert(tables.inputs)
_SIGNS_OF_LIFE = select(
    select(func.max(tables.states.c.last_seen_at)).scalar_subquery(),
    select(func.max(tables.inputs.c.at)).scalar_subquery(),
)
_TRANSITIONS = insert(tables.transitions).returning(tables.transitions)
_GAPS = insert(tables.gaps).returning(tables.gaps)
_INCIDENTS = insert(tables.incidents)
_BY_KEY = select(tables.incidents).where(tables.incidents.c.key.in_(bindparam("keys", expanding=True)))
_CLOSE = (
    update(tables.incidents)
    .where(tables.incidents.c.key == bindparam("ended"), tables.incidents.c.closed_at.is_(None))
    .values(closed_at=bindparam("at"))
)
_LAST = _last()
