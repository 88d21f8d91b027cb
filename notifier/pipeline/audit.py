"""Whether the record adds up, asked each minute; if it does not, that is an incident of its own (R28)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from notifier.domain import words
from notifier.domain.condition import Condition
from notifier.domain.incident import AUDIT, NOBODYS, Incident, IncidentKind, Subject
from notifier.domain.notification import Notification
from notifier.domain.routing import reached
from notifier.domain.status import Severity
from notifier.domain.violation import Flaw, Violation
from notifier.errors import DatabaseError
from notifier.pipeline.telling import News, Teller
from notifier.ports import Clock, Database, UnitOfWork

_log = logging.getLogger(__name__)

_LOOK = timedelta(minutes=2)  # longer than anything that is due by time may wait
_SEND = timedelta(minutes=10)  # the same for what is sent, once it is its turn
_TAKEN = timedelta(days=1)  # that long an opening that nobody closes is told of; then somebody has seen to it
_PAUSE = timedelta(minutes=2)  # after a longer one, the others get their time first
_OVERLAP = timedelta(minutes=10)  # a transition is on record that long after its time, if ever
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_LOGGED = 20
_SUBJECT = Subject(kind=IncidentKind.AUDIT, account=NOBODYS, name=AUDIT)


class Audit:
    """Asks whether the record adds up, and keeps the incident of it.

    `found` is what the last one found, the oldest first; None if none was made yet, or the database failed since.
    `at` is when it was made.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        teller: Teller,
        names: Mapping[str, str],
        committed: Callable[[], None],
    ) -> None:
        """`names` are what people call the accounts; `committed` is called after what promised something."""
        self._database = database
        self._clock = clock
        self._teller = teller
        self._names = names
        self._committed = committed
        self._patience = _SEND + teller.rules.storm.per
        self._awake_since: datetime | None = None
        self._numbered_until: datetime | None = None
        self.found: list[str] | None = None
        self.at: datetime | None = None

    @property
    def passed(self) -> bool | None:
        """Whether everything adds up; None if that is not known."""
        return None if self.found is None else not self.found

    async def check(self) -> None:
        """Make an audit; what is found opens the incident or is added to it.

        Nothing found closes it, once everything that is due by time has had its time since the start.
        """
        now = self._clock.now()
        if self.at is None or self._awake_since is None or now - self.at > _PAUSE:
            self._awake_since = now
        try:
            async with self._database.begin() as work:
                found = await self._violations(work, now, self._awake_since)
                is_open = bool(await work.record.open_incidents_of(IncidentKind.AUDIT))
            if found or (is_open and now - self._awake_since >= self._patience):
                await self._tell(found, now)
        except DatabaseError as error:
            self.found = None
            _log.error("no audit made", extra={"fields": {"cause": str(error)}})
            return
        self._report(found)
        self.found, self.at = found, now

    async def _violations(self, work: UnitOfWork, now: datetime, awake_since: datetime) -> list[str]:
        """Describe what does not add up, the oldest first."""

        def ago(span: timedelta) -> datetime:
            return now - span if now - span >= awake_since else _NEVER

        channels = self._teller.rules.channels
        found = await work.audit.violations(
            {name: channel.stateful for name, channel in channels.items()},
            since=self._numbered_until,
            taken_since=now - _TAKEN,
            look_before=ago(_LOOK),
            due_before=ago(self._patience),
        )
        if all(violation.flaw is not Flaw.MISSING for violation in found):
            self._numbered_until = now - _OVERLAP
        for channel in channels:
            found += [
                self._untold(c, channel)
                for c in await work.audit.untold(channel, now - _LOOK)
                if self._reached(c, channel)
            ]
        found.sort(key=lambda violation: violation.since or _NEVER)
        return [words.describe(violation, self._names) for violation in found]

    def _reached(self, condition: Condition, channel: str) -> bool:
        """Whether a route leads there at once."""
        reach = reached(self._teller.rules.routes, condition, self._teller.rules.channels).get(channel)
        return reach is not None and reach.after is None

    @staticmethod
    def _untold(c: Condition, channel: str) -> Violation:
        return Violation(flaw=Flaw.UNTOLD, since=c.changed_at, subject=c.subject, channel=channel, number=c.incident)

    async def _tell(self, found: Sequence[str], now: datetime) -> None:
        async with self._database.begin() as work:
            await work.ledger.lock(NOBODYS)
            last = await work.record.last_incident(IncidentKind.AUDIT, NOBODYS, AUDIT)
            if last is None or last.closed_at is not None:
                news = await self._begun(work, found, 1 if last is None else last.number + 1, now)
            elif found:
                news = await self._more(work, found, last, now)
            else:
                await work.record.close_incidents({last.key: now})
                news = News.of_trouble(_SUBJECT, words.tell_audit_passed(last.number, last.opened_at, now), None)
            if news is None:
                return  # another process was here first, or it is told already
            promised = await self._teller.tell(work, NOBODYS, [news], now)
        if promised:
            self._committed()

    @staticmethod
    async def _begun(work: UnitOfWork, found: Sequence[str], number: int, now: datetime) -> News | None:
        if not found:
            return None
        await work.record.open_incidents([_incident(number, now)])
        return News.of_trouble(_SUBJECT, words.tell_audit_failed(found, number, now), number)

    @staticmethod
    async def _more(work: UnitOfWork, found: Sequence[str], known: Incident, now: datetime) -> News | None:
        """Tell what appeared while the incident was open; it ends its acknowledgement, as any worsening does."""
        last = await _last_words(work)
        if last is None:
            return News.of_trouble(_SUBJECT, words.tell_audit_failed(found, known.number, now), known.number)
        told = words.tell_audit_worse(found, known.number, now, last)
        if told is None:
            return None
        await work.ledger.lapse([known.key])
        return News.of_trouble(_SUBJECT, told, known.number)

    def _report(self, found: Sequence[str]) -> None:
        """Log the edges: that it does not add up any more, and that it does again."""
        if found and self.passed is not False:
            fields = {"violations": len(found), "found": list(found[:_LOGGED])}
            _log.error("the record does not add up", extra={"fields": fields})
        elif not found and self.passed is False:
            _log.warning("the record adds up again")


async def _last_words(work: UnitOfWork) -> Notification | None:
    """Return what was last told of the audit."""
    [number] = [c.notification for c in await work.ledger.conditions(NOBODYS, [_SUBJECT], ())] or [0]
    return (await work.outbox.notifications([number])).get(number)


def _incident(number: int, at: datetime) -> Incident:
    return Incident(
        kind=IncidentKind.AUDIT,
        account=NOBODYS,
        subject=AUDIT,
        number=number,
        severity=Severity.ERROR,
        opened_at=at,
    )
