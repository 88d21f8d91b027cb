"""The three databases that one suite runs over."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.ports import Database
from tests.support.fakes import FakeClock
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


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "postgresql"])
async def shared_database(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Database]:
    """A database that several processes may share, whose time is that of `clock`: the fake and PostgreSQL in turn."""
    if request.param == "memory":
        yield MemoryDatabase(clock)
        return

    async def moment(_connection: object) -> datetime:
        return clock.now()

    real = SqlDatabase(request.getfixturevalue("postgres_url"), moment)
    await real.prepare(migrate=True)
    yield real
    await real.close()


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
