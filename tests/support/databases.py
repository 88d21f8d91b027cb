"""The three databases that one suite runs over."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.ports import Database
from tests.support.memory import MemoryDatabase


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/notifier.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def sql_database(database_url: str) -> AsyncIterator[SqlDatabase]:
    """A migrated database, of each real kind in turn."""
    database = SqlDatabase(database_url)
    await database.prepare(migrate=True)
    yield database
    await database.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database ready for use: the fake and both real ones in turn."""
    if request.param == "memory":
        yield MemoryDatabase()
        return
    url = f"sqlite:///{tmp_path}/notifier.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    real = SqlDatabase(url)
    await real.prepare(migrate=True)
    yield real
    await real.close()
