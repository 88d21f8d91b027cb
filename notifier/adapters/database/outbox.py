"""Queries on what was promised to the channels (R15, R16)."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows
from notifier.adapters.database.tables import attempts, deliveries, notifications, observations
from notifier.domain.notification import Action, Notification
from notifier.ports import Accepted, Claimed, Outcome, Promise, Settlement

_CAUSE_LENGTH = 500


class SqlOutbox:
    """Keeps `ports.Outbox` on either database."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    async def promise(self, promised: Collection[tuple[Notification, Collection[Promise]]]) -> None:
        """Write notifications, each with its deliveries."""
        if not promised:
            return
        written = await self._conn.execute(
            insert(notifications).returning(notifications.c.id, sort_by_parameter_order=True),
            [rows.from_notification(told) for told, _ in promised],
        )
        values = [
            asdict(promise) | {"notification": row.id, "outcome": Outcome.PENDING, "attempts": 0}
            for row, (_, promises) in zip(written, promised, strict=True)
            for promise in promises
        ]
        if values:
            await self._conn.execute(insert(deliveries), values)

    async def claim(self, channel: str, *, now: datetime, until: datetime, owner: str, limit: int) -> list[Claimed]:
        """Lease deliveries that are due, urgent first, and only the oldest unsettled one of each lane."""
        d, earlier = deliveries, deliveries.alias("earlier")
        blocked = exists().where(
            earlier.c.channel == d.c.channel,
            earlier.c.lane == d.c.lane,
            earlier.c.outcome == Outcome.PENDING,
            earlier.c.id < d.c.id,
        )
        due = (
            select(d.c.id)
            .where(d.c.outcome == Outcome.PENDING, d.c.channel == channel, d.c.due_at <= now)
            .where(or_(d.c.leased_until.is_(None), d.c.leased_until <= now))
            .where(~blocked)
            .order_by(d.c.urgency, d.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        leased = await self._conn.execute(
            update(d)
            .where(d.c.id.in_(due.scalar_subquery()))
            .values(leased_until=until, leased_by=owner, attempts=d.c.attempts + 1)
            .returning(d)
        )
        found = sorted(leased.all(), key=lambda row: (row.urgency, row.id))
        if not found:
            return []
        told = await self._conn.execute(
            select(notifications.c.id, notifications.c.content).where(
                notifications.c.id.in_({row.notification for row in found})
            )
        )
        contents = {row.id: rows.to_notification(row.content) for row in told}
        return [
            Claimed(
                id=row.id,
                attempt=row.attempts,
                notification=contents[row.notification],
                promise=Promise(
                    channel=row.channel,
                    lane=row.lane,
                    action=Action(row.action),
                    urgency=row.urgency,
                    due_at=row.due_at,
                    give_up_at=row.give_up_at,
                ),
            )
            for row in found
        ]

    async def settle(self, settlement: Settlement) -> bool:
        """Write what came of an attempt; False if the lease was lost to another meanwhile."""
        s, d = settlement, deliveries
        accepted = s.answer if isinstance(s.answer, Accepted) else None
        final = s.outcome is not Outcome.PENDING
        values = {
            "outcome": s.outcome,
            "cause": s.cause and s.cause[:_CAUSE_LENGTH],
            "receipt": accepted and accepted.receipt,
            "settled_at": s.ended_at if final else None,
            "leased_until": None,
            "leased_by": None,
        }
        if s.due_at is not None:
            values["due_at"] = s.due_at
        held = await self._conn.execute(
            update(d)
            .where(d.c.id == s.claimed.id, d.c.leased_by == s.owner, d.c.attempts == s.claimed.attempt)
            .values(values)
        )
        if held.rowcount == 0:
            return False
        await self._conn.execute(
            insert(attempts).values(
                delivery=s.claimed.id,
                number=s.claimed.attempt,
                started_at=s.started_at,
                ended_at=s.ended_at,
                outcome=s.outcome,
                code=s.answer.code,
                cause=values["cause"],
            )
        )
        return True

    async def release(self, owner: str | None = None) -> None:
        """Give up leases: an owner's, or everybody's."""
        d = deliveries
        mine = d.c.leased_by.is_not(None) if owner is None else d.c.leased_by == owner
        await self._conn.execute(update(d).where(mine).values(leased_until=None, leased_by=None))

    async def abandon(self, channel: str, cause: str, at: datetime) -> int:
        """Abandon everything pending for a channel that is no more."""
        d = deliveries
        ended = await self._conn.execute(
            update(d)
            .where(d.c.channel == channel, d.c.outcome == Outcome.PENDING)
            .values(outcome=Outcome.ABANDONED, cause=cause, settled_at=at, leased_until=None, leased_by=None)
        )
        return ended.rowcount

    async def waiting_channels(self) -> set[str]:
        """Return the channels for which something is pending."""
        d = deliveries
        found = await self._conn.execute(select(d.c.channel).where(d.c.outcome == Outcome.PENDING).distinct())
        return {row.channel for row in found}

    async def prune(self, *, deliveries_before: datetime, observations_before: datetime) -> None:
        """Forget settled deliveries, with their notifications, and observations older than they are kept."""
        d, n = deliveries, notifications
        unsettled = exists().where(
            d.c.notification == n.c.id,
            or_(
                d.c.outcome == Outcome.PENDING,
                func.coalesce(d.c.settled_at, n.c.recorded_at) >= deliveries_before,
            ),
        )
        await self._conn.execute(delete(n).where(n.c.recorded_at < deliveries_before, ~unsettled))
        await self._conn.execute(delete(observations).where(observations.c.at < observations_before))
