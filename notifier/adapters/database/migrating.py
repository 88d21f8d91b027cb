"""The way from one schema to another: the only place with Alembic."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from notifier.adapters.database.engine import unbounded

# Any number, as long as every release uses the same one.
_LOCK = 7_420_262_511


async def upgrade(engine: AsyncEngine, target: str = "head") -> None:
    """Bring the schema to the target in one transaction; one process at a time on PostgreSQL."""
    await _step(engine, command.upgrade, target)


async def downgrade(engine: AsyncEngine, target: str = "-1") -> None:
    """Take the schema back, for a release that is taken back."""
    await _step(engine, command.downgrade, target)


async def _step(engine: AsyncEngine, step: Callable[[Config, str], None], target: str) -> None:
    def work(sync: Connection) -> None:
        if sync.dialect.name == "postgresql":
            sync.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = configuration()
        config.attributes["connection"] = sync
        step(config, target)

    async with unbounded(engine) as conn:
        await conn.run_sync(work)


def configuration() -> Config:
    """Point Alembic at the migrations: inside the package when installed, at the top of a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed, checkout = package / "migrations", package.parent / "migrations"
    config = Config()
    where = installed if installed.is_dir() else checkout
    config.set_main_option("script_location", str(where).replace("%", "%%"))
    return config
