"""Whether changes are told as soon as they are to be, asked each minute; if not, that is an incident of its own."""

import logging
from collections.abc import Callable
from datetime import datetime

from notifier.domain import words
from notifier.domain.incident import NOBODYS, OBJECTIVE, Incident, IncidentKind, Subject
from notifier.domain.notification import Notification
from notifier.domain.objective import Objective, Punctuality, missed
from notifier.domain.status import Severity
from notifier.errors import DatabaseError
from notifier.pipeline.telling import News, Teller
from notifier.ports import Clock, Database, UnitOfWork

_log = logging.getLogger(__name__)

_SUBJECT = Subject(kind=IncidentKind.OBJECTIVE, account=NOBODYS, name=OBJECTIVE)


class Timekeeper:
    """Asks how soon changes were told, and keeps the incident of it; without an `objective` it does neither.

    `found` is what it found last; None if it did not ask yet, or the database failed since. Its own messages tell of no
    interconnect, so they do not count. The incident of another objective is that of a replica with another
    configuration: only who starts ends it.
    """

    def __init__(
        self,
        *,
        objective: Objective | None,
        database: Database,
        clock: Clock,
        teller: Teller,
        committed: Callable[[], None],
    ) -> None:
        """`committed` is called after what promised something."""
        self.objective = objective
        self._database = database
        self._clock = clock
        self._teller = teller
        self._committed = committed
        self.found: Punctuality | None = None

    async def begin(self) -> None:
        """End what is open of an objective that is no longer this one."""
        now, wanted = self._clock.now(), [self.objective and missed(self.objective)]
        async with self._database.begin() as work:
            await work.ledger.lock(NOBODYS)
            known = await _open(work)
            promised = False
            if known is not None and await _statuses(work) != wanted:
                why = "is no longer configured" if self.objective is None else "was changed"
                promised = await self._end(work, words.tell_objective_dropped(known, why, now))
        if promised:
            self._committed()

    async def check(self) -> None:
        """Ask; open the incident if the objective is missed, close it if it is met again."""
        if self.objective is None:
            return
        now, objective = self._clock.now(), self.objective
        try:
            async with self._database.begin() as work:
                found = await work.outbox.punctuality(
                    self._teller.rules.channels, since=now - objective.over, within=objective.notify_within, now=now
                )
                differs = found.meets(objective) is (await _open(work) is not None)
            if differs:
                await self._tell(objective, found, now)
        except DatabaseError as error:
            self.found = None
            _log.error("not asked how soon changes are told", extra={"fields": {"cause": str(error)}})
            return
        self.found = found

    async def _tell(self, objective: Objective, found: Punctuality, now: datetime) -> None:
        async with self._database.begin() as work:
            await work.ledger.lock(NOBODYS)
            known, met = await _open(work), found.meets(objective)
            if met is (known is None):
                return  # another process was here first
            if known is not None and await _statuses(work) != [missed(objective)]:
                return
            if known is not None:
                promised = await self._end(work, words.tell_objective_met(known, objective, found, now))
            else:
                promised = await self._begin(work, objective, found, now)
        fields = {"in_time": found.whole.in_time, "late": found.whole.late, "objective": str(objective)}
        if met:
            _log.warning("objective met again", extra={"fields": fields})
        else:
            _log.error("objective missed", extra={"fields": fields})
        if promised:
            self._committed()

    async def _begin(self, work: UnitOfWork, objective: Objective, found: Punctuality, now: datetime) -> bool:
        last = await work.record.last_incident(IncidentKind.OBJECTIVE, NOBODYS, OBJECTIVE)
        incident = Incident(
            kind=IncidentKind.OBJECTIVE,
            account=NOBODYS,
            subject=OBJECTIVE,
            number=1 if last is None else last.number + 1,
            severity=Severity.WARNING,
            opened_at=now,
        )
        await work.record.open_incidents([incident])
        told = words.tell_objective_missed(incident, objective, found)
        return await self._teller.tell(work, NOBODYS, [News.of_trouble(_SUBJECT, told, incident.number)], now)

    async def _end(self, work: UnitOfWork, told: Notification) -> bool:
        await work.record.close_incidents({told.incident_key or "": told.recorded_at})
        return await self._teller.tell(work, NOBODYS, [News.of_trouble(_SUBJECT, told, None)], told.recorded_at)


async def _open(work: UnitOfWork) -> Incident | None:
    return next(iter(await work.record.open_incidents_of(IncidentKind.OBJECTIVE)), None)


async def _statuses(work: UnitOfWork) -> list[str]:
    return [condition.status for condition in await work.ledger.conditions(NOBODYS, [_SUBJECT], ())]
