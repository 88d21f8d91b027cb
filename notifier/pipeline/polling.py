"""Step 2: ask, when it is time to; not being able to see is an observation too (R1, R6, R32)."""

import asyncio
import heapq
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zlib import crc32

from notifier.domain.decision import decide
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import CauseKind, Observation, Seen, Sight, Unseen
from notifier.domain.schedule import next_due, phase
from notifier.domain.state import State
from notifier.errors import DatabaseError, NotifierError
from notifier.pipeline.recording import Recorder
from notifier.ports import Clock, Cloudflare

_log = logging.getLogger(__name__)

_AT_ONCE = 10  # polls in flight per account; more only queue at the connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a link is asked: each `interval`; again after `recheck` while a change awaits confirmation."""

    interval: timedelta
    recheck: timedelta


class Poller:
    """Asks for every watched interconnect of one account, each in its turn, never twice at once.

    An unchanged answer touches memory only. Everything else goes to the recorder, in batches: what comes in
    while one batch is being written makes the next.
    """

    def __init__(
        self,
        *,
        account: str,
        cloudflare: Cloudflare,
        recorder: Recorder,
        clock: Clock,
        pace: Pace,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Polls run in `tasks`."""
        self._account = account
        self._cloudflare = cloudflare
        self._recorder = recorder
        self._clock = clock
        self._pace = pace
        self._tasks = tasks
        self._links: dict[str, Interconnect] = {}
        self._sites: dict[str | None, list[str]] = {}
        self._states: dict[str, State] = {}
        self._phases: dict[str, float] = {}
        self._offset = crc32(account.encode()) % 1000  # or all accounts' first links would be due together
        self._due: dict[str, datetime] = {}
        self._urgent: list[tuple[datetime, str]] = []
        self._routine: list[tuple[datetime, str]] = []
        self._busy: set[str] = set()
        self._polls: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._unwritten: dict[str, datetime] = {}
        self._observed: list[Observation] = []
        self._recording = False
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def interval(self) -> timedelta:
        """How often each link is asked."""
        return self._pace.interval

    @property
    def watched(self) -> int:
        """How many interconnects are watched."""
        return len(self._links)

    def pace(self, interval: timedelta) -> None:
        """Take another interval, from each link's next poll on (R32)."""
        self._pace = replace(self._pace, interval=interval)
        self._recorder.expect(interval)

    def watch(self, links: Sequence[Interconnect], states: Mapping[str, State]) -> None:
        """Watch exactly these; `states` are stored ones, in the place of those remembered."""
        self._links = {link.name: link for link in links}
        self._sites = defaultdict(list)
        for link in links:
            self._sites[link.site].append(link.name)
        for gone in self._due.keys() - self._links.keys():
            del self._due[gone]
        for gone in self._states.keys() - self._links.keys() - self._busy:
            del self._states[gone]
        now = self._clock.now()
        for name in sorted(self._links):
            if name not in self._phases:
                self._phases[name] = phase(self._offset + len(self._phases))
            known = states.get(name) or self._states.get(name)
            self._states[name] = known or State(account=self._account, name=name)
            if name not in self._due and name not in self._busy:
                self._first(name, now)

    def _first(self, name: str, now: datetime) -> None:
        """A waiting candidate is looked at again at once, everything else in its turn (R13)."""
        if self._states[name].candidate is not None:
            self._put(name, now, urgent=True)
        else:
            self._put(name, next_due(now, self._pace.interval, self._phases[name]), urgent=False)

    def _put(self, name: str, at: datetime, *, urgent: bool) -> None:
        self._due[name] = at
        heapq.heappush(self._urgent if urgent else self._routine, (at, name))

    async def sweep(self) -> None:
        """Start the polls that are due; the scheduler's way in."""
        self.tick()

    def tick(self) -> None:
        """Start the polls that are due, re-checks before routine ones, as many as may be in flight."""
        now = self._clock.now()
        while self._in_flight < _AT_ONCE and not self._stopping:
            name = self._pop(self._urgent, now) or self._pop(self._routine, now)
            if name is None:
                return
            del self._due[name]
            self._busy.add(name)
            self._in_flight += 1
            self._idle.clear()
            poll = self._tasks.create_task(self._poll(name))
            self._polls.add(poll)
            poll.add_done_callback(self._polls.discard)

    def _pop(self, heap: list[tuple[datetime, str]], now: datetime) -> str | None:
        """Take the first link that is due; entries that were overtaken by another are dropped."""
        while heap and heap[0][0] <= now:
            at, name = heapq.heappop(heap)
            if self._due.get(name) == at:
                return name
        return None

    async def _poll(self, name: str) -> None:
        try:
            self._saw(name, await self._cloudflare.status(name))
        except Exception:  # noqa: BLE001 - a fault of ours at one link must not blind all others (R7)
            _log.exception("poll failed by a fault of ours")
            self._again(name, self._clock.now() + self._pace.recheck, urgent=False)
        finally:
            self._in_flight -= 1
        self.tick()
        await self._record()
        self._rest()

    def _saw(self, name: str, sight: Sight) -> None:
        now = self._clock.now()
        if isinstance(sight, Unseen) and sight.cause.kind is CauseKind.OVER_BUDGET:
            # Nothing was asked, so nothing was observed: its turn is put off.
            self._again(name, now + (sight.cause.retry_after or self._pace.recheck), urgent=False)
            return
        state = self._states[name]
        seen = Observation(account=self._account, name=name, at=now, sight=sight)
        decision = decide(state, seen, self._recorder.policy)
        if not decision.notable:
            self._states[name] = decision.state
            if isinstance(sight, Seen):
                self._unwritten[name] = now
            self._rescheduled(name, now)
            return
        # The look before this one is evidence too, if it isn't written yet (R11).
        if (before := self._unwritten.pop(name, None)) is not None and state.status is not None:
            same = Seen(state.status, state.reason)
            self._observed.append(Observation(account=self._account, name=name, at=before, sight=same))
        self._observed.append(seen)

    def _rescheduled(self, name: str, now: datetime) -> None:
        """What awaits confirmation is asked again soon, everything else in its turn."""
        if self._states[name].candidate is not None:
            self._again(name, now + self._pace.recheck, urgent=True)
        else:
            self._again(name, next_due(now, self._pace.interval, self._phases[name]), urgent=False)

    def _again(self, name: str, at: datetime, *, urgent: bool) -> None:
        self._busy.discard(name)
        if name in self._links:
            self._put(name, at, urgent=urgent)

    async def _record(self) -> None:
        """Write what was observed; one batch at a time."""
        if self._recording:
            return
        self._recording = True
        try:
            while self._observed:
                batch, self._observed = self._observed, []
                self._recorded(batch, await self._written(batch))
        finally:
            self._recording = False

    async def _written(self, batch: Sequence[Observation]) -> Mapping[str, State] | None:
        try:
            return await self._recorder.record(batch)
        except NotifierError as error:
            # Our own fault is not the link's: nothing is believed, and it is looked at again soon (R7).
            fields = {"account": self._account, "links": len(batch), "cause": str(error)}
            _log.error("observations not recorded", extra={"fields": fields})
            return None

    def _recorded(self, batch: Sequence[Observation], states: Mapping[str, State] | None) -> None:
        now = self._clock.now()
        for name in {seen.name for seen in batch}:
            if states is None:
                self._again(name, now + self._pace.recheck, urgent=True)
                continue
            self._states[name] = states[name]
            self._rescheduled(name, now)
            self._ask_neighbours(name, now)
        self.tick()

    def _ask_neighbours(self, name: str, now: datetime) -> None:
        """A site may be lost as a whole: look at its other links at once (R1)."""
        candidate = self._states[name].candidate
        site = self._links[name].site if name in self._links else None
        if site is None or candidate is None or not candidate.problem or candidate.sightings > 1:
            return
        for other in self._sites[site]:
            if other not in self._busy and self._states[other].candidate is None:
                self._put(other, now, urgent=True)

    async def flush(self) -> None:
        """Write when unchanged links were last seen: one statement (R12)."""
        if not self._unwritten:
            return
        seen, self._unwritten = self._unwritten, {}
        try:
            await self._recorder.seen(seen)
        except DatabaseError as error:
            self._unwritten = seen | self._unwritten
            fields = {"account": self._account, "cause": str(error)}
            _log.error("last seen not recorded", extra={"fields": fields})

    def _rest(self) -> None:
        if not self._in_flight and not self._recording and not self._observed:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no poll is in flight and everything observed is written."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Start no more polls, wait for those in flight, and write what they saw.

        If this is cancelled, so are they: a request that we break off ourselves says nothing of its link (R7).
        """
        self._stopping = True
        try:
            await self.idle()
        except asyncio.CancelledError:
            for poll in self._polls:
                poll.cancel()
            await asyncio.gather(*self._polls, return_exceptions=True)
            raise
        await self.flush()
