"""A database that has no room left: nothing half is kept, and it works again when there is room."""

from pathlib import Path

import pytest
from sqlalchemy import text

from notifier.adapters.database.database import SqlDatabase
from notifier.errors import DatabaseError


async def pragma(database: SqlDatabase, statement: str) -> int:
    async with database.begin() as work:
        return int((await work.conn.execute(text(f"PRAGMA {statement}"))).scalar_one())


async def test_a_full_disk_is_a_database_error_in_sqlites_own_words(tmp_path: Path) -> None:
    database = SqlDatabase(f"sqlite:///{tmp_path}/n.db")
    await database.prepare(migrate=True)
    room = await pragma(database, "page_count")
    await pragma(database, f"max_page_count={room}")
    with pytest.raises(DatabaseError, match="database or disk is full"):
        await _fill(database)
    await pragma(database, "max_page_count=1000000")
    assert await _rows(database) == 0
    await _fill(database)
    assert await _rows(database) == 1000
    await database.close()


async def _fill(database: SqlDatabase) -> None:
    async with database.begin() as work:
        await work.conn.execute(text("CREATE TABLE IF NOT EXISTS filler (words TEXT)"))
        await work.conn.execute(text("INSERT INTO filler VALUES (:words)"), [{"words": "x" * 1000}] * 1000)


async def _rows(database: SqlDatabase) -> int:
    async with database.begin() as work:
        if not (await work.conn.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'filler'"))).all():
            return 0
        return int((await work.conn.execute(text("SELECT count(*) FROM filler"))).scalar_one())
