"""The database in memory: a working fake, held to the same suite as the real ones."""

import copy
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from notifier.domain.blindness import Extent, View
from notifier.domain.decision import Gap, Transition
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.interconnect import Interconnect
from notifier.domain.notification import Notification
from notifier.domain.observation import Observation
from notifier.domain.state import State
from notifier.domain.status import Severity
from notifier.errors import ConflictError
from notifier.ports import Accepted, Claimed, Outcome, Promise, Settlement


@dataclass
class Row:
    """A delivery as it is kept."""

    id: int
    notification: Notification
    promise: Promise
    outcome: Outcome = Outcome.PENDING
    attempts: int = 0
    leased_until: datetime | None = None
    leased_by: str | None = None
    settled_at: datetime | None = None
    cause: str | None = None
    receipt: str | None = None


@dataclass
class Tables:
    """Everything that is kept."""

    links: dict[tuple[str, str], Interconnect] = field(default_factory=dict)
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    deliveries: list[Row] = field(default_factory=list)
    promised: int = 0


class MemoryDatabase:
    """Keeps `ports.Database`; an exception that leaves a unit of work undoes it."""

    def __init__(self) -> None:
        self.tables = Tables()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["MemoryUnitOfWork"]:
        before = copy.deepcopy(self.tables)
        try:
            yield MemoryUnitOfWork(self.tables)
        except BaseException:
            self.tables = before
            raise


class MemoryUnitOfWork:
    def __init__(self, tables: Tables) -> None:
        self.watched = MemoryWatched(tables)
        self.record = MemoryRecord(tables)
        self.outbox = MemoryOutbox(tables)


class MemoryWatched:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def links(self, account: str) -> dict[str, Interconnect]:
        return {name: link for (owner, name), link in self._tables.links.items() if owner == account}

    async def save_links(self, account: str, links: Collection[Interconnect], at: datetime) -> None:  # noqa: ARG002 - the port's
        for name in await self.links(account):
            del self._tables.links[account, name]
        self._tables.links |= {(account, link.name): link for link in links}

    async def states(self, account: str, names: Collection[str]) -> dict[str, State]:
        return {name: self._tables.states[account, name] for name in names if (account, name) in self._tables.states}

    async def save_states(self, states: Collection[State]) -> None:
        for state in states:
            stored = self._tables.states.get((state.account, state.name))
            if (stored.version if stored else 0) != state.version:
                raise ConflictError(f"{state.name} changed meanwhile")
        for state in states:
            self._tables.states[state.account, state.name] = replace(state, version=state.version + 1)

    async def mark_seen(self, account: str, seen: Mapping[str, datetime]) -> None:
        for name, at in seen.items():
            state = self._tables.states.get((account, name))
            if state is not None and state.last_seen_at is not None and state.last_seen_at < at:
                observed = max(at, state.observed_at or at)
                self._tables.states[account, name] = replace(state, last_seen_at=at, observed_at=observed)

    async def view(self, account: str) -> View:
        return self._tables.views.get(account, View(account=account))

    async def save_view(self, view: View) -> None:
        if (await self.view(view.account)).version != view.version:
            raise ConflictError(f"the view of {view.account} changed meanwhile")
        self._tables.views[view.account] = replace(view, version=view.version + 1)

    async def extent(self, account: str) -> Extent:
        names = sorted(await self.links(account))
        states = await self.states(account, names)
        return Extent(
            blind=tuple((n, s.cause) for n, s in states.items() if s.blind and s.cause is not None),
            failing=sum(1 for s in states.values() if s.blind or s.failed_polls),
            watched=len(names),
        )

    async def differing(self, account: str) -> list[tuple[str, str]]:
        states = await self.states(account, sorted(await self.links(account)))
        return [(n, s.candidate.status) for n, s in states.items() if s.candidate is not None]


