"""Step 3: one transaction: decide + state + transition + incident + outbox (R12)."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from notifier.domain import blindness, words
from notifier.domain.blindness import View
from notifier.domain.decision import Change, Decision, Gap, Policy, Transition, decide
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import Cause, Observation
from notifier.domain.state import State
from notifier.domain.status import KNOWN, Severity, severity
from notifier.domain.words import Voice
from notifier.errors import ConflictError
from notifier.pipeline.recipients import Recipients
from notifier.ports import Clock, Database, Record, UnitOfWork

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_TRIES = 5  # a conflict means that somebody else got on; five in a row means something is wrong


@dataclass(slots=True)
class _Batch:
    """What a batch of observations makes of its links, gathered before it is written."""

    observations: list[Observation] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def add(self, seen: Observation, decision: Decision) -> None:
        if decision.notable:
            self.observations.append(seen)
        if decision.transition is not None:
            self.transitions.append(decision.transition)
        if decision.gap is not None:
            self.gaps.append(decision.gap)


class Recorder:
    """Records what was observed of one account, and promises what is to be told of it."""

    def __init__(
        self,
        *,
        voice: Voice,
        database: Database,
        policy: Policy,
        recipients: Recipients,
        clock: Clock,
        committed: Callable[[], None],
    ) -> None:
        """`committed` is called after each transaction that promised something."""
        self._voice = voice
        self._account = voice.account
        self._database = database
        self.policy = policy
        self._recipients = recipients
        self._clock = clock
        self._committed = committed

    def expect(self, interval: timedelta) -> None:
        """Expect polls this far apart: only a longer silence is a gap (R11)."""
        self.policy = replace(self.policy, gap_after=self.policy.blind_after * interval)

    async def known(self) -> tuple[list[Interconnect], dict[str, State]]:
        """Return the watched links, and their states where there are any, as they are stored."""
        async with self._database.begin() as work:
            links = await work.watched.links(self._account)
            return list(links.values()), await work.watched.states(self._account, links)

    async def seen(self, seen: Mapping[str, datetime]) -> None:
        """Write when unchanged links were last seen: one statement, whatever their number."""
        async with self._database.begin() as work:
            await work.watched.mark_seen(self._account, seen)

    async def record(self, observations: Sequence[Observation]) -> dict[str, State]:
        """Record observations, each link's in the order of their time; return the states they lead to.

        Raises:
            DatabaseError: Nothing was recorded; the next polls will show the same again (R7).
        """
        return await self._transact(lambda work: self._record(work, observations))

    async def listed(self, listed: Collection[Interconnect], takes: Callable[[str], bool]) -> list[Interconnect]:
        """Record a complete listing; return what is to be watched: of those `takes` says yes to, all ever listed.

        What is listed no more is still asked for: a listing that leaves something out must not hide an outage.
        """

        async def write(work: UnitOfWork) -> list[Interconnect]:
            now = self._clock.now()
            known = await work.watched.links(self._account)
            watch = {name: link for name, link in known.items() if takes(name)}
            watch |= {link.name: link for link in listed if takes(link.name)}
            if watch != known:
                await work.watched.save_links(self._account, watch.values(), now)
            before = await work.watched.view(self._account)
            await self._look(work, before, blindness.listing_worked(before), now)
            return list(watch.values())

        return await self._transact(write)

    async def listing_failed(self, cause: Cause) -> None:
        """Record that the account could not be listed."""

        async def write(work: UnitOfWork) -> None:
            before = await work.watched.view(self._account)
            after = blindness.listing_failed(before, cause, self.policy.blind_after)
            await self._look(work, before, after, self._clock.now())

        await self._transact(write)

    async def _transact(self, write: Callable[[UnitOfWork], Awaitable[_T]]) -> _T:
        """Do it in one transaction; who loses a race reads again and decides again (R14)."""
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self._database.begin() as work:
                    result = await write(work)
            except ConflictError:
                if not tries_left:
                    raise
            else:
                break
        self._committed()
        return result

    async def _record(self, work: UnitOfWork, observations: Sequence[Observation]) -> dict[str, State]:
        names = {seen.name for seen in observations}
        stored = await work.watched.states(self._account, names)
        before = {name: stored.get(name) or State(account=self._account, name=name) for name in names}
        after, batch = dict(before), _Batch()
        for seen in observations:
            decision = decide(after[seen.name], seen, self.policy)
            after[seen.name] = decision.state
            batch.add(seen, decision)
        changed = {seen.name for seen in batch.observations}
        await work.watched.save_states([after[name] for name in changed])
        await work.record.observations(batch.observations)
        await work.record.gaps(batch.gaps)
        await self._tell(work, batch.transitions)
        if any(before[name].blind != after[name].blind for name in changed):
            view = await work.watched.view(self._account)
            await self._look(work, view, view, self._clock.now())
        return {name: _stored(after[name]) if name in changed else after[name] for name in names}

    async def _tell(self, work: UnitOfWork, transitions: Sequence[Transition]) -> None:
        if not transitions:
            return
        links = await work.watched.links(self._account)
        await work.record.transitions(transitions)
        await _keep_incidents(work.record, transitions)
        told = [
            words.tell_transition(t, links.get(t.name) or Interconnect(account=t.account, name=t.name), self._voice)
            for t in transitions
        ]
        await work.outbox.promise([(n, self._recipients.promises(n)) for n in told if n is not None])
        for t in transitions:
            _report(t)

    async def _look(self, work: UnitOfWork, before: View, after: View, now: datetime) -> None:
        """Open or close the account's blind incident (R6)."""
        extent = await work.watched.extent(self._account)
        looked, event = blindness.look(after, extent, now)
        if looked != before:
            await work.watched.save_view(looked)
        match event:
            case None:
                return
            case blindness.Event.BLINDED:
                told = words.tell_blind(looked, extent, self._voice, now)
                await work.record.open_incidents([_blind_incident(looked, now)])
            case blindness.Event.SEEN_AGAIN:
                told = words.tell_seen_again(after, await work.watched.differing(self._account), self._voice, now)
                await work.record.close_incidents({_blind_incident(after, now).key: now})
            case _:
                assert_never(event)
        await work.outbox.promise([(told, self._recipients.promises(told))])
        _log.warning(f"account {event.value}", extra={"fields": {"account": self._voice.name, "title": told.title}})


