"""Whether the record in memory adds up; a part of the fake database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from notifier.domain.condition import Condition
from notifier.domain.incident import IncidentKind, Subject
from notifier.domain.notification import Action
from notifier.domain.violation import Flaw, Violation
from notifier.ports import Outcome

if TYPE_CHECKING:
    from notifier.domain.incident import Incident
    from notifier.domain.state import State
    from tests.support.memory import Row, Tables


class MemoryAuditing:
    """Keeps `ports.Auditing`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def violations(
        self,
        stateful: Mapping[str, bool],
        *,
        since: datetime | None,
        taken_since: datetime,
        look_before: datetime,
        due_before: datetime,
    ) -> list[Violation]:
        asked = (
            self._missing(since),
            self._of_states(),
            self._of_incidents(),
            self._of_conditions(),
            self._of_told(stateful, look_before),
            self._stranded(stateful, taken_since),
            self._overdue(stateful, due_before),
        )
        return [violation for each in asked for violation in islice(each, 100)]

    async def untold(self, channel: str, changed_before: datetime) -> list[Condition]:
        ledger = self._tables.ledger
        found = []
        for c in ledger.conditions.values():
            told = ledger.told.get((channel, c.subject))
            knows = told is not None and (told.kept is not None or told.incident == c.incident)
            open_long = c.problem and c.incident is not None and c.changed_at < changed_before
            if open_long and not knows and (c.notification, channel) not in ledger.verdicts:
                found.append(c)
        return found

    def _missing(self, since: datetime | None) -> Iterator[Violation]:
        numbers = {(t.account, t.name, t.number) for t in self._tables.transitions}
        for t in self._tables.transitions:
            preceded = t.number == 1 or (t.account, t.name, t.number - 1) in numbers
            if not preceded and (since is None or t.confirmed_at >= since):
                yield _violation(Flaw.MISSING, t.confirmed_at, _link(t.account, t.name), number=t.number - 1)

    def _of_states(self) -> Iterator[Violation]:
        newest: dict[tuple[str, str], int] = {}
        for t in self._tables.transitions:
            newest[t.account, t.name] = max(t.number, newest.get((t.account, t.name), 0))
        for link, state in self._tables.states.items():
            if newest.get(link, 0) != state.number:
                yield _violation(Flaw.UNRECORDED, state.observed_at, _link(*link), number=state.number)
            if (state.is_problem or state.incident is not None) and not self._open(_link(*link), state.incident):
                yield _violation(Flaw.NO_INCIDENT, state.since, _link(*link), number=state.incident)

    def _of_incidents(self) -> Iterator[Violation]:
        for key, i in self._tables.incidents.items():
            subject = _subject(i)
            condition = self._tables.ledger.conditions.get(subject)
            if i.closed_at is None and not (key.startswith("cni:") and key.endswith(f":{i.number}")):
                yield _violation(Flaw.KEYLESS, i.opened_at, subject, number=i.number)
            if i.closed_at is None and (condition is None or condition.incident != i.number):
                yield _violation(Flaw.NO_CONDITION, i.opened_at, subject, number=i.number)

    def _of_conditions(self) -> Iterator[Violation]:
        for subject, c in self._tables.ledger.conditions.items():
            if c.incident is None:
                continue
            if not self._open(subject, c.incident):
                yield _violation(Flaw.ENDED, c.changed_at, subject, number=c.incident)
            state = self._tables.states.get((subject.account, subject.name))
            if c.link is not None and not _agree(state, c):
                yield _violation(Flaw.MISSTATED, c.changed_at, subject, number=c.incident)

    def _of_told(self, stateful: Mapping[str, bool], look_before: datetime) -> Iterator[Violation]:
        for (channel, subject), t in self._tables.ledger.told.items():
            c = self._tables.ledger.conditions.get(subject)
            if channel not in stateful:
                continue
            if t.look_at is not None and t.look_at < look_before:
                yield _violation(Flaw.FORGOTTEN, t.look_at, subject, channel, t.incident)
            if t.kept is not None:
                continue
            if stateful[channel] and t.incident is not None and (c is None or c.incident != t.incident):
                yield _violation(Flaw.HELD_OPEN, t.told_at, subject, channel, t.incident)
            if not stateful[channel] and t.problem and (c is None or c.status != t.status):
                yield _violation(Flaw.OUTDATED, t.told_at, subject, channel, t.incident)

    def _stranded(self, stateful: Mapping[str, bool], since: datetime) -> Iterator[Violation]:
        known_since = self._tables.ledger.since
        taken = [
            s.claimed
            for s in self._tables.attempts
            if s.outcome is Outcome.SENT
            and s.started_at >= since
            and not ((came := known_since.get(s.claimed.promise.channel)) and came >= s.started_at)
        ]
        for row in (row for claimed in taken for row in self._tables.deliveries if row.id == claimed.id):
            incident = self._tables.incidents.get(row.notification.incident_key or "")
            opens = stateful.get(row.promise.channel, False) and row.promise.action in {Action.OPEN, Action.UPDATE}
            if opens and incident is not None and incident.closed_at is not None and not self._closed(row):
                number = incident.number
                yield _violation(Flaw.STRANDED, row.settled_at, _subject(incident), row.promise.channel, number)

    def _closed(self, opening: Row) -> bool:
        return any(
            row.notification.incident_key == opening.notification.incident_key
            and (row.promise.channel, row.promise.action) == (opening.promise.channel, Action.CLOSE)
            and (row.outcome is Outcome.PENDING or _ended_after(row, opening))
            for row in self._tables.deliveries
        )

    def _overdue(self, stateful: Mapping[str, bool], before: datetime) -> Iterator[Violation]:
        heads: dict[tuple[str, str], Row] = {}
        moved = set()
        for row in self._tables.deliveries:
            lane = (row.promise.channel, row.promise.lane)
            if row.outcome is Outcome.PENDING:
                heads.setdefault(lane, row)
            elif row.settled_at is not None and row.settled_at >= before:
                moved.add(lane)
        for lane, row in heads.items():
            due = row.promise.due_at < before or row.promise.give_up_at < before
            free = row.leased_until is None or row.leased_until < before
            if due and free and lane not in moved and row.promise.channel in stateful:
                yield _violation(Flaw.OVERDUE, row.promise.due_at, None, row.promise.channel, row.id)

    def _open(self, subject: Subject, number: int | None) -> bool:
        return any(
            i.closed_at is None and (_subject(i), i.number) == (subject, number)
            for i in self._tables.incidents.values()
        )


def _violation(
    flaw: Flaw, since: datetime | None, subject: Subject | None, channel: str | None = None, number: int | None = None
) -> Violation:
    return Violation(flaw=flaw, since=since, subject=subject, channel=channel, number=number)


def _ended_after(row: Row, other: Row) -> bool:
    ended = row.outcome in {Outcome.SENT, Outcome.ABANDONED}
    return ended and row.settled_at is not None and other.settled_at is not None and row.settled_at >= other.settled_at


def _link(account: str, name: str) -> Subject:
    return Subject(kind=IncidentKind.INTERCONNECT, account=account, name=name)


def _subject(incident: Incident) -> Subject:
    return Subject(kind=incident.kind, account=incident.account, name=incident.subject)


def _agree(state: State | None, c: Condition) -> bool:
    return state is not None and (state.incident, state.status) == (c.incident, c.status)
