"""The database in memory: a working fake, held to the same suite as the real ones."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from notifier.domain.backoff import due_as_of
from notifier.domain.blindness import Extent, View
from notifier.domain.decision import Gap, Transition
from notifier.domain.drill import LANES, drill_key
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.interconnect import Interconnect
from notifier.domain.listing import Known
from notifier.domain.merging import Waiting
from notifier.domain.notification import Action, Notification
from notifier.domain.objective import Count, Punctuality
from notifier.domain.observation import Cause, Observation
from notifier.domain.pacing import Sent
from notifier.domain.site import Member, Site
from notifier.domain.state import State
from notifier.domain.status import Severity
from notifier.domain.telling import Heard
from notifier.errors import ConflictError
from notifier.ports import Accepted, Claimed, Drill, Due, Fate, Look, Outcome, Promise, Settlement
from tests.support.fakes import FakeClock
from tests.support.memory_auditing import MemoryAuditing
from tests.support.memory_ledger import LedgerTables, MemoryLedger
from tests.support.memory_sharing import MemoryBudgets, MemoryLeases, SharingTables


@dataclass
class Row:
    """A delivery as it is kept."""

    id: int
    notification_id: int
    notification: Notification
    promise: Promise
    outcome: Outcome = Outcome.PENDING
    attempts: int = 0
    leased_until: datetime | None = None
    leased_by: str | None = None
    settled_at: datetime | None = None
    cause: str | None = None
    receipt: str | None = None
    uncertain: bool = False

    def waits(self, channel: str, now: datetime) -> bool:
        """Pending for the channel, and nobody is sending it."""
        return self.pending(channel) and (self.leased_until is None or self.leased_until <= now)

    def pending(self, channel: str) -> bool:
        return self.outcome is Outcome.PENDING and self.promise.channel == channel


@dataclass
class Tables:
    """Everything that is kept."""

    links: dict[tuple[str, str], Known] = field(default_factory=dict)
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    notifications: dict[int, Notification] = field(default_factory=dict)
    deliveries: list[Row] = field(default_factory=list)
    attempts: list[Settlement] = field(default_factory=list)
    worded: int = 0
    promised: int = 0
    drills: dict[int, Drill] = field(default_factory=dict)
    ledger: LedgerTables = field(default_factory=LedgerTables)
    sharing: SharingTables = field(default_factory=SharingTables)


def _copied(kept: Any) -> Any:
    """Copy all that can change: containers and rows; frozen values need no copy."""
    match kept:
        case dict():
            return {key: _copied(value) for key, value in kept.items()}
        case list():
            return [_copied(value) for value in kept]
        case Tables() | LedgerTables() | SharingTables() | Row():
            return replace(kept, **{each.name: _copied(getattr(kept, each.name)) for each in fields(kept)})
        case _:
            return kept


class MemoryDatabase:
    """Keeps `ports.Database`; an exception that leaves a unit of work undoes it."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        """Its time is the clock's."""
        self.tables = Tables()
        self._clock = clock or FakeClock()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["MemoryUnitOfWork"]:
        before: Tables = _copied(self.tables)
        try:
            yield MemoryUnitOfWork(self.tables, self._clock)
        except BaseException:
            self.tables = before
            raise


class MemoryUnitOfWork:
    def __init__(self, tables: Tables, clock: FakeClock) -> None:
        self.tables = tables
        self.watched = MemoryWatched(tables)
        self.record = MemoryRecord(tables)
        self.outbox = MemoryOutbox(tables)
        self.ledger = MemoryLedger(tables.ledger, tables.incidents)
        self.chain = MemoryChain(tables)
        self.drills = MemoryDrills(tables)
        self.audit = MemoryAuditing(tables)
        self.leases = MemoryLeases(tables.sharing, clock)
        self.budgets = MemoryBudgets(tables.sharing, clock)


