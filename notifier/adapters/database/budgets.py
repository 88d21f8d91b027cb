"""Queries on what is set aside of the request budgets (R32)."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.moment import Moment
from notifier.adapters.database.tables import budgets
from notifier.adapters.database.upserting import inserting
from notifier.domain.budget import CommonBudget


class SqlBudgets:
    """Keeps `ports.Budgets` on either database."""

    def __init__(self, conn: AsyncConnection, moment: Moment) -> None:
        self._conn = conn
        self._moment = moment
        self._postgresql = conn.dialect.name == "postgresql"

    async def held(self, credentials: Collection[str]) -> tuple[datetime, dict[str, CommonBudget]]:
        """Return the budgets by credential, held against other writers, and the database's time."""
        new = [{"credential": credential, "taken": []} for credential in sorted(credentials)]
        if new:
            await self._conn.execute(inserting(budgets, postgresql=self._postgresql).on_conflict_do_nothing(), new)
        query = select(budgets).where(budgets.c.credential.in_(list(credentials)))
        # Always in the same order, so that two writers can't wait for each other.
        found = await self._conn.execute(query.order_by(budgets.c.credential).with_for_update())
        return await self._moment(self._conn), {
            row.credential: CommonBudget(
                taken=tuple((datetime.fromisoformat(at), permits) for at, permits in row.taken),
                blocked_until=row.blocked_until,
            )
            for row in found
        }

    async def save(self, common: Mapping[str, CommonBudget]) -> None:
        """Write budgets."""
        rows = [
            {
                "credential": credential,
                "taken": [(at.isoformat(), permits) for at, permits in budget.taken],
                "blocked_until": budget.blocked_until,
            }
            for credential, budget in common.items()
        ]
        if rows:
            writing = inserting(budgets, postgresql=self._postgresql)
            new = {name: writing.excluded[name] for name in ("taken", "blocked_until")}
            await self._conn.execute(writing.on_conflict_do_update(index_elements=["credential"], set_=new), rows)
