"""Step 3: one transaction: decide + state + transition + incident + what each channel is owed (R12)."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from notifier.domain.decision import Decision, Gap, Policy, Transition, calm, decide
from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import Observation
from notifier.domain.state import State, as_of
from notifier.domain.tally import Transitions
from notifier.errors import ConflictError, DatabaseError, LeaseLostError
from notifier.pipeline.announcing import Announcer, Step
from notifier.pipeline.lease import Lease
from notifier.ports import Clock, Database, Due, Look, UnitOfWork

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_TRIES = 5  # a conflict means that somebody else got on; five in a row means something is wrong
_WORTH = timedelta(seconds=5)  # a line: what is less, the clocks of two machines may be apart


@dataclass(slots=True)
class _Batch:
    """What a batch of observations makes of its links, gathered before it is written."""

    looks: list[Look] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def add(self, seen: Observation, before: State, decision: Decision) -> None:
        if decision.notable:
            self.looks.append(Look(seen, before.last_seen_at))
        if decision.transition is not None:
            step = Step(transition=decision.transition, state=decision.state, began_to_flap=decision.flapping_began)
            self.steps.append(step)
        if decision.gap is not None:
            self.gaps.append(decision.gap)


class Transactions:
    """Units of work of one account: alone with its ledger, done again if another got there first (R14)."""

    def __init__(self, account: str, database: Database, committed: Callable[[], None], lease: Lease) -> None:
        """`committed` is called after each transaction; nothing is written if the `lease` is another's by now."""
        self._account = account
        self._database = database
        self._committed = committed
        self._lease = lease

    async def do(self, write: Callable[[UnitOfWork], Awaitable[_T]]) -> _T:
        """Do it in one transaction; who loses a race reads again and decides again.

        Raises:
            LeaseLostError: Another process watches the account.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self._database.begin() as work:
                    await self._require_lease(work)
                    await work.ledger.lock(self._account)
                    result = await write(work)
            except ConflictError:
                if not tries_left:
                    raise
            else:
                break
        self._committed()
        return result

    async def _require_lease(self, work: UnitOfWork) -> None:
        fence = self._lease.fence
        if fence is not None and not await work.leases.holds(self._account, fence):
            raise LeaseLostError(f"another process watches {self._account}")


class Recorder:
    """Records what was observed of one account."""

    def __init__(
        self,
        *,
        account: str,
        database: Database,
        policy: Policy,
        announcer: Announcer,
        transactions: Transactions,
        clock: Clock,
        tally: Transitions | None = None,
    ) -> None:
        self._account = account
        self._database = database
        self.policy = policy
        self._announcer = announcer
        self._transactions = transactions
        self._clock = clock
        self._tally = tally or Transitions()

    def expect(self, interval: timedelta) -> None:
        """Expect polls this far apart: only a longer silence is a gap (R11)."""
        self.policy = replace(self.policy, gap_after=self.policy.blind_after * interval)

    async def known(self) -> tuple[list[Interconnect], dict[str, State]]:
        """Return the watched links, and their states where there are any, as they are stored.

        What a clock that was ahead has put into the future is brought back to the present first (R7).
        """
        return await self._transactions.do(self._known)

    async def seen(self, seen: Mapping[str, datetime]) -> None:
        """Write when unchanged links were last seen: one statement, whatever their number."""
        async with self._database.begin() as work:
            await work.watched.mark_seen(self._account, seen)

    async def record(self, observations: Sequence[Observation]) -> dict[str, State]:
        """Record observations, each link's in the order of their time; return the states they lead to.

        Raises:
            DatabaseError: Nothing was recorded; the next polls will show the same again (R7).
        """
        states, transitions = await self._transactions.do(lambda work: self._record(work, observations))
        self._tally.recorded(transitions)
        return states

    async def calm(self) -> None:
        """End the flapping of links that have not changed for long enough (R10)."""
        try:
            async with self._database.begin() as work:
                if not await work.watched.flapping(self._account):
                    return
            await self._transactions.do(self._calm)
        except DatabaseError as error:
            _log.error("end of flapping not recorded", extra={"fields": {"cause": str(error)}})

    async def _known(self, work: UnitOfWork) -> tuple[list[Interconnect], dict[str, State]]:
        now = self._clock.now()
        links = await work.watched.links(self._account)
        states = await work.watched.states(self._account, links)
        present = {name: brought for name, state in states.items() if (brought := as_of(state, now)) != state}
        await work.watched.save_states(list(present.values()))
        view = await work.watched.view(self._account)
        if view.since is not None and view.since > now:
            await work.watched.save_view(replace(view, since=now))
        self._report_ahead([states[name] for name in present], now)
        return list(links.values()), states | {name: _stored(state) for name, state in present.items()}

    def _report_ahead(self, states: Iterable[State], now: datetime) -> None:
        by = max((at - now for state in states for at in (state.observed_at, state.last_seen_at) if at), default=_WORTH)
        if by > _WORTH:
            _log.warning("stored times lay in the future", extra={"fields": {"account": self._account, "by": by}})

    async def _record(
        self, work: UnitOfWork, observations: Sequence[Observation]
    ) -> tuple[dict[str, State], list[Transition]]:
        names = {seen.name for seen in observations}
        stored = await work.watched.states(self._account, names)
        before = {name: stored.get(name) or State(account=self._account, name=name) for name in names}
        after, batch = dict(before), _Batch()
        for seen in observations:
            decision = decide(after[seen.name], seen, self.policy)
            batch.add(seen, after[seen.name], decision)
            after[seen.name] = decision.state
        now = self._clock.now()
        changed = {look.observation.name for look in batch.looks}
        await work.watched.save_states([after[name] for name in changed])
        await work.record.observations(batch.looks, now)
        await work.record.gaps(batch.gaps)
        await self._announcer.transitions(work, batch.steps, now)
        if any(before[name].blind != after[name].blind for name in changed):
            view = await work.watched.view(self._account)
            await self._announcer.sight(work, view, view, now)
        states = {name: _stored(after[name]) if name in changed else after[name] for name in names}
        return states, [step.transition for step in batch.steps]

    async def _calm(self, work: UnitOfWork) -> None:
        now = self._clock.now()
        links = await work.watched.links(self._account)
        for before in await work.watched.flapping(self._account):
            after = calm(before, now, self.policy)
            link = links.get(before.name)
            if after is None or link is None:
                continue
            await work.watched.save_states([after])
            await self._announcer.calm(work, before, after, link, now)
            await work.record.came_to(self._account, Due.CALM, now)


def _stored(state: State) -> State:
    return replace(state, version=state.version + 1)
