"""Step 4: claim, send, settle (R15, R16). Nothing is sent before it was committed, and nothing inside a transaction."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import assert_never

from notifier.domain.backoff import next_attempt
from notifier.domain.bundling import bundle
from notifier.domain.merging import moot
from notifier.domain.pacing import Storm, pace
from notifier.domain.tally import Deliveries, End
from notifier.errors import DatabaseError
from notifier.ports import (
    Accepted,
    Answer,
    Channel,
    Claimed,
    Clock,
    Database,
    Message,
    Outbox,
    Outcome,
    Refused,
    Settlement,
    TryAgain,
    UnitOfWork,
)

_log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
_LATE = timedelta(seconds=120)
_AT_ONCE = 32  # sends in flight per channel, each of another lane
_OVER = "over before it could be sent"

_Batch = list[Claimed]  # what one message carries


class Deliverer:
    """Makes the deliveries of one channel: everything due, in order per lane, urgent first.

    A message channel gets what a lane holds as one message (R20), in a storm what all lanes hold (R27); any other
    gets each notification by itself, but nothing of what opened and closed before it could be told (R17).
    """

    def __init__(
        self,
        *,
        channel: Channel,
        database: Database,
        clock: Clock,
        owner: str,
        chance: Callable[[], float],
        settle: Callable[[UnitOfWork, Sequence[Settlement]], Awaitable[tuple[list[Settlement], bool]]],
        committed: Callable[[], None],
        storm: Storm,
        tally: Deliveries | None = None,
    ) -> None:
        """`owner` names this process in leases; `chance` in [0, 1) spreads the retries.

        `settle` writes what came of messages; it returns the deliveries whose lease was not lost, and whether it
        promised something. `committed` is called after a transaction that did.
        """
        self._channel = channel
        self._database = database
        self._clock = clock
        self._owner = owner
        self._chance = chance
        self._settle = settle
        self._committed = committed
        self._storm = storm
        self._tally = tally or Deliveries()
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
        """Deliver until nothing more may be sent now; a slow send delays only its own lane.

        What was sent while others were settled is settled with the next: the more there is to do, the more at once.
        """
        in_flight: dict[asyncio.Task[list[Settlement]], _Batch] = {}
        async with asyncio.TaskGroup() as sends:
            while True:
                for batch in await self._claim(in_flight.values()):
                    in_flight[sends.create_task(self._send(batch))] = batch
                if not in_flight:
                    return
                woken = sends.create_task(self._wake.wait())
                await asyncio.wait({woken, *in_flight}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                done = [task for task in in_flight if task.done()]
                for task in done:
                    del in_flight[task]
                await self._settled([settlement for task in done for settlement in task.result()])
                self._wake.clear()

    async def _claim(self, in_flight: Collection[_Batch]) -> list[_Batch]:
        places = _AT_ONCE - sum(map(_places, in_flight))
        if places <= 0 or self._stopping:
            return []
        now = self._clock.now()
        try:
            async with self._database.begin() as work:
                if not await work.outbox.hold(self._channel.name, now):
                    return []
                # A lease may run out while this process is stopped: what it is sending it must not send again beside.
                sending = [each.id for batch in in_flight for each in batch]
                await work.outbox.renew(sending, until=now + LEASE, owner=self._owner)
                over = 0 if self._channel.bundles else await self._call_off(work.outbox, now)
                batches = await self._batches(work.outbox, places, now)
        except DatabaseError as error:
            self._complain("deliveries not claimed", error)
            return []
        self._tally.ended(End.MOOT, over)
        return batches

    async def _batches(self, outbox: Outbox, places: int, now: datetime) -> list[_Batch]:
        name, storm = self._channel.name, self._storm
        claim = partial(outbox.claim, name, now=now, until=now + LEASE, owner=self._owner)
        if not self._channel.bundles:
            return [[claimed] for claimed in await claim(whole=False, lanes=places)]
        allowed = pace(storm, await outbox.sent(name, since=now - storm.memory, now=now), now)
        if allowed.at > now:
            return []
        if allowed.lanes is None:
            everything = await claim(whole=True, lanes=None)
            return [everything] if everything else []
        claimed = await claim(whole=True, lanes=min(places, allowed.lanes))
        return [list(lane) for _, lane in groupby(claimed, key=_lane)]

    async def _call_off(self, outbox: Outbox, now: datetime) -> int:
        over = moot(await outbox.passing(self._channel.name, now))
        if over:
            await outbox.call_off(over, _OVER, now)
            _log.info("deliveries called off", extra={"fields": {"channel": self._channel.name, "cause": _OVER}})
        return len(over)

    async def _settled(self, settlements: Sequence[Settlement]) -> None:
        if not settlements:
            return
        try:
            async with self._database.begin() as work:
                held, promised = await self._settle(work, settlements)
        except DatabaseError as error:
            # The lease runs out and it is sent once more: twice is better than not at all.
            self._complain("delivery not settled", error)
            return
        self._count(held)
        self._report(held)
        if len(held) < len(settlements):
            _log.warning("delivery taken over by another", extra={"fields": {"channel": self._channel.name}})
        if promised:
            self._committed()

    async def _send(self, batch: _Batch) -> list[Settlement]:
        started_at = self._clock.now()
        answer = await self._ask(batch, started_at)
        return [self._settlement(claimed, batch[0], started_at, answer) for claimed in batch]

    async def _ask(self, batch: _Batch, at: datetime) -> Answer:
        try:
            told = bundle([claimed.notification for claimed in sorted(batch, key=lambda claimed: claimed.id)])
            late = at - told.recorded_at
            return await self._channel.send(
                Message(
                    notification=told,
                    action=batch[0].promise.action,
                    late_by=late if late > _LATE else None,
                )
            )
        except Exception as error:  # noqa: BLE001 - a fault of ours in one message must not stop all others (R7, R26)
            _log.exception("sending failed by a fault of ours")
            return TryAgain(cause=f"a fault in the notifier: {type(error).__name__}")

    def _settlement(self, claimed: Claimed, first: Claimed, started_at: datetime, answer: Answer) -> Settlement:
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
            message=f"{first.id}.{first.attempt}",
            started_at=started_at,
            ended_at=now,
            outcome=outcome,
            answer=answer,
            cause=cause,
            due_at=due_at,
        )

    def _count(self, settlements: Sequence[Settlement]) -> None:
        for each in settlements:
            match each.outcome:
                case Outcome.SENT:
                    self._tally.sent(each.claimed.notification, each.ended_at)
                case Outcome.PENDING:
                    self._tally.ended(End.AGAIN_LATER)
                case Outcome.ABANDONED:
                    self._tally.ended(End.ABANDONED)
                case Outcome.MOOT:
                    pass  # never sent, so never settled
                case _:
                    assert_never(each.outcome)

    def _report(self, settlements: Sequence[Settlement]) -> None:
        """Say what came of each message, once for all its deliveries."""
        for (_, outcome), alike in groupby(
            settlements, key=lambda settlement: (settlement.message, settlement.outcome)
        ):
            first, *others = alike
            fields = {
                "channel": self._channel.name,
                "delivery": first.claimed.id,
                "attempt": first.claimed.attempt,
                "title": first.claimed.notification.title,
            }
            if others:
                fields["and"] = [each.claimed.id for each in others]
            match outcome:
                case Outcome.SENT:
                    _log.info("delivered", extra={"fields": fields})
                case Outcome.PENDING:
                    again = {"cause": first.cause, "again_at": first.due_at}
                    _log.warning("delivery failed, will be tried again", extra={"fields": fields | again})
                case Outcome.ABANDONED:
                    _log.error("delivery abandoned", extra={"fields": fields | {"cause": first.cause}})
                case Outcome.MOOT:
                    pass  # never sent, so never settled
                case _:
                    assert_never(outcome)

    def _complain(self, phrase: str, error: DatabaseError) -> None:
        _log.error(phrase, extra={"fields": {"channel": self._channel.name, "cause": str(error)}})


def _lane(claimed: Claimed) -> str:
    return claimed.promise.lane


def _places(batch: _Batch) -> int:
    """A message of several lanes takes all the places: nothing is sent beside it."""
    return _AT_ONCE if len(set(map(_lane, batch))) > 1 else 1
