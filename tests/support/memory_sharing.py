"""What several processes share, in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.domain.budget import CommonBudget
from notifier.ports import Replica, Roster
from tests.support.fakes import FakeClock

_LONGEST = timedelta(minutes=5)


@dataclass
class SharingTables:
    """Replicas with when they were seen, leases (owner, fence, end) by account, budgets by credential."""

    replicas: dict[str, tuple[Replica, datetime]] = field(default_factory=dict)
    leases: dict[str, tuple[str | None, int, datetime]] = field(default_factory=dict)
    budgets: dict[str, CommonBudget] = field(default_factory=dict)


class MemoryLeases:
    def __init__(self, tables: SharingTables, clock: FakeClock) -> None:
        self._tables = tables
        self._clock = clock

    async def sign_in(self, replica: Replica, span: timedelta) -> Roster:
        now, tables = self._clock.now(), self._tables
        tables.replicas = {name: (each, min(seen_at, now)) for name, (each, seen_at) in tables.replicas.items()}
        tables.leases = {
            account: (owner, fence, until if until <= now + _LONGEST else now + span)
            for account, (owner, fence, until) in tables.leases.items()
        }
        tables.replicas[replica.name] = (replica, now)
        held = {a: (owner, until) for a, (owner, _, until) in self._tables.leases.items() if owner and until > now}
        others = [until - now for owner, until in held.values() if owner != replica.name]
        return Roster(
            replicas=[each for each, seen_at in self._tables.replicas.values() if seen_at > now - span],
            owners={account: owner for account, (owner, _) in held.items()},
            next_end=min(others, default=None),
        )

    async def sign_out(self, name: str) -> None:
        await self.give_up(name, list(self._tables.leases))
        self._tables.replicas.pop(name, None)

    async def renew(self, owner: str, fences: Mapping[str, int], span: timedelta) -> set[str]:
        kept = {account for account, fence in fences.items() if self._tables.leases[account][:2] == (owner, fence)}
        self._tables.leases |= {account: (owner, fences[account], self._clock.now() + span) for account in kept}
        return kept

    async def take(self, owner: str, accounts: Collection[str], span: timedelta) -> dict[str, int]:
        now, taken = self._clock.now(), {}
        for account in accounts:
            holder, fence, until = self._tables.leases.get(account, (None, 0, now))
            if until <= now or holder == owner:
                taken[account] = fence + 1
                self._tables.leases[account] = (owner, fence + 1, now + span)
        return taken

    async def give_up(self, owner: str, accounts: Collection[str]) -> None:
        for account in accounts:
            holder, fence, _ = self._tables.leases.get(account, (None, 0, self._clock.now()))
            if holder == owner:
                self._tables.leases[account] = (None, fence, self._clock.now())

    async def holds(self, account: str, fence: int) -> bool:
        return account in self._tables.leases and self._tables.leases[account][1] == fence


class MemoryBudgets:
    def __init__(self, tables: SharingTables, clock: FakeClock) -> None:
        self._tables = tables
        self._clock = clock

    async def held(self, credentials: Collection[str]) -> tuple[datetime, dict[str, CommonBudget]]:
        return self._clock.now(), {each: self._tables.budgets.get(each, CommonBudget()) for each in credentials}

    async def save(self, budgets: Mapping[str, CommonBudget]) -> None:
        self._tables.budgets |= budgets
