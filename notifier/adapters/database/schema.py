"""The schema's version: what it is, what it should be, and the way from one to the other."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from notifier.adapters.database.engine import connection
from notifier.errors import SchemaError

# Any number, as long as every release uses the same one.
_LOCK = 7_420_262_511


def _config() -> Config:
    """Point alembic at the migrations: inside the package when installed, at the top of a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed, checkout = package / "migrations", package.parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(installed if installed.is_dir() else checkout).replace("%", "%%"))
    return config


def head() -> str:
    """Return the version this release works with."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise SchemaError("this installation carries no migrations; install it again")
    return found


async def current(engine: AsyncEngine) -> str | None:
    """Return the database's version; None for an empty database."""
    async with connection(engine) as conn:
        return await conn.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def upgrade(engine: AsyncEngine, target: str = "head") -> None:
    """Bring the schema to the target in one transaction; one process at a time on PostgreSQL."""
    await _run(engine, command.upgrade, target)


async def downgrade(engine: AsyncEngine, target: str = "-1") -> None:
    """Take the schema back; for tests and for a release that is taken back."""
    await _run(engine, command.downgrade, target)


async def _run(engine: AsyncEngine, step: object, target: str) -> None:
    def work(sync: Connection) -> None:
        if sync.dialect.name == "postgresql":
            sync.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = _config()
        config.attributes["connection"] = sync
        (command.upgrade if step is command.upgrade else command.downgrade)(config, target)

    async with connection(engine) as conn:
        await conn.run_sync(work)


async def require(engine: AsyncEngine) -> None:
    """Make sure that the schema is this release's.

    Raises:
        SchemaError: It is older, newer or absent; says what to do.
    """
    found, wanted = await current(engine), head()
    if found == wanted:
        return
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaError(
            f"the database's schema {found} is newer than this release knows ({wanted}); install the newer release"
        )
    have = f"is {found}" if found else "is empty"
    raise SchemaError(f"the database's schema {have}, this release needs {wanted}; run: notifier db upgrade")
