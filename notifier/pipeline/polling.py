"""Step 2: ask, when it is time to; not being able to see is an observation too (R1, R6, R32)."""

import asyncio
import heapq
import logging
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from notifier.domain.decision import decide
from notifier.domain.health import Progress
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import CauseKind, Observation, Seen, Sight, Unseen
from notifier.domain.schedule import next_due, phase
from notifier.domain.state import State
from notifier.domain.tally import Polls
from notifier.errors import DatabaseError, LeaseLostError, NotifierError
from notifier.pipeline.lease import Lease
from notifier.pipeline.recording import Recorder
from notifier.ports import Clock, Cloudflare

_log = logging.getLogger(__name__)

_AT_ONCE = 10  # polls in flight per account; more only queue at the connections
_AGAIN = timedelta(seconds=2)  # after the database was away
_BEHIND = timedelta(seconds=0.05)  # from observation to record; if it takes longer, nothing is asked meanwhile
_WAITING_AT_MOST = 100_000  # observations, while the database is away; with more, nothing is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a link is asked: each `interval`; again after `recheck` while a change awaits confirmation."""

    interval: timedelta
    recheck: timedelta


class Poller:
    """Asks for every watched interconnect of one account, each in its turn, never twice at once.

    An unchanged answer touches memory only. Everything else goes to the recorder, in batches: what comes in while one
    batch is being written makes the next, and if that takes long nothing is asked meanwhile. While the database is
    away they wait, and memory runs ahead of it; when it is back they are recorded in their order, as if it had never
    been gone. Nothing is asked without the account's `lease`.
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
        lease: Lease,
        tally: Polls | None = None,
    ) -> None:
        """Polls run in `tasks`."""
        self._account = account
        self._cloudflare = cloudflare
        self._recorder = recorder
        self._clock = clock
        self._pace = pace
        self._tasks = tasks
        self._lease = lease
        self._tally = tally or Polls()
        self._links: dict[str, Interconnect] = {}
        self._sites: dict[str | None, list[str]] = {}
        self._states: dict[str, State] = {}
        self._stored: dict[str, State] = {}  # of links of which memory runs ahead: what the database holds
        self._phases: dict[str, float] = {}
        self._offset = crc32(account.encode()) % 1000  # or all accounts' first links would be due together
        self._due: dict[str, datetime] = {}
        self._urgent: list[tuple[datetime, str]] = []
        self._routine: list[tuple[datetime, str]] = []
        self._busy: dict[str, datetime] = {}  # since when
        self._running: set[asyncio.Task[None]] = set()
        self._unwritten: dict[str, datetime] = {}
        self._observed: list[Observation] = []
        self._observed_since: datetime | None = None
        self._writing_since: datetime | None = None
        self._writing: Sequence[Observation] = ()
        self._recording = False
        self._record_at: datetime | None = None  # the database is away: when to try again
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

    @property
    def beliefs(self) -> list[tuple[Interconnect, State]]:
        """What is believed of each watched interconnect."""
        return [(link, self._states[name]) for name, link in self._links.items()]

    @property
    def progress(self) -> Progress:
        """How far the polls are, while the account is ours (R30)."""
        if not self._lease.holds(self._clock.now()):
            return Progress()
        full = len(self._busy) >= _AT_ONCE
        unwritten = self._writing or self._observed
        return Progress(
            begun_at=min(self._busy.values(), default=None),
            due_at=min(self._due.values(), default=None),
            turns=-(-len(self._links) // _AT_ONCE) if full else 0,  # a whole round may come first
            seen_at=unwritten[0].at if unwritten else None,
        )

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
        for gone in self._states.keys() - self._links.keys():
            del self._states[gone]
            self._stored.pop(gone, None)
        now = self._clock.now()
        for name in sorted(self._links):
            if name not in self._phases:
                self._phases[name] = phase(self._offset + len(self._phases))
            known = states.get(name) or self._states.get(name)
            self._states[name] = known or State(account=self._account, name=name)
            if name not in self._due and name not in self._busy:
                self._first(name, now)

    def begin(self) -> None:
        """Ask from now on, after a stop."""
        self._stopping = False

    def forget(self) -> None:
        """Watch nothing, and drop what is not written: another process watches the account."""
        self._observed, self._observed_since, self._record_at = [], None, None
        self._unwritten.clear()
        self._stored.clear()
        self.watch([], {})

    def _first(self, name: str, now: datetime) -> None:
        """A waiting candidate is looked at again at once, everything else in its turn (R13)."""
        if self._states[name].candidate is not None:
            self._put(name, now, urgent=True)
        else:
            self._put(name, next_due(now, self._pace.interval, self._phases[name]), urgent=False)

    def _put(self, name: str, at: datetime, *, urgent: bool) -> None:
        self._due[name] = at
        heapq.heappush(self._urgent if urgent else self._routine, (at, name))

    def tick(self) -> None:
        """Start the polls that are due, re-checks before routine ones, as many as may fly; write what waits."""
        now = self._clock.now()
        while self._may_ask(now):
            name = self._pop(self._urgent, now) or self._pop(self._routine, now)
            if name is None:
                break
            del self._due[name]
            self._busy[name] = now
            self._run(self._poll(name))
        if self._observed and not self._recording and (self._record_at is None or now >= self._record_at):
            self._recording = True
            self._run(self._record())

    def _may_ask(self, now: datetime) -> bool:
        room = len(self._busy) < _AT_ONCE and len(self._observed) < _WAITING_AT_MOST
        return room and not self._is_behind(now) and not self._stopping and self._lease.holds(now)

    def _is_behind(self, now: datetime) -> bool:
        """Whether more is seen than can be written, as in a storm: what was seen is to be on record soon."""
        since = self._writing_since or self._observed_since
        return since is not None and now - since > _BEHIND and self._record_at is None

    def _run(self, what: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(what)
        self._running.add(task)
        self._idle.clear()
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            self._idle.set()

    def _pop(self, heap: list[tuple[datetime, str]], now: datetime) -> str | None:
        """Take the first link that is due; entries that were overtaken by another are dropped."""
        while heap and heap[0][0] <= now:
            at, name = heapq.heappop(heap)
            if self._due.get(name) == at and name not in self._busy:
                return name
        return None

    async def _poll(self, name: str) -> None:
        try:
            sight = await self._cloudflare.status(name)
            self._saw(name, sight, self._busy.pop(name))
        except Exception:  # noqa: BLE001 - a fault of ours at one link must not blind all others (R7)
            _log.exception("poll failed by a fault of ours")
            self._tally.failed()
            self._again(name, self._clock.now() + self._pace.recheck, urgent=False)
        finally:
            self._busy.pop(name, None)
        self.tick()

    def _saw(self, name: str, sight: Sight, begun_at: datetime) -> None:
        now = self._clock.now()
        self._tally.ended(sight, now - begun_at)
        if name not in self._links or not self._lease.holds(now):
            self._again(name, now, urgent=False)
            return
        if isinstance(sight, Unseen) and sight.cause.kind is CauseKind.OVER_BUDGET:
            # Nothing was asked, so nothing was observed: its turn is put off.
            self._again(name, now + (sight.cause.retry_after or self._pace.recheck), urgent=False)
            return
        state = self._states[name]
        seen = Observation(account=self._account, name=name, at=now, sight=sight)
        decision = decide(state, seen, self._recorder.policy)
        self._states[name] = decision.state
        if decision.notable:
            self._stored.setdefault(name, state)
            self._observe(state, seen)
        elif isinstance(sight, Seen):
            self._unwritten[name] = now
        self._rescheduled(name, now)
        self._ask_neighbours(name, now)

    def _observe(self, state: State, seen: Observation) -> None:
        # The look before this one is evidence too, if it isn't written yet (R11).
        if (before := self._unwritten.pop(seen.name, None)) is not None and state.status is not None:
            same = Seen(state.status, state.reason)
            self._observed.append(Observation(account=self._account, name=seen.name, at=before, sight=same))
        self._observed.append(seen)
        self._observed_since = self._observed_since or seen.at

    def _rescheduled(self, name: str, now: datetime) -> None:
        """What awaits confirmation is asked again soon, everything else in its turn."""
        if self._states[name].candidate is not None:
            self._again(name, now + self._pace.recheck, urgent=True)
        else:
            self._again(name, next_due(now, self._pace.interval, self._phases[name]), urgent=False)

    def _again(self, name: str, at: datetime, *, urgent: bool) -> None:
        if name in self._links:
            self._put(name, at, urgent=urgent)

    def _ask_neighbours(self, name: str, now: datetime) -> None:
        """A site may be lost as a whole: look at its other links at once (R1)."""
        candidate, site = self._states[name].candidate, self._links[name].site
        if site is None or candidate is None or not candidate.problem or candidate.sightings > 1:
            return
        for other in self._sites[site]:
            if other not in self._busy and self._states[other].candidate is None:
                self._put(other, now, urgent=True)

    async def _record(self) -> None:
        """Write what was observed; one batch at a time, until the database fails."""
        try:
            while self._observed and (self._record_at is None or self._clock.now() >= self._record_at):
                self._writing, self._observed = self._observed, []
                self._writing_since, self._observed_since = self._observed_since, None
                await self._write(self._writing)
                self._writing, self._writing_since = (), None
                self.tick()
        finally:
            self._recording = False
        self.tick()

    async def _write(self, batch: Sequence[Observation]) -> None:
        try:
            states = await self._recorder.record(batch)
        except LeaseLostError:
            self._lease.drop()
            self.forget()
        except NotifierError as error:
            self._failed(batch, error)
        else:
            if self._record_at is not None:
                _log.warning("observations recorded again", extra={"fields": {"account": self._account}})
            self._record_at = None
            self._recorded(states)

    def _failed(self, batch: Sequence[Observation], error: NotifierError) -> None:
        """Our own fault is not the link's: what could not be written waits, or is observed anew (R7)."""
        fields = {"account": self._account, "links": len({seen.name for seen in batch}), "cause": str(error)}
        if isinstance(error, DatabaseError) and error.temporary:
            if self._record_at is None:
                _log.error("observations not recorded", extra={"fields": fields})
            self._observed = [*batch, *self._observed]
            self._record_at = self._clock.now() + _AGAIN
            return
        _log.error("observations dropped", extra={"fields": fields})
        now, waiting = self._clock.now(), {seen.name for seen in self._observed}
        for name in {seen.name for seen in batch} - waiting:
            if name in self._links:
                self._states[name] = self._stored.pop(name, self._states[name])
                self._again(name, now + self._pace.recheck, urgent=True)

    def _recorded(self, states: Mapping[str, State]) -> None:
        """Take over what the database made of it, where memory is not ahead again already."""
        now, waiting = self._clock.now(), {seen.name for seen in self._observed}
        for name in (states.keys() & self._links.keys()) - waiting:
            self._stored.pop(name, None)
            expected, self._states[name] = self._states[name], states[name]
            if expected.candidate != states[name].candidate:
                self._rescheduled(name, now)

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

    async def idle(self) -> None:
        """Wait until no poll is in flight and nothing is being written."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Start no more polls, wait for those in flight, and write what they saw.

        If this is cancelled, so are they: a request that we break off ourselves says nothing of its link (R7).
        """
        self._stopping = True
        try:
            await self.idle()
        except asyncio.CancelledError:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            raise
        await self.flush()
