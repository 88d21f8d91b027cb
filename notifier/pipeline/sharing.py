"""Step 0, where several processes share one database: which accounts are ours to watch (R29)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from notifier.domain.sharing import spread
from notifier.errors import DatabaseError, LeaseLostError
from notifier.pipeline.lease import Lease
from notifier.ports import Clock, Configured, Database, Replica, Roster

_log = logging.getLogger(__name__)

_RENEWALS = 3  # in the time of a lease: two may fail
_LEAD = timedelta(milliseconds=100)  # after another's lease has ended


class Watching(Protocol):
    """One account, as this process watches it or not."""

    @property
    def lease(self) -> Lease:
        """Its lease."""
        ...

    @property
    def links(self) -> int:
        """How many links are watched."""
        ...

    async def begin(self) -> None:
        """Watch it from now on, going on from what the database holds."""
        ...

    async def end(self) -> None:
        """Watch it no more; what is in flight is recorded first, unless the lease is lost."""
        ...


class Sharing:
    """Keeps the leases of this process: its even share of all accounts, and no longer than it can renew them.

    `settled_at` is when the accounts were last shared out, and all that is ours was under watch.
    """

    def __init__(
        self,
        *,
        name: str,
        watches: Mapping[str, Watching],
        channels: Mapping[str, Configured],
        database: Database,
        clock: Clock,
        span: timedelta,
        seen: Callable[[Mapping[str, int]], Awaitable[None]],
        review: Callable[[], Awaitable[None]],
    ) -> None:
        """`watches` are by account, `channels` by name; `span` is how long a lease lasts.

        `seen` is told, whenever the roster was read, how many links are watched in each account by whoever it is;
        `review` is done before what was taken is watched: the clock of who held it may have been another (R7).
        """
        self._name = name
        self._watches = watches
        self._channels = channels
        self._database = database
        self._clock = clock
        self._span = span
        self._seen = seen
        self._review = review
        self._begun: set[str] = set()
        self._due_at: datetime | None = None
        self._failing = False
        self.settled_at: datetime | None = None

    async def begin(self) -> Sequence[Replica]:
        """Sign in, and return the other replicas that live; leases of accounts that we know no more are given up."""
        async with self._database.begin() as work:
            roster = await work.leases.sign_in(self._replica(), self._span)
            strangers = {account for account, owner in roster.owners.items() if owner == self._name}
            await work.leases.give_up(self._name, strangers - self._watches.keys())
        return [replica for replica in roster.replicas if replica.name != self._name]

    async def tick(self) -> None:
        """Renew what we hold, take what is ours by now, and leave what is another's, if it is time to."""
        now = self._clock.now()
        if self._due_at is not None and now < self._due_at:
            return
        try:
            async with asyncio.timeout((self._span / _RENEWALS).total_seconds()):
                roster, kept, taken = await self._agree()
        except (DatabaseError, TimeoutError) as error:
            self._complain(error)
            self._due_at = now + self._span / _RENEWALS / 5
            return
        self._failing = False
        self._due_at = now + min(filter(None, (self._span / _RENEWALS, roster.next_end and roster.next_end + _LEAD)))
        await self._lose(self._held() - kept)
        for account, fence in taken.items():
            self._watches[account].lease.fence = fence
        for account in {*kept, *taken}:
            self._watches[account].lease.until = now + self._span
        await self._take_up(taken)
        await self._share(roster, kept)
        await self._seen(_links(roster.replicas))
        if self._held() <= self._begun:
            self.settled_at = now

    async def leave(self) -> None:
        """Give everything up, at the end."""
        async with self._database.begin() as work:
            await work.leases.sign_out(self._name)

    def _held(self) -> set[str]:
        return {account for account, watch in self._watches.items() if watch.lease.fence}

    def _replica(self) -> Replica:
        links = {account: watch.links for account, watch in self._watches.items()}
        return Replica(name=self._name, accounts=links, channels=self._channels)

    async def _agree(self) -> tuple[Roster, set[str], dict[str, int]]:
        """Do it in one transaction: the roster, what we still hold, and what we have just taken."""
        fences = {account: watch.lease.fence or 0 for account, watch in self._watches.items() if watch.lease.fence}
        async with self._database.begin() as work:
            kept = await work.leases.renew(self._name, fences, self._span)
            roster = await work.leases.sign_in(self._replica(), self._span)
            taken = await work.leases.take(self._name, self._mine(roster) - kept, self._span)
        return roster, kept, taken

    def _mine(self, roster: Roster) -> set[str]:
        return {account for account, owner in spread(_able(roster), roster.owners).items() if owner == self._name}

    async def _lose(self, accounts: Collection[str]) -> None:
        """Stop watching what another watches by now."""
        for account in sorted(accounts):
            _log.warning("account lost", extra={"fields": self._fields(account)})
            self._watches[account].lease.drop()
            self._begun.discard(account)
            await self._watches[account].end()

    async def _take_up(self, taken: Mapping[str, int]) -> None:
        """Begin to watch what we hold; what the database hinders is done at the next turn."""
        to_begin = sorted(self._held() - self._begun)
        try:
            if to_begin:
                await self._review()
            for account in to_begin:
                await self._watches[account].begin()
                self._begun.add(account)
                if account in taken:
                    _log.info("account taken", extra={"fields": self._fields(account)})
        except (DatabaseError, LeaseLostError) as error:
            self._complain(error)
            self._due_at = None

    async def _share(self, roster: Roster, kept: Collection[str]) -> None:
        """Leave to others what is theirs: end it in good order, and only then free it."""
        ours = self._mine(roster)
        wanted = {account for accounts in _able(roster).values() for account in accounts}
        leaving = sorted((wanted & set(kept)) - ours)
        if not leaving:
            return
        await asyncio.gather(*(self._watches[account].end() for account in leaving))
        for account in leaving:
            _log.info("account given up", extra={"fields": self._fields(account)})
            self._watches[account].lease.drop()
            self._begun.discard(account)
        try:
            async with self._database.begin() as work:
                await work.leases.give_up(self._name, leaving)
        except DatabaseError as error:
            self._complain(error)  # the leases run out by themselves

    def _fields(self, account: str) -> dict[str, object]:
        return {"account": account, "fence": self._watches[account].lease.fence, "owner": self._name}

    def _complain(self, error: Exception) -> None:
        if not self._failing:
            cause = str(error) or "the database is slow"
            _log.error("leases not renewed", extra={"fields": {"cause": cause}})
        self._failing = True


def _able(roster: Roster) -> dict[str, Mapping[str, int]]:
    return {replica.name: replica.accounts for replica in roster.replicas if not replica.outgrown}


def _links(replicas: Sequence[Replica]) -> dict[str, int]:
    found: dict[str, int] = {}
    for replica in replicas:
        for account, links in replica.accounts.items():
            found[account] = max(links, found.get(account, 0))
    return found