def _stored(state: State) -> State:
    return replace(state, version=state.version + 1)


def _blind_incident(view: View, at: datetime) -> Incident:
    return Incident(
        kind=IncidentKind.BLIND,
        account=view.account,
        subject=view.account,
        number=view.incident or view.incidents,
        severity=Severity.WARNING,
        opened_at=view.since or at,
    )


async def _keep_incidents(record: Record, transitions: Sequence[Transition]) -> None:
    """Open, raise and close the incidents that transitions begin, worsen and end (R3)."""
    for t in transitions:
        if t.incident is None:
            continue
        incident = Incident(
            kind=IncidentKind.INTERCONNECT,
            account=t.account,
            subject=t.name,
            number=t.incident,
            severity=severity(t.after),
            opened_at=t.first_seen_at,
        )
        match t.change:
            case Change.PROBLEM:
                await record.open_incidents([incident])
            case Change.WORSENED:
                await record.worsen_incident(incident.key, incident.severity)
            case Change.RECOVERED:
                await record.close_incidents({incident.key: t.first_seen_at})
            case Change.BASELINE | Change.EASED | Change.UP:
                pass
            case _:
                assert_never(t.change)


def _report(t: Transition) -> None:
    fields = {"account": t.account, "interconnect": t.name, "number": t.number, "change": t.change.value}
    fields |= {"before": t.before, "after": t.after}
    _log.info("transition", extra={"fields": fields})
    if t.after not in KNOWN:
        _log.warning("unknown status word from Cloudflare", extra={"fields": fields})
