"""The request budgets beyond this process: shared with other replicas, and remembered by the next process (R32)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from notifier.domain.budget import VALID, Allotment, CommonBudget, RequestBudget
from notifier.errors import DatabaseError
from notifier.ports import Clock, Database

_log = logging.getLogger(__name__)

EVERY = VALID / 2


class Budgeting:
    """Has a share of each credential's budget set aside for this process, and hands back what it did not use.

    What is set aside counts as used, whatever becomes of this process: together all replicas never ask more often than
    the budget allows. `shared` is False where the database is this process's alone: then only a block is kept, for the
    process after it.
    """

    def __init__(
        self,
        *,
        budgets: Mapping[str, RequestBudget],
        wanted: Callable[[str], int],
        shared: bool,
        database: Database,
        clock: Clock,
    ) -> None:
        """`budgets` are by a mark of their credential; `wanted` says how many permits one needs until they end."""
        self._budgets = budgets
        self._wanted = wanted
        self._shared = shared
        self._database = database
        self._clock = clock
        self._kept: dict[str, datetime] = {}
        self._failing = False

    async def begin(self) -> None:
        """Take over what processes before this one left: nothing is asked while Cloudflare does not want it."""
        await self._exchange(list(self._budgets))

    async def tick(self) -> None:
        """Set aside anew what this process will need until the next turn."""
        now = self._clock.now()
        marks = [m for m, b in self._budgets.items() if self._shared or b.blocked_until(now) != self._kept.get(m)]
        if not marks:
            return
        try:
            async with asyncio.timeout(EVERY.total_seconds()):
                await self._exchange(marks)
        except (DatabaseError, TimeoutError) as error:
            if not self._failing:
                cause = str(error) or "the database is slow"
                _log.error("request budget not set aside", extra={"fields": {"cause": cause}})
            self._failing = True
        else:
            self._failing = False

    async def _exchange(self, marks: list[str]) -> None:
        wanted = {mark: self._wanted(mark) + self._budgets[mark].lacked for mark in marks}
        before = {mark: self._budgets[mark].allot(self._nothing()) for mark in marks} if self._shared else {}
        try:
            async with self._database.begin() as work:
                at, common = await work.budgets.held(marks)
                if not self._shared:
                    at = self._clock.now()  # the only clock there is
                written = {
                    mark: self._settled(mark, common[mark], before.get(mark), at, wanted[mark]) for mark in marks
                }
                await work.budgets.save({mark: budget for mark, (budget, _) in written.items()})
        except BaseException:
            for mark, allotment in before.items():
                self._budgets[mark].allot(allotment)
            raise
        for mark, (budget, allotment) in written.items():
            if self._shared:
                self._budgets[mark].allot(allotment)
            self._block(mark, budget, at)

    def _settled(
        self, mark: str, common: CommonBudget, before: Allotment | None, at: datetime, want: int
    ) -> tuple[CommonBudget, Allotment | None]:
        """Hand back what is left, set aside anew, and add our block to the others'."""
        now, budget, common = self._clock.now(), self._budgets[mark], common.as_of(at)
        if (ours := budget.blocked_until(now)) is not None:
            until = at + (ours - now)
            common = replace(common, blocked_until=max(until, common.blocked_until or until))
        if not self._shared:
            return replace(common, taken=((at, 0),)), None  # when it was written
        if before is not None:
            common = common.returned(before.at, before.permits)
        window = budget.per + VALID  # an allotment may be used until it ends
        common, permits = common.allotted(at, want, requests=budget.requests, window=window)
        return common, Allotment(permits=permits, until=now + VALID, at=at)

    def _block(self, mark: str, common: CommonBudget, at: datetime) -> None:
        now = self._clock.now()
        if common.blocked_until is not None and common.blocked_until > at:
            self._budgets[mark].block(now + (common.blocked_until - at))
        until = self._budgets[mark].blocked_until(now)
        if until is not None:
            self._kept[mark] = until
        else:
            self._kept.pop(mark, None)

    def _nothing(self) -> Allotment:
        now = self._clock.now()
        return Allotment(permits=0, until=now, at=now)