class MemoryWatched:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def links(self, account: str, names: Collection[str] | None = None) -> dict[str, Interconnect]:
        watched = {name: each.link for name, each in (await self.enrolled(account)).items() if each.watched}
        return {name: link for name, link in watched.items() if names is None or name in names}

    async def enrolled(self, account: str) -> dict[str, Known]:
        return {name: each for (owner, name), each in self._tables.links.items() if owner == account}

    async def save_links(
        self,
        account: str,
        links: Collection[Interconnect],
        at: datetime,  # noqa: ARG002 - the port's
        missing: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        for name, each in (await self.enrolled(account)).items():
            self._tables.links[account, name] = replace(each, watched=False)
        for link in links:
            self._tables.links[account, link.name] = Known(link=link, missing=missing.get(link.name, 0))

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

    async def changed(self, account: str, since: datetime) -> list[tuple[str, str, bool]]:
        states = await self.states(account, sorted(await self.links(account)))
        candidates = [(n, s.candidate.status, False) for n, s in states.items() if s.candidate is not None]
        confirmed = [
            (n, s.status or "", True)
            for n, s in states.items()
            if s.candidate is None and s.since is not None and s.since > since
        ]
        return sorted(candidates + confirmed)

    async def sites(self, account: str, names: Collection[str]) -> dict[str, Site]:
        links = await self.links(account)
        states = await self.states(account, links)
        return {
            site: Site(
                account=account,
                name=site,
                members=tuple(
                    _member(name, states.get(name)) for name, link in sorted(links.items()) if link.site == site
                ),
            )
            for site in names
        }

    async def flapping(self, account: str) -> list[State]:
        return [s for (owner, _), s in sorted(self._tables.states.items()) if owner == account and s.flapping]

    async def accounts(self) -> set[str]:
        watched = {account for (account, _), each in self._tables.links.items() if each.watched}
        return watched | {view.account for view in self._tables.views.values() if view.incident is not None}


def _member(name: str, state: State | None) -> Member:
    if state is None:
        return Member(name=name, status=None, problem=False)
    return Member(
        name=name,
        status=state.status,
        problem=state.incident is not None,
        candidate=state.candidate is not None and state.candidate.problem,
        reason=state.reason,
    )


class MemoryRecord:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def observations(self, looks: Sequence[Look], at: datetime) -> None:  # noqa: ARG002 - the port's
        self._tables.observations += [look.observation for look in looks]

    async def listing(self, account: str, listed: Collection[Interconnect] | Cause, at: datetime) -> None:
        """Nobody replays what is in memory."""

    async def start(self, at: datetime) -> None:
        """Nobody replays what is in memory."""

    async def came_to(self, account: str, what: Due, at: datetime) -> None:
        """Nobody replays what is in memory."""

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

    async def incidents(self, keys: Collection[str]) -> dict[str, Incident]:
        return {key: self._tables.incidents[key] for key in keys if key in self._tables.incidents}

    async def last_incidents(self, kind: IncidentKind, account: str, subjects: Collection[str]) -> dict[str, Incident]:
        found = {subject: await self.last_incident(kind, account, subject) for subject in subjects}
        return {subject: incident for subject, incident in found.items() if incident is not None}

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

    async def promise(self, promised: Collection[tuple[Notification, Collection[Promise]]]) -> list[int]:
        tables, ids = self._tables, []
        for told, promises in promised:
            tables.worded += 1
            ids.append(tables.worded)
            tables.notifications[ids[-1]] = told
            for promise in promises:
                tables.promised += 1
                tables.deliveries.append(
                    Row(id=tables.promised, notification_id=ids[-1], notification=told, promise=promise)
                )
        return ids

    async def notifications(self, ids: Collection[int]) -> dict[int, Notification]:
        return {number: self._tables.notifications[number] for number in ids if number in self._tables.notifications}

    async def hold(self, channel: str, now: datetime) -> bool:
        return any(row.promise.due_at <= now for row in self._tables.deliveries if row.pending(channel))

    async def passing(self, channel: str, now: datetime) -> list[Waiting]:
        rows = [row for row in self._tables.deliveries if row.waits(channel, now)]
        lanes = {
            close.promise.lane
            for close in rows
            if close.promise.action is Action.CLOSE
            and any(row.promise.lane == close.promise.lane and row.id < close.id for row in rows)
        }
        return _queue(row for row in rows if row.promise.lane in lanes)

    async def waiting(self, channel: str) -> list[Waiting]:
        return _queue(row for row in self._tables.deliveries if row.pending(channel))

    async def call_off(self, ids: Collection[int], cause: str, at: datetime) -> None:
        for row in self._tables.deliveries:
            if row.id in ids and row.outcome is Outcome.PENDING:
                row.outcome, row.cause, row.settled_at = Outcome.MOOT, cause, at

    async def sent(self, channel: str, *, since: datetime, now: datetime) -> list[Sent]:
        messages: dict[str, list[Settlement]] = {}
        for tried in self._tables.attempts:
            promise = tried.claimed.promise
            if promise.channel == channel and tried.started_at > since and not promise.lane.startswith(LANES):
                messages.setdefault(tried.message, []).append(tried)
        under_way = {
            row.promise.lane
            for row in self._tables.deliveries
            if row.pending(channel) and not row.waits(channel, now) and not row.promise.lane.startswith(LANES)
        }
        return [
            Sent(at=max(t.started_at for t in tried), lanes=len({t.claimed.promise.lane for t in tried}))
            for tried in messages.values()
        ] + [Sent(at=now) for _ in under_way]

    async def claim(
        self, channel: str, *, whole: bool, lanes: int | None, now: datetime, until: datetime, owner: str
    ) -> list[Claimed]:
        pending: dict[str, list[Row]] = {}
        for row in self._tables.deliveries:
            if row.pending(channel):
                pending.setdefault(row.promise.lane, []).append(row)
        due = [
            lane
            for lane in pending.values()
            if lane[0].promise.due_at <= now and all(row.waits(channel, now) for row in lane)
        ]
        due.sort(key=lambda lane: (min(row.promise.urgency for row in lane), lane[0].id))
        return [_lease(row, owner, until) for lane in due[:lanes] for row in (lane if whole else lane[:1])]

    async def renew(self, ids: Collection[int], *, until: datetime, owner: str) -> None:
        for row in self._tables.deliveries:
            if row.id in ids and row.leased_by == owner:
                row.leased_until = until

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        held = [settlement for settlement in settlements if self._settle(settlement)]
        self._tables.attempts += held
        return held

    def _settle(self, s: Settlement) -> bool:
        row = next(row for row in self._tables.deliveries if row.id == s.claimed.id)
        if (row.leased_by, row.attempts) != (s.owner, s.claimed.attempt):
            return False
        row.outcome, row.cause, row.leased_until, row.leased_by = s.outcome, s.cause, None, None
        row.receipt = s.answer.receipt if isinstance(s.answer, Accepted) else None
        row.uncertain = s.uncertain
        row.settled_at = s.ended_at if s.outcome is not Outcome.PENDING else None
        if s.due_at is not None:
            row.promise = replace(row.promise, due_at=s.due_at)
        return True

    async def abandoned(self, delivery: int) -> Claimed | None:
        row = self._abandoned(delivery)
        return None if row is None else _claimed(row, row.attempts + 1)

    async def last_heard(self, lost: Claimed) -> Heard | None:
        def about(row: Row) -> tuple[str, str, str, str]:
            told = row.notification
            return row.promise.channel, row.promise.lane, told.account, told.subject

        lane = (lost.promise.channel, lost.promise.lane, lost.notification.account, lost.notification.subject)
        found = [
            (row.settled_at, row.id, Heard(row.notification, surely=row.outcome is Outcome.SENT))
            for row in self._tables.deliveries
            if about(row) == lane
            and row.settled_at is not None
            and (row.outcome is Outcome.SENT or (row.outcome is Outcome.ABANDONED and row.uncertain))
        ]
        return max(found, key=lambda each: each[:2])[2] if found else None

    async def retry(self, delivery: int, *, due_at: datetime, give_up_at: datetime) -> bool:
        row = self._abandoned(delivery)
        if row is None:
            return False
        row.outcome, row.settled_at, row.uncertain = Outcome.PENDING, None, True
        row.promise = replace(row.promise, due_at=due_at, give_up_at=give_up_at)
        return True

    def _abandoned(self, delivery: int) -> Row | None:
        rows = self._tables.deliveries
        return next((row for row in rows if row.id == delivery and row.outcome is Outcome.ABANDONED), None)

    async def readdress(self, old: str, new: str, *, to: str) -> dict[int, int]:
        copies: dict[int, int] = {}
        others = {row.notification_id for row in self._tables.deliveries if row.promise.channel == to}
        for row in self._tables.deliveries:
            if row.pending(old):
                if row.notification_id in others:
                    [copy] = await self.promise([(row.notification, [])])
                    copies[row.notification_id], row.notification_id = copy, copy
                row.promise = replace(row.promise, channel=new)
        return copies

    async def bring_back(self, now: datetime, *, wait: timedelta, lease: timedelta) -> None:
        tried = {t.claimed.id: t.ended_at for t in self._tables.attempts}
        for row in self._tables.deliveries:
            if row.leased_until is not None:
                row.leased_until = min(row.leased_until, now + lease)
            if row.outcome is Outcome.PENDING and (row.promise.sighted_at or now) > now:
                row.promise = replace(row.promise, sighted_at=now)
            if row.outcome is Outcome.PENDING and row.promise.due_at > now:
                due_at = due_as_of(now, row.promise.due_at, tried.get(row.id), wait=wait)
                row.promise = replace(row.promise, due_at=due_at)

    async def release(self, owner: str | None = None) -> None:
        for row in self._tables.deliveries:
            if owner in {None, row.leased_by}:
                row.leased_until = row.leased_by = None

    async def abandon(self, channel: str, cause: str, at: datetime) -> list[Claimed]:
        rows = [
            row
            for row in self._tables.deliveries
            if row.pending(channel) and (row.promise.action is not Action.CLOSE or row.promise.give_up_at <= at)
        ]
        for row in rows:
            row.outcome, row.cause, row.settled_at = Outcome.ABANDONED, cause, at
            row.leased_until = row.leased_by = None
        return [_claimed(row, row.attempts + 1) for row in rows]

    async def earliest_due(self, channels: Collection[str]) -> datetime | None:
        heads: dict[tuple[str, str], datetime] = {}
        for row in self._tables.deliveries:
            if row.outcome is Outcome.PENDING and row.promise.channel in channels:
                heads.setdefault((row.promise.channel, row.promise.lane), row.promise.due_at)
        return min(heads.values(), default=None)

    async def waiting_channels(self) -> set[str]:
        return {row.promise.channel for row in self._tables.deliveries if row.outcome is Outcome.PENDING}

    async def punctuality(
        self, channels: Collection[str], *, since: datetime, within: timedelta, now: datetime
    ) -> Punctuality:
        counted: dict[str, Count] = {}
        for row in self._tables.deliveries:
            sighted_at, channel = row.promise.sighted_at, row.promise.channel
            if sighted_at is None or sighted_at < since or channel not in channels:
                continue
            soon = row.settled_at is not None and row.settled_at - sighted_at <= within
            taken, over = row.outcome is Outcome.SENT, row.outcome is Outcome.MOOT
            waits = row.outcome is Outcome.PENDING and now - sighted_at <= within
            late = not waits and not (soon and (taken or over))
            so_far = counted.get(channel, Count())
            counted[channel] = Count(so_far.in_time + (taken and soon), so_far.late + late)
        return Punctuality(counted)


class MemoryChain:
    """Keeps `ports.Chain`; what is in memory needs no seal."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def unsealed(self) -> list[str]:
        return []

    async def seal(self, account: str) -> bool:  # noqa: ARG002
        return False

    async def prune(self, at: datetime, *, deliveries_before: datetime, observations_before: datetime) -> bool:  # noqa: ARG002
        tables = self._tables
        tables.observations = [seen for seen in tables.observations if seen.at >= observations_before]
        kept = {c.notification for c in tables.ledger.conditions.values()}
        kept |= {t.notification for t in tables.ledger.told.values()}
        kept |= {
            row.notification_id
            for row in tables.deliveries
            if row.outcome is Outcome.PENDING or (row.settled_at or row.notification.recorded_at) >= deliveries_before
        }
        notifications = tables.notifications.items()
        tables.notifications = {n: t for n, t in notifications if n in kept or t.recorded_at >= deliveries_before}
        tables.deliveries = [row for row in tables.deliveries if row.notification_id in tables.notifications]
        verdicts = tables.ledger.verdicts.items()
        tables.ledger.verdicts = {key: why for key, why in verdicts if key[0] in tables.notifications}
        return False


class MemoryDrills:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, drill: Drill) -> None:
        assert drill.number not in self._tables.drills
        self._tables.drills[drill.number] = drill

    async def save(self, drill: Drill) -> None:
        self._tables.drills[drill.number] = drill

    async def drill(self, number: int) -> Drill | None:
        return self._tables.drills.get(number)

    async def unfinished(self) -> list[Drill]:
        return [drill for _, drill in sorted(self._tables.drills.items()) if drill.ended_at is None]

    async def fates(self, notification: int | None) -> dict[str, Fate]:
        return {
            row.promise.channel: Fate(
                outcome=row.outcome, settled_at=row.settled_at, cause=row.cause, uncertain=row.uncertain
            )
            for row in self._tables.deliveries
            if row.notification_id == notification
        }

    async def over(self, keys: Collection[str]) -> set[str]:
        ended = {drill_key(n) for n, drill in self._tables.drills.items() if drill.recovered_at is not None}
        return ended.intersection(keys)

    async def bring_back(self, now: datetime) -> None:
        for drill in await self.unfinished():
            recovered_at = drill.recovered_at and min(drill.recovered_at, now)
            await self.save(replace(drill, begun_at=min(drill.begun_at, now), recovered_at=recovered_at))

    async def prune(self, before: datetime) -> None:
        drills = self._tables.drills.items()
        self._tables.drills = {n: each for n, each in drills if each.ended_at is None or each.ended_at >= before}


def _queue(rows: Iterable[Row]) -> list[Waiting]:
    return [
        Waiting(id=row.id, key=row.notification.incident_key, action=row.promise.action, uncertain=row.uncertain)
        for row in rows
        if row.notification.incident_key is not None
    ]


def _lease(row: Row, owner: str, until: datetime) -> Claimed:
    row.leased_until, row.leased_by, row.attempts = until, owner, row.attempts + 1
    claimed = _claimed(row, row.attempts)
    row.uncertain = True
    return claimed


def _claimed(row: Row, attempt: int) -> Claimed:
    return Claimed(
        id=row.id,
        attempt=attempt,
        notification_id=row.notification_id,
        notification=row.notification,
        promise=row.promise,
        uncertain=row.uncertain,
    )
