"""What time alone causes, and what a changed configuration leaves behind."""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.domain import words
from notifier.domain.condition import WORKING, Condition
from notifier.domain.incident import IncidentKind, Subject
from notifier.errors import DatabaseError
from notifier.pipeline.telling import News, Teller
from notifier.ports import Clock, Database, UnitOfWork

_log = logging.getLogger(__name__)

_NOBODYS = ""  # the account of what belongs to none


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long settled deliveries and observations are kept; transitions and incidents stay."""

    deliveries: timedelta
    observations: timedelta


class Upkeep:
    """Tells what is due by time, forgets what is old, and ends what no channel can take any more."""

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
                await self._in(account, now, subjects, self._teller.look_again)
            for account, subjects in _by_account(reminders).items():
                await self._in(account, now, subjects, self._teller.remind)
        except DatabaseError as error:
            _log.error("what is due by time not told", extra={"fields": {"cause": str(error)}})

    async def review(self) -> None:
        """Look at everything that is open or kept back, as after a start or with new settings (R25)."""
        now = self._clock.now()
        for account in sorted({*await self.accounts(), _NOBODYS}):
            async with self._database.begin() as work:
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
    ) -> None:
        async with self._database.begin() as work:
            promised = await do(work, account, subjects, now)
        if promised:
            self._committed()

    async def prune(self) -> None:
        """Forget what is older than its retention."""
        now = self._clock.now()
        try:
            async with self._database.begin() as work:
                await work.outbox.prune(
                    deliveries_before=now - self._retention.deliveries,
                    observations_before=now - self._retention.observations,
                )
        except DatabaseError as error:
            _log.error("old records not forgotten", extra={"fields": {"cause": str(error)}})

    async def adopt_channels(self, fingerprints: Mapping[str, str]) -> None:
        """Take over the channels as they are configured now (R18).

        One that has another name keeps what it knows; of one that is gone, what it was still to be sent is settled,
        its trouble ends, and what it holds open is told on the others.
        """
        now = self._clock.now()
        async with self._database.begin() as work:
            await work.ledger.lock(_NOBODYS)
            known = await work.ledger.channels()
            added = {name: mark for name, mark in fingerprints.items() if name not in known}
            for old in sorted(known.keys() - fingerprints.keys()):
                renamed = next((name for name, mark in added.items() if mark == known[old]), None)
                if renamed is None:
                    await self._strand(work, old, now)
                    continue
                await work.ledger.rename_channel(old, renamed)
                del added[renamed]
                _log.info("channel renamed", extra={"fields": {"channel": old, "to": renamed}})
            for channel in await work.outbox.waiting_channels() - fingerprints.keys():
                count = await work.outbox.abandon(channel, "the channel is no longer configured", now)
                fields = {"channel": channel, "deliveries": count}
                _log.error("deliveries abandoned: the channel is no longer configured", extra={"fields": fields})
            await self._end_troubles(work, fingerprints, now)
            stateful = {name: channel.stateful for name, channel in self._teller.rules.channels.items()}
            await work.ledger.save_channels(fingerprints, stateful, now)

    async def _strand(self, work: UnitOfWork, channel: str, now: datetime) -> None:
        """Tell the others that a channel is gone that holds incidents open: nobody can close them any more."""
        keys = await work.ledger.held_open(channel)
        if not keys:
            return
        _log.error("a channel is gone that holds incidents open", extra={"fields": {"channel": channel, "keys": keys}})
        told = words.tell_stranded(channel, keys, now)
        condition = Condition(
            subject=Subject(kind=IncidentKind.CHANNEL, account=_NOBODYS, name=channel),
            status=WORKING,
            before=WORKING,
            problem=False,
            severity=told.severity,
            incident=None,
            changed_at=now,
        )
        await self._teller.tell(work, _NOBODYS, [], now, notices=[News(condition, told)])

    async def _end_troubles(self, work: UnitOfWork, configured: Mapping[str, str], now: datetime) -> None:
        for incident in await work.record.open_incidents_of(IncidentKind.CHANNEL):
            if incident.subject in configured:
                continue
            await work.record.close_incidents({incident.key: now})
            told = words.tell_channel_works(incident, now, removed=True)
            subject = Subject(kind=IncidentKind.CHANNEL, account=_NOBODYS, name=incident.subject)
            condition = Condition(
                subject=subject,
                status=WORKING,
                before=None,
                problem=False,
                severity=told.severity,
                incident=None,
                changed_at=now,
            )
            await self._teller.tell(work, _NOBODYS, [News(condition, told)], now)


def _by_account(subjects: Iterable[Subject]) -> dict[str, list[Subject]]:
    grouped: defaultdict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        grouped[subject.account].append(subject)
    return dict(grouped)
