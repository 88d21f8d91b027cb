"""What the database counts, whoever wrote it: two statements."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.tables import deliveries, incidents, notifications
from notifier.domain.incident import IncidentKind
from notifier.domain.status import Severity
from notifier.ports import Counts, Outcome

_OPEN = (
    select(incidents.c.account, incidents.c.kind, incidents.c.severity, func.count().label("number"))
    .where(incidents.c.closed_at.is_(None))
    .group_by(incidents.c.account, incidents.c.kind, incidents.c.severity)
)
_PENDING = (
    select(deliveries.c.channel, func.count().label("number"), func.min(notifications.c.recorded_at).label("since"))
    .join_from(deliveries, notifications, notifications.c.id == deliveries.c.notification)
    .where(deliveries.c.outcome == Outcome.PENDING)
    .group_by(deliveries.c.channel)
)


async def count(conn: AsyncConnection) -> Counts:
    """Count what is open and what waits."""
    return Counts(
        incidents={
            (row.account, IncidentKind(row.kind), Severity(row.severity)): row.number
            for row in await conn.execute(_OPEN)
        },
        pending={row.channel: (row.number, row.since) for row in await conn.execute(_PENDING)},
    )
