"""The database's own time: what several processes go by, whose clocks may differ."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from sqlalchemy import Text, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

Moment = Callable[[AsyncConnection], Awaitable[datetime]]


async def server_time(conn: AsyncConnection) -> datetime:
    """Ask the database for the present moment: now, not when the transaction began."""
    if conn.dialect.name == "postgresql":
        found: datetime = (await conn.execute(select(func.clock_timestamp()))).scalar_one()
        return found
    text = await conn.execute(select(func.strftime("%Y-%m-%dT%H:%M:%f", literal("now", Text))))
    return datetime.fromisoformat(text.scalar_one()).replace(tzinfo=UTC)