class MemoryRecord:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def observations(self, observations: Collection[Observation]) -> None:
        self._tables.observations += observations

    async def transitions(self, transitions: Collection[Transition]) -> None:
        self._tables.transitions += transitions

    async def gaps(self, gaps: Collection[Gap]) -> None:
        self._tables.gaps += gaps

    async def open_incidents(self, incidents: Collection[Incident]) -> None:
        self._tables.incidents |= {incident.key: incident for incident in incidents}

    async def worsen_incident(self, key: str, severity: Severity) -> None:
        self._tables.incidents[key] = replace(self._tables.incidents[key], severity=severity)

    async def close_incidents(self, ends: Mapping[str, datetime]) -> None:
        for key, at in ends.items():
            if self._tables.incidents[key].closed_at is None:
                self._tables.incidents[key] = replace(self._tables.incidents[key], closed_at=at)

    async def last_incident(self, kind: IncidentKind, account: str, subject: str) -> Incident | None:
        found = [
            i for i in self._tables.incidents.values() if (i.kind, i.account, i.subject) == (kind, account, subject)
        ]
        return max(found, key=lambda incident: incident.number, default=None)

    async def open_incidents_of(self, kind: IncidentKind) -> list[Incident]:
        return [i for i in self._tables.incidents.values() if i.kind is kind and i.closed_at is None]


class MemoryOutbox:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def promise(self, promised: Collection[tuple[Notification, Collection[Promise]]]) -> None:
        rows = self._tables.deliveries
        for told, promises in promised:
            for promise in promises:
                self._tables.promised += 1
                rows.append(Row(id=self._tables.promised, notification=told, promise=promise))

    async def claim(self, channel: str, *, now: datetime, until: datetime, owner: str, limit: int) -> list[Claimed]:
        pending = [
            row for row in self._tables.deliveries if row.outcome is Outcome.PENDING and row.promise.channel == channel
        ]
        first: dict[str, Row] = {}
        for row in pending:
            first.setdefault(row.promise.lane, row)
        due = [
            row
            for row in first.values()
            if row.promise.due_at <= now and (row.leased_until is None or row.leased_until <= now)
        ]
        due.sort(key=lambda row: (row.promise.urgency, row.id))
        for row in due[:limit]:
            row.leased_until, row.leased_by, row.attempts = until, owner, row.attempts + 1
        return [
            Claimed(id=row.id, attempt=row.attempts, notification=row.notification, promise=row.promise)
            for row in due[:limit]
        ]

    async def settle(self, settlement: Settlement) -> bool:
        s = settlement
        row = next(row for row in self._tables.deliveries if row.id == s.claimed.id)
        if (row.leased_by, row.attempts) != (s.owner, s.claimed.attempt):
            return False
        row.outcome, row.cause, row.leased_until, row.leased_by = s.outcome, s.cause, None, None
        row.receipt = s.answer.receipt if isinstance(s.answer, Accepted) else None
        row.settled_at = s.ended_at if s.outcome is not Outcome.PENDING else None
        if s.due_at is not None:
            row.promise = replace(row.promise, due_at=s.due_at)
        return True

    async def release(self, owner: str | None = None) -> None:
        for row in self._tables.deliveries:
            if owner in {None, row.leased_by}:
                row.leased_until = row.leased_by = None

    async def abandon(self, channel: str, cause: str, at: datetime) -> int:
        rows = [
            row for row in self._tables.deliveries if row.outcome is Outcome.PENDING and row.promise.channel == channel
        ]
        for row in rows:
            row.outcome, row.cause, row.settled_at = Outcome.ABANDONED, cause, at
            row.leased_until = row.leased_by = None
        return len(rows)

    async def waiting_channels(self) -> set[str]:
        return {row.promise.channel for row in self._tables.deliveries if row.outcome is Outcome.PENDING}

    async def prune(self, *, deliveries_before: datetime, observations_before: datetime) -> None:
        tables = self._tables
        tables.observations = [seen for seen in tables.observations if seen.at >= observations_before]
        unsettled = {
            id(row.notification)
            for row in tables.deliveries
            if row.settled_at is None or row.settled_at >= deliveries_before
        }
        tables.deliveries = [
            row
            for row in tables.deliveries
            if id(row.notification) in unsettled or row.notification.recorded_at >= deliveries_before
        ]
