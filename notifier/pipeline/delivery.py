"""Step 4: claim, send, settle (R15, R16). Nothing is sent before it was committed, and nothing inside a transaction."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

from notifier.domain import words
from notifier.domain.backoff import next_attempt
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.status import Severity
from notifier.errors import DatabaseError
from notifier.pipeline.recipients import Recipients
from notifier.ports import (
    Accepted,
    Answer,
    Channel,
    Claimed,
    Clock,
    Database,
    Message,
    Outcome,
    Refused,
    Settlement,
    TryAgain,
    UnitOfWork,
)

_log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
_LATE = timedelta(seconds=120)
_AT_ONCE = 8  # sends in flight per channel, each of another lane


class Deliverer:
    """Makes the deliveries of one channel: everything due, in order per lane, urgent first."""

    def __init__(
        self,
        *,
        channel: Channel,
        database: Database,
        recipients: Recipients,
        clock: Clock,
        owner: str,
        chance: Callable[[], float],
        committed: Callable[[], None],
    ) -> None:
        """`owner` names this process in leases; `chance` in [0, 1) spreads the retries.

        `committed` is called after a transaction that promised something to other channels.
        """
        self._channel = channel
        self._database = database
        self._recipients = recipients
        self._clock = clock
        self._owner = owner
        self._chance = chance
        self._committed = committed
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver whenever woken, until stopped."""
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            await self.drain()

    def stop(self) -> None:
        """Claim no more; what is being sent is finished and settled."""
        self._stopping = True
        self._wake.set()

    async def drain(self) -> None:
        """Deliver until nothing more is due; a slow send delays only its own lane."""
        in_flight: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as sends:
            while True:
                for claimed in await self._claim(_AT_ONCE - len(in_flight)):
                    in_flight.add(sends.create_task(self._deliver(claimed)))
                if not in_flight:
                    return
                woken = sends.create_task(self._wake.wait())
                await asyncio.wait({woken, *in_flight}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                in_flight = {task for task in in_flight if not task.done()}
                self._wake.clear()

    async def _claim(self, limit: int) -> list[Claimed]:
        if limit <= 0 or self._stopping:
            return []
        now = self._clock.now()
        try:
            async with self._database.begin() as work:
                return await work.outbox.claim(
                    self._channel.name, now=now, until=now + LEASE, owner=self._owner, limit=limit
                )
        except DatabaseError as error:
            self._complain("deliveries not claimed", error)
            return []

    async def _deliver(self, claimed: Claimed) -> None:
        started_at = self._clock.now()
        late = started_at - claimed.notification.recorded_at
        message = Message(
            notification=claimed.notification,
            action=claimed.promise.action,
            late_by=late if late > _LATE else None,
        )
        try:
            answer = await self._channel.send(message)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one message must not stop all others (R7, R26)
            _log.exception("sending failed by a fault of ours")
            answer = TryAgain(cause=f"a fault in the notifier: {type(error).__name__}")
        settlement = self._settlement(claimed, started_at, answer)
        try:
            async with self._database.begin() as work:
                held = await work.outbox.settle(settlement)
                told = held and await self._tell_others(work, settlement)
        except DatabaseError as error:
            # The lease runs out and it is sent once more: twice is better than not at all.
            self._complain("delivery not settled", error)
            return
        self._report(settlement)
        if told:
            self._committed()

    def _settlement(self, claimed: Claimed, started_at: datetime, answer: Answer) -> Settlement:
        now = self._clock.now()
        cause: str | None = None
        due_at: datetime | None = None
        match answer:
            case Accepted():
                outcome = Outcome.SENT
            case Refused():
                outcome, cause = Outcome.ABANDONED, answer.cause
            case TryAgain():
                outcome, cause = Outcome.PENDING, answer.cause
                due_at = next_attempt(claimed.attempt, now, retry_after=answer.retry_after, chance=self._chance())
                if due_at >= claimed.promise.give_up_at:
                    outcome, due_at = Outcome.ABANDONED, None
                    cause = f"given up after {claimed.attempt} attempts: {cause}"
            case _:
                assert_never(answer)
        return Settlement(
            claimed=claimed,
            owner=self._owner,
            started_at=started_at,
            ended_at=now,
            outcome=outcome,
            answer=answer,
            cause=cause,
            due_at=due_at,
        )

    async def _tell_others(self, work: UnitOfWork, settlement: Settlement) -> bool:
        """A channel that refuses is an incident, told on the others; it ends with the next message it takes (R16)."""
        if settlement.outcome is Outcome.PENDING:
            return False
        name = self._channel.name
        last = await work.record.last_incident(IncidentKind.CHANNEL, "", name)
        is_open = last is not None and last.closed_at is None
        if settlement.outcome is Outcome.ABANDONED and not is_open:
            incident = Incident(
                kind=IncidentKind.CHANNEL,
                account="",
                subject=name,
                number=1 if last is None else last.number + 1,
                severity=Severity.WARNING,
                opened_at=settlement.ended_at,
            )
            await work.record.open_incidents([incident])
            told = words.tell_channel_failed(incident, settlement.cause or "", settlement.claimed.notification)
        elif settlement.outcome is Outcome.SENT and last is not None and is_open:
            await work.record.close_incidents({last.key: settlement.ended_at})
            told = words.tell_channel_works(last, settlement.ended_at)
        else:
            return False
        await work.outbox.promise([(told, self._recipients.promises(told, but=name))])
        return True

    def _report(self, settlement: Settlement) -> None:
        claimed = settlement.claimed
        fields = {
            "channel": self._channel.name,
            "delivery": claimed.id,
            "attempt": claimed.attempt,
            "title": claimed.notification.title,
        }
        match settlement.outcome:
            case Outcome.SENT:
                _log.info("delivered", extra={"fields": fields})
            case Outcome.PENDING:
                again = {"cause": settlement.cause, "again_at": settlement.due_at}
                _log.warning("delivery failed, will be tried again", extra={"fields": fields | again})
            case Outcome.ABANDONED:
                _log.error("delivery abandoned", extra={"fields": fields | {"cause": settlement.cause}})
            case _:
                assert_never(settlement.outcome)

    def _complain(self, phrase: str, error: DatabaseError) -> None:
        _log.error(phrase, extra={"fields": {"channel": self._channel.name, "cause": str(error)}})
