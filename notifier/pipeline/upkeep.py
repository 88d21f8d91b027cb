"""What time alone causes, and what a changed configuration leaves behind."""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from notifier.domain import words
from notifier.domain.condition import WORKING, Condition
from notifier.domain.drill import drill_key
from notifier.domain.incident import NOBODYS, IncidentKind, Subject
from notifier.domain.merging import left_open
from notifier.errors import DatabaseError
from notifier.pipeline.delivery import LEASE
from notifier.pipeline.settling import take_back
from notifier.pipeline.telling import News, Teller
from notifier.ports import Clock, Configured, Database, Due, UnitOfWork

_log = logging.getLogger(__name__)

_NO_MORE = "the channel is no longer configured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long settled deliveries and observations are kept; transitions and incidents stay."""

    deliveries: timedelta
    observations: timedelta


class Upkeep:
    """Tells what is due by time, seals the record, forgets what is old, and ends what no channel can take any more."""

    def __init__(
        self, *, database: Database, clock: Clock, retention: Retention, teller: Teller, committed: Callable[[], None]
    ) -> None:
        """`committed` is called after each transaction that promised something."""
        self._database = database
        self._clock = clock
        self._retention = retention
        self._teller = teller
        self._committed = committed

    async def look(self) -> None:
        """Tell what was kept back and is due now, and remind of what is still a problem (R20-R24)."""
        now = self._clock.now()
        try:
            async with self._database.begin() as work:
                due, reminders = await work.ledger.due(now), await work.ledger.reminders(now)
            for account, subjects in _by_account(due).items():
                await self._in(account, now, subjects, self._teller.look_again, due=Due.LOOK)
            for account, subjects in _by_account(reminders).items():
                await self._in(account, now, subjects, self._teller.remind, due=Due.LOOK)
        except DatabaseError as error:
            _log.error("what is due by time not told", extra={"fields": {"cause": str(error)}})

    async def review(self) -> None:
        """Look at everything that is open or kept back, as after a start or with new settings (R25).

        What a clock that was ahead has put off is not put off any more (R7).
        """
        now, rules = self._clock.now(), self._teller.rules
        async with self._database.begin() as work:
            await work.record.start(now)
            await work.outbox.bring_back(now, wait=rules.wait, lease=LEASE)
            accounts = await work.ledger.accounts()
        for account in sorted(accounts):
            async with self._database.begin() as work:
                await work.ledger.lock(account)
                await work.ledger.bring_back(account, now, remind=rules.remind)
                subjects = await work.ledger.unsettled(account)
            await self._in(account, now, subjects, self._teller.look_again)

    async def accounts(self) -> set[str]:
        """Return the accounts of which anything is watched or blind."""
        async with self._database.begin() as work:
            return await work.watched.accounts()

    async def _in(
        self,
        account: str,
        now: datetime,
        subjects: Sequence[Subject],
        do: Callable[[UnitOfWork, str, Sequence[Subject], datetime], Awaitable[bool]],
        due: Due | None = None,
    ) -> None:
        async with self._database.begin() as work:
            promised = await do(work, account, subjects, now)
            if due is not None:
                await work.record.came_to(account, due, now)
        if promised:
            self._committed()

    async def prune(self) -> None:
        """Forget what is older than its retention."""
        now, more = self._clock.now(), True
        before = {
            "deliveries_before": now - self._retention.deliveries,
            "observations_before": now - self._retention.observations,
        }
        try:
            async with self._database.begin() as work:
                await work.drills.prune(before["deliveries_before"])
            while more:  # piece by piece: others need the database, too
                async with self._database.begin() as work:
                    more = await work.chain.prune(now, **before)
        except DatabaseError as error:
            _log.error("old records not forgotten", extra={"fields": {"cause": str(error)}})

    async def seal(self) -> None:
        """Seal what was recorded; what is recorded waits for nobody who does."""
        try:
            async with self._database.begin() as work:
                accounts = await work.chain.unsealed()
            for account in accounts:
                more = True
                while more:
                    async with self._database.begin() as work:
                        more = await work.chain.seal(account)
        except DatabaseError as error:
            _log.error("the record is not sealed", extra={"fields": {"cause": str(error)}})

    async def adopt_channels(
        self, fingerprints: Mapping[str, str], elsewhere: Mapping[str, Configured] = MappingProxyType({})
    ) -> None:
        """Take over the channels as they are configured now, each with the fingerprint of its URL (R18).

        A receiver keeps what it knows under whatever name, and while it is not configured under its fingerprint. Of
        one that goes, what it may hold open is told on the others, and its ends wait for its return; what else it was
        to be sent is settled, or sent to the new address of a message channel. The trouble of a channel that is no
        more ends. What other replicas have configured `elsewhere` is no more gone than what we have.
        """
        now = self._clock.now()
        stateful = {name: channel.stateful for name, channel in self._teller.rules.channels.items()}
        ours = {n: Configured(fingerprint=mark, stateful=stateful[n]) for n, mark in fingerprints.items()}
        configured = {**elsewhere, **ours}
        fingerprints = {name: channel.fingerprint for name, channel in configured.items()}
        async with self._database.begin() as work:
            await work.ledger.lock_all()
            known = await work.ledger.channels()
            # A release that knew no fingerprints left none: then the name has to do.
            marks = {name: old.fingerprint or fingerprints.get(name, name) for name, old in known.items()}
            came = {mark: name for name, mark in fingerprints.items() if marks.get(name) != mark}
            for name in sorted(name for name, mark in marks.items() if fingerprints.get(name) != mark):
                old = replace(known[name], fingerprint=marks[name])
                await self._leave(work, name, old, configured.get(name), came.get(marks[name]), now)
            for mark, name in came.items():
                await work.ledger.rename_channel(mark, name)
                await work.outbox.readdress(mark, name, to=name)
            for channel in await work.outbox.waiting_channels() - configured.keys():
                await _abandon(work, channel, _NO_MORE, now)
            await self._end_troubles(work, configured, now)
            await work.ledger.save_channels(configured, now)

    async def _leave(
        self, work: UnitOfWork, name: str, old: Configured, new: Configured | None, to: str | None, now: datetime
    ) -> None:
        """Put aside what a receiver knows: another is `new` under its name, if any, and it goes by the name of `to`."""
        if to is not None:
            copies = await work.outbox.readdress(name, old.fingerprint, to=to)
            known = [(await work.ledger.told_by(original, name), copy) for original, copy in copies.items()]
            await work.ledger.save_told([replace(told, notification=copy) for told, copy in known if told is not None])
            _log.info("channel renamed", extra={"fields": {"channel": name, "to": to}})
        else:
            if old.stateful:
                await self._strand(work, name, old, now, replaced=new is not None)
            if new is None or old.stateful or new.stateful:
                await _abandon(work, name, _NO_MORE if new is None else "the channel has another receiver now", now)
                await work.outbox.readdress(name, old.fingerprint, to=old.fingerprint)  # what is left closes incidents
        await work.ledger.rename_channel(name, old.fingerprint)

    async def _strand(self, work: UnitOfWork, channel: str, old: Configured, now: datetime, *, replaced: bool) -> None:
        """Tell the others that a receiver goes that may hold incidents open: nobody can close them any more."""
        tried = [
            drill_key(d.number)
            for d in await work.drills.unfinished()
            if d.recovered_at is None and channel in d.channels
        ]
        keys = left_open(await work.outbox.waiting(channel), [*await work.ledger.held_open(channel), *tried])
        if not keys:
            return
        _log.error("a receiver is gone that holds incidents open", extra={"fields": {"channel": channel, "keys": keys}})
        told = words.tell_stranded(channel, keys, now, replaced=replaced)
        condition = Condition(
            subject=Subject(kind=IncidentKind.CHANNEL, account=NOBODYS, name=old.fingerprint),
            status=WORKING,
            before=WORKING,
            problem=False,
            severity=told.severity,
            incident=None,
            changed_at=now,
        )
        await self._teller.tell(work, NOBODYS, [], now, notices=[News(condition, told)])

    async def _end_troubles(self, work: UnitOfWork, configured: Mapping[str, Configured], now: datetime) -> None:
        for incident in await work.record.open_incidents_of(IncidentKind.CHANNEL):
            if incident.subject in configured:
                continue
            await work.record.close_incidents({incident.key: now})
            told = words.tell_channel_works(incident, now, removed=True)
            subject = Subject(kind=IncidentKind.CHANNEL, account=NOBODYS, name=incident.subject)
            condition = Condition(
                subject=subject,
                status=WORKING,
                before=None,
                problem=False,
                severity=told.severity,
                incident=None,
                changed_at=now,
            )
            await self._teller.tell(work, NOBODYS, [News(condition, told)], now)


async def _abandon(work: UnitOfWork, channel: str, why: str, now: datetime) -> None:
    """Give up what is still to be sent to a channel; it is owed to it again if it comes back."""
    abandoned = await work.outbox.abandon(channel, why, now)
    for lost in abandoned:
        await take_back(work, lost, now, uncertain=lost.uncertain)
    if abandoned:
        fields = {"channel": channel, "deliveries": len(abandoned), "cause": why}
        _log.error("deliveries abandoned", extra={"fields": fields})


def _by_account(subjects: Iterable[Subject]) -> dict[str, list[Subject]]:
    grouped: defaultdict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        grouped[subject.account].append(subject)
    return dict(grouped)
