"""Drills through the real outbox: a marked problem, then its recovery, then what came of both.

How a drill stands is a row. Whoever looks takes it on from there: the process that began it, another replica, or the
next start after a kill -9. So what a drill opens is closed, whatever becomes of who opened it (R18).
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from notifier.domain import words
from notifier.domain.backoff import gives_up_at
from notifier.domain.drill import LANES, Plan
from notifier.domain.incident import NOBODYS, Incident, IncidentKind, Subject
from notifier.domain.notification import Action, Notification
from notifier.domain.status import Severity
from notifier.errors import DatabaseError
from notifier.pipeline.telling import News, Teller
from notifier.ports import Clock, Configured, Database, Drill, Fate, Outcome, Promise, UnitOfWork

_log = logging.getLogger(__name__)

_LOOK_EVERY = timedelta(minutes=1)  # at what others have begun; more often while one is on
_WHY = "drill"


class Drilling:
    """Makes drills when the plan says so, and takes on whatever drill is not ended."""

    def __init__(
        self,
        *,
        plan: Plan | None,
        configured: Mapping[str, Configured],
        database: Database,
        clock: Clock,
        machine: Clock,
        teller: Teller,
        committed: Callable[[], None],
    ) -> None:
        """`machine` is the clock that people have: by it the plan goes. `committed` is called after each promise."""
        self._plan = plan
        self._configured = configured
        self._database = database
        self._clock = clock
        self._machine = machine
        self._teller = teller
        self._committed = committed
        self._made: datetime | None = None
        self._looked_at: datetime | None = None  # None: look at once

    async def begin(self) -> None:
        """End the incidents of channels that drills are made for no more; nothing waits for a clock that was ahead."""
        now, named = self._clock.now(), self._plan.channels if self._plan is not None else ()
        async with self._database.begin() as work:
            await work.ledger.lock(NOBODYS)
            await work.drills.bring_back(now)
            over = [i for i in await work.record.open_incidents_of(IncidentKind.DRILL) if i.subject not in named]
            told = [words.tell_drill_passed(each, now, dropped=True) for each in over]
            promised = await self._end_incidents(work, over, told, now)
        if promised:
            self._committed()

    async def tick(self) -> None:
        """Make the drill that is due, if no other replica has, and take on what is not ended."""
        now = self._clock.now()
        try:
            due = self._plan.due(self._machine.now()) if self._plan is not None else None
            if self._plan is not None and due is not None and due != self._made:
                number = int(due.timestamp())
                await self._make(number, self._plan.channels, self._plan.within, scheduled=True)
                self._made, self._looked_at = due, None
            if self._looked_at is None or now - self._looked_at >= _LOOK_EVERY:
                self._looked_at = None if await self.advance() else now
        except DatabaseError as error:
            _log.error("drill not taken on", extra={"fields": {"cause": str(error)}})

    async def by_hand(self, channels: Collection[str], within: timedelta) -> int:
        """Begin a drill now; return its number. Whoever asked for it sees what comes of it."""
        number = int(self._clock.now().timestamp())
        while not await self._make(number, channels, within, scheduled=False):
            number += 1
        return number

    async def drill(self, number: int) -> Drill | None:
        """Return how a drill stands."""
        async with self._database.begin() as work:
            return await work.drills.drill(number)

    async def recover(self, number: int) -> None:
        """Promise a drill's recovery now, if it was not yet."""
        async with self._database.begin() as work:
            await work.ledger.lock(NOBODYS)
            drill = await work.drills.drill(number)
            if drill is not None and drill.recovered_at is None:
                await self._recover(work, drill, self._clock.now())
        self._committed()

    async def advance(self) -> bool:
        """Do what is next for each drill that is not ended: recovery, or judgement. False if there is none."""
        now, promised = self._clock.now(), False
        async with self._database.begin() as work:
            await work.ledger.lock(NOBODYS)
            drills = await work.drills.unfinished()
            for drill in drills:
                promised |= await self._advance(work, drill, now)
        if promised:
            self._committed()
        return bool(drills)

    async def _make(self, number: int, channels: Collection[str], within: timedelta, *, scheduled: bool) -> bool:
        """Begin a drill; False if there is one of that number."""
        now = self._clock.now()
        async with self._database.begin() as work:
            await work.ledger.lock(NOBODYS)
            if await work.drills.drill(number) is not None:
                return False
            drill = Drill(
                number=number,
                scheduled=scheduled,
                channels={name: self._configured[name] for name in channels},
                within=within,
                begun_at=now,
                problem=0,
            )
            promises = [_promise(drill, name, now, each, problem=True) for name, each in drill.channels.items()]
            told = words.tell_drill(number, now, problem=True)
            [problem] = await work.outbox.promise([(told, promises)])
            await work.drills.add(replace(drill, problem=problem))
        _log.info("drill begun", extra={"fields": {"drill": number, "channels": sorted(channels)}})
        self._committed()
        return True

    async def _advance(self, work: UnitOfWork, drill: Drill, now: datetime) -> bool:
        """Take a drill on by one step; True if something was promised."""
        problem, channels = await work.drills.fates(drill.problem), await self._channels(work)
        if drill.recovered_at is None:
            if now < drill.begun_at + drill.within and _any_waits(problem, channels):
                return False
            await self._recover(work, drill, now)
            return True
        recovery = await work.drills.fates(drill.recovery)
        if now < drill.recovered_at + drill.within and _any_waits({**problem, **recovery}, channels):
            return False
        came = {
            name: _failure(drill, problem.get(name), recovery.get(name), now)
            for name, each in sorted(drill.channels.items())
            if channels.get(name) == each
        }
        return await self._end(work, drill, came, now)

    async def _channels(self, work: UnitOfWork) -> dict[str, Configured]:
        """Return what is configured here, or at other replicas."""
        return {**await work.ledger.channels(), **self._configured}

    async def _recover(self, work: UnitOfWork, drill: Drill, now: datetime) -> None:
        """Promise the recovery to whoever may have the problem, wherever it is configured by now (R18).

        What a receiver that is gone may hold open waits under its fingerprint for its return.
        """
        fates = await work.drills.fates(drill.problem)
        configured = await self._channels(work)
        names = {each.fingerprint: name for name, each in configured.items()}
        promises: list[Promise] = []
        for name, each in drill.channels.items():
            there = name if configured.get(name) == each else names.get(each.fingerprint)
            known = (fates.get(where) for where in (name, there, each.fingerprint) if where is not None)
            fate = next((fate for fate in known if fate is not None), None)
            refused = fate is not None and fate.outcome is Outcome.ABANDONED and not fate.uncertain
            if refused or (there is None and not each.stateful):
                continue
            promises.append(_promise(drill, there or each.fingerprint, now, each, problem=False))
        told = words.tell_drill(drill.number, now, problem=False)
        [recovery] = await work.outbox.promise([(told, promises)])
        await work.drills.save(replace(drill, recovered_at=now, recovery=recovery))

    async def _end(self, work: UnitOfWork, drill: Drill, came: Mapping[str, str | None], now: datetime) -> bool:
        """Record what came of it at each channel (None: all was taken), and do what follows.

        Of channels that are another receiver by now nothing does.
        """
        failed = {name: why for name, why in came.items() if why is not None}
        passed = [name for name in came if name not in failed]
        said = [f"failed at {name}: {why}" for name, why in failed.items()]
        said += [f"passed at {', '.join(passed)}"] if passed else []
        outcome, by = "; ".join(said) or "no channel to judge", "notifier" if drill.scheduled else "notifier test"
        await work.ledger.act(at=now, by=by, act="drill", target=f"drill {drill.number}", comment=outcome)
        await work.drills.save(replace(drill, ended_at=now))
        fields = {"drill": drill.number, "outcome": outcome}
        if failed:
            _log.error("drill failed", extra={"fields": fields})
        else:
            _log.info("drill passed", extra={"fields": fields})
        promised = await self._open_incidents(work, failed, now) if drill.scheduled and failed else False
        over = [i for i in await work.record.open_incidents_of(IncidentKind.DRILL) if i.subject in passed]
        told = [words.tell_drill_passed(each, now) for each in over]
        return await self._end_incidents(work, over, told, now) or promised

    async def _open_incidents(self, work: UnitOfWork, failed: Mapping[str, str], now: datetime) -> bool:
        last = await work.record.last_incidents(IncidentKind.DRILL, NOBODYS, failed)
        opened = [
            Incident(
                kind=IncidentKind.DRILL,
                account=NOBODYS,
                subject=name,
                number=last[name].number + 1 if name in last else 1,
                severity=Severity.WARNING,
                opened_at=now,
            )
            for name in failed
            if name not in last or last[name].closed_at is not None
        ]
        await work.record.open_incidents(opened)
        news = [News.of_trouble(_subject(i), words.tell_drill_failed(i, failed[i.subject]), i.number) for i in opened]
        return bool(news) and await self._teller.tell(work, NOBODYS, news, now)

    async def _end_incidents(
        self, work: UnitOfWork, over: Collection[Incident], told: Collection[Notification], now: datetime
    ) -> bool:
        if not over:
            return False
        await work.record.close_incidents({each.key: now for each in over})
        news = [News.of_trouble(_subject(each), says, None) for each, says in zip(over, told, strict=True)]
        return await self._teller.tell(work, NOBODYS, news, now)


