"""The schema's version: what it is, and what it should be."""

from sqlalchemy import column, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncEngine

from notifier.adapters.database.engine import connection
from notifier.adapters.database.tables import HEAD
from notifier.errors import SchemaError

VERSION = table("alembic_version", column("version_num"))


async def current(engine: AsyncEngine) -> str | None:
    """Return the database's version; None for an empty database."""
    async with connection(engine) as conn:
        if not await conn.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        found: str | None = (await conn.execute(select(VERSION.c.version_num))).scalar_one_or_none()
        return found


async def require(engine: AsyncEngine) -> None:
    """Make sure that the schema is this release's.

    Raises:
        SchemaError: It is older, newer or absent; says what to do.
    """
    found = await current(engine)
    if found == HEAD:
        return
    _refuse_newer(found)
    have = f"is {found}" if found else "is empty"
    raise SchemaError(f"the database's schema {have}, this release needs {HEAD}; run: notifier db upgrade")


async def require_known(engine: AsyncEngine) -> None:
    """Make sure that the schema can be brought to this release's.

    Raises:
        SchemaError: It is newer.
    """
    _refuse_newer(await current(engine))


def _refuse_newer(found: str | None) -> None:
    if found is not None and found > HEAD:
        raise SchemaError(
            f"the database's schema {found} is newer than this release knows ({HEAD}); install the newer release"
        )
