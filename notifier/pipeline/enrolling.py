"""Which interconnects are watched: what a listing adds, brings back and takes away (R9)."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from notifier.domain import blindness, words
from notifier.domain.decision import Transition, removed, renewed
from notifier.domain.interconnect import Interconnect
from notifier.domain.listing import Known, Roll, call_roll
from notifier.domain.notification import Notification
from notifier.domain.observation import Cause
from notifier.domain.site import Site
from notifier.domain.state import State, as_of
from notifier.domain.tally import Transitions
from notifier.domain.words import Voice
from notifier.pipeline.announcing import Announcer
from notifier.pipeline.recording import Transactions
from notifier.ports import Clock, UnitOfWork

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The links to watch; `states` are those that begin anew, `removals` the transitions of those that left."""

    links: Sequence[Interconnect]
    states: Mapping[str, State] = field(default_factory=dict)
    removals: Sequence[Transition] = ()


class Enroller:
    """Keeps the roll of one account's interconnects."""

    def __init__(
        self,
        *,
        voice: Voice,
        takes: Callable[[str], bool],
        removed_after: int,
        blind_after: int,
        announcer: Announcer,
        transactions: Transactions,
        clock: Clock,
        tally: Transitions | None = None,
    ) -> None:
        """`takes` says which names are to be watched."""
        self._voice = voice
        self._account = voice.account
        self._takes = takes
        self._removed_after = removed_after
        self._blind_after = blind_after
        self._announcer = announcer
        self._transactions = transactions
        self._clock = clock
        self._tally = tally or Transitions()

    async def listed(self, listed: Collection[Interconnect]) -> Enrolled | None:
        """Record a complete listing; None if it is too empty to be believed yet."""
        enrolled = await self._transactions.do(lambda work: self._listed(work, listed))
        if enrolled is not None:
            self._tally.recorded(enrolled.removals)
        return enrolled

    async def listing_failed(self, cause: Cause) -> None:
        """Record that the account could not be listed."""

        async def write(work: UnitOfWork) -> None:
            now, before = self._clock.now(), await work.watched.view(self._account)
            after = blindness.listing_failed(before, cause, self._blind_after)
            if after != before:
                await work.record.listing(self._account, cause, now)
            await self._announcer.sight(work, before, after, now)

        await self._transactions.do(write)

    async def retire(self, why: str) -> None:
        """End everything of the account: it is watched no more."""

        async def write(work: UnitOfWork) -> None:
            now = self._clock.now()
            known = await work.watched.enrolled(self._account)
            gone = {name: why for name, each in known.items() if each.watched}
            await self._enroll(work, known, Roll(watched=(), returned=(), renewed=(), removed=gone), now)
            before = await work.watched.view(self._account)
            await self._announcer.sight(work, before, blindness.listing_worked(before), now)

        await self._transactions.do(write)

    async def _listed(self, work: UnitOfWork, listed: Collection[Interconnect]) -> Enrolled | None:
        now = self._clock.now()
        known = await work.watched.enrolled(self._account)
        before = await work.watched.view(self._account)
        after, patience = blindness.listing_worked(before), self._removed_after
        if not listed:
            watched = sum(each.watched for each in known.values())
            limits = {"blind_after": self._blind_after, "removed_after": self._removed_after}
            after, believed = blindness.empty_listing(before, watched, **limits)
            patience = 1  # it was waited for already
            if after != before:
                await work.record.listing(self._account, (), now)
            if not believed:
                await self._announcer.sight(work, before, after, now)
                return None
        roll = call_roll(known, listed, takes=self._takes, removed_after=patience)
        if listed and (after != before or _differs(roll, known)):
            await work.record.listing(self._account, listed, now)
        states, gone = await self._enroll(work, known, roll, now)
        await self._announcer.sight(work, before, after, now)
        return Enrolled([link for link, _ in roll.watched], states, gone)

    async def _enroll(
        self, work: UnitOfWork, known: Mapping[str, Known], roll: Roll, now: datetime
    ) -> tuple[dict[str, State], list[Transition]]:
        """Write the roll, and tell who left and who came back; return the states that begin anew, and who left."""
        if _differs(roll, known):
            missing = {link.name: count for link, count in roll.watched}
            await work.watched.save_links(self._account, [link for link, _ in roll.watched], now, missing)
        anew = {*roll.removed, *(link.name for link in (*roll.returned, *roll.renewed))}
        stored = await work.watched.states(self._account, anew) if anew else {}
        after = {name: as_of(state, now) for name, state in stored.items()}
        left = {
            name: removed(after[name], now, last_listed_at=None, why=why)
            for name, why in roll.removed.items()
            if name in after
        }
        after |= {name: state for name, (state, _) in left.items()}
        after |= {link.name: renewed(after[link.name]) for link in roll.renewed if link.name in after}
        await work.watched.save_states(list(after.values()))
        gone = [transition for _, transition in left.values() if transition is not None]
        await self._announcer.removals(work, gone, now)
        links = [known[name].link for name in roll.removed]
        links += [link for link, _ in roll.watched if link.name not in known or not known[link.name].watched]
        names = {link.site for link in links if link.site is not None}
        sites = await work.watched.sites(self._account, names) if names else {}
        told = [*self._left(known, gone, after, sites), *self._came_back(roll, after, sites, now)]
        await self._announcer.membership(work, told, sites, now)
        return {name: replace(state, version=state.version + 1) for name, state in after.items()}, gone

    def _left(
        self,
        known: Mapping[str, Known],
        gone: Sequence[Transition],
        states: Mapping[str, State],
        sites: Mapping[str, Site],
    ) -> Iterator[tuple[Interconnect, State, Notification]]:
        for transition in gone:
            link = known[transition.name].link
            text = words.tell_removed(transition, link, self._voice, site=sites.get(link.site or ""))
            yield link, states[link.name], text
            _log.warning(
                "interconnect removed", extra={"fields": {"interconnect": link.name, "why": transition.reason}}
            )

    def _came_back(
        self, roll: Roll, states: Mapping[str, State], sites: Mapping[str, Site], now: datetime
    ) -> Iterator[tuple[Interconnect, State, Notification]]:
        others = {link.name for link in roll.renewed}
        for link in roll.returned:
            state = states.get(link.name) or State(account=self._account, name=link.name)
            same, site = link.name not in others, sites.get(link.site or "")
            yield link, state, words.tell_returned(link, self._voice, now, same=same, site=site)


def _differs(roll: Roll, known: Mapping[str, Known]) -> bool:
    """Whether anything else is watched than before, or is missing more or less often."""
    before = {name: each for name, each in known.items() if each.watched}
    return {link.name: Known(link=link, missing=missing) for link, missing in roll.watched} != before