def _any_waits(fates: Mapping[str, Fate], channels: Mapping[str, Configured]) -> bool:
    return any(each.outcome is Outcome.PENDING for name, each in fates.items() if name in channels)


def _failure(drill: Drill, problem: Fate | None, recovery: Fate | None, now: datetime) -> str | None:
    """Say what a channel did not take in time; None if it took all. What was taken in the future was not late (R7)."""
    halves = (("problem", problem, drill.begun_at), ("recovery", recovery, drill.recovered_at or drill.begun_at))
    for half, fate, since in halves:
        if fate is None:
            continue
        if fate.outcome is Outcome.ABANDONED:
            return f"the {half} was not taken: {fate.cause}"
        if fate.outcome is not Outcome.SENT or since + drill.within < (fate.settled_at or since) <= now:
            cause = fate.cause if fate.outcome is Outcome.PENDING else None
            return words.describe_late(half, drill.within, cause)
    return None


def _promise(drill: Drill, channel: str, now: datetime, receiver: Configured, *, problem: bool) -> Promise:
    does = (Action.OPEN if problem else Action.CLOSE) if receiver.stateful else Action.TELL
    return Promise(
        channel=channel,
        lane=f"{LANES}{drill.number}",
        action=does,
        urgency=0 if problem else 1,
        due_at=now,
        give_up_at=gives_up_at(now, does),
        why=_WHY,
    )


def _subject(incident: Incident) -> Subject:
    return Subject(kind=IncidentKind.DRILL, account=NOBODYS, name=incident.subject)
