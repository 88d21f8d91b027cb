"""Queries on drills: which are on, and what came of their messages."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.tables import deliveries, drills
from notifier.domain.drill import is_drill
from notifier.domain.incident import number_in
from notifier.ports import Configured, Drill, Fate, Outcome


class SqlDrills:
    """Keeps `ports.Drills` on either database."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    async def add(self, drill: Drill) -> None:
        """Write a new drill."""
        await self._conn.execute(insert(drills).values(_values(drill)))

    async def save(self, drill: Drill) -> None:
        """Write how a drill stands."""
        await self._conn.execute(update(drills).where(drills.c.number == drill.number).values(_values(drill)))

    async def drill(self, number: int) -> Drill | None:
        """Return a drill."""
        row = (await self._conn.execute(select(drills).where(drills.c.number == number))).one_or_none()
        return None if row is None else _drill(row)

    async def unfinished(self) -> list[Drill]:
        """Return the drills that have not ended, the oldest first."""
        query = select(drills).where(drills.c.ended_at.is_(None)).order_by(drills.c.number)
        return [_drill(row) for row in await self._conn.execute(query)]

    async def fates(self, notification: int | None) -> dict[str, Fate]:
        """Return what came of a notification, by channel."""
        d = deliveries.c
        query = select(d.channel, d.outcome, d.settled_at, d.cause, d.uncertain).where(d.notification == notification)
        return {
            row.channel: Fate(
                outcome=Outcome(row.outcome), settled_at=row.settled_at, cause=row.cause, uncertain=row.uncertain
            )
            for row in await self._conn.execute(query)
        }

    async def over(self, keys: Collection[str]) -> set[str]:
        """Return which of these are keys of drills whose recovery was promised."""
        numbers = {number_in(key): key for key in keys if is_drill(key)}
        if not numbers:
            return set()
        c = drills.c
        query = select(c.number).where(c.number.in_(numbers), c.recovered_at.is_not(None))
        return {numbers[number] for number in await self._conn.scalars(query)}

    async def bring_back(self, now: datetime) -> None:
        """Bring back to `now` what a clock that was ahead has begun."""
        for at in (drills.c.begun_at, drills.c.recovered_at):
            await self._conn.execute(update(drills).where(drills.c.ended_at.is_(None), at > now).values({at.name: now}))

    async def prune(self, before: datetime) -> None:
        """Forget drills that ended before then."""
        await self._conn.execute(delete(drills).where(drills.c.ended_at < before))


def _values(drill: Drill) -> dict[str, Any]:
    return {
        "number": drill.number,
        "scheduled": drill.scheduled,
        "channels": {name: asdict(each) for name, each in drill.channels.items()},
        "within_ms": drill.within // timedelta(milliseconds=1),
        "begun_at": drill.begun_at,
        "problem": drill.problem,
        "recovered_at": drill.recovered_at,
        "recovery": drill.recovery,
        "ended_at": drill.ended_at,
    }


def _drill(row: Row[Any]) -> Drill:
    return Drill(
        number=row.number,
        scheduled=row.scheduled,
        channels={name: Configured(**each) for name, each in row.channels.items()},
        within=timedelta(milliseconds=row.within_ms),
        begun_at=row.begun_at,
        problem=row.problem,
        recovered_at=row.recovered_at,
        recovery=row.recovery,
        ended_at=row.ended_at,
    )
