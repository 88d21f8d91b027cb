"""What it takes to verify a record that was kept for years: time, memory and room, on PostgreSQL.

`python -m benchmarks.record [--short]`. The rows are made by the server, ten observations to a transition; their
entries are sealed here, as the service does it, and copied.
"""

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
from sqlalchemy import select

from benchmarks.figures import publish
from benchmarks.measuring import is_short
from benchmarks.subjects import postgresql
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.entering import entry_of
from notifier.adapters.database.rows import values
from notifier.adapters.database.verifying import ROWS
from notifier.domain.chain import EntryKind, Head

_ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
_SIZES, _SHORT_SIZES = (10_000, 100_000, 1_000_000), (1_000, 10_000)  # transitions
_EACH = 10_000
_COLUMNS = ("account", "number", "kind", "row", "part", "at", "about", "digest", "hash")
_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)

_OBSERVATIONS = """
INSERT INTO observations (account, name, at, status, reason, answer, answer_hash)
SELECT $1, 'icon-' || n % 100, $2::timestamptz + n * interval '6 s', 'Down', 'no light',
       answer, encode(sha256(answer::bytea), 'hex')
FROM (SELECT n, '{"state":"Down","reason":"no light","n":' || n || '}' AS answer FROM generate_series($3::int, $4) n) s
"""
_TRANSITIONS = """
INSERT INTO transitions
    (account, name, number, change, after, first_seen_at, confirmed_at, sightings, unobserved, answers)
SELECT $1, 'icon-' || n % 100, n / 100 + 1, 'problem', 'Down', $2::timestamptz + n * interval '60 s',
       $2::timestamptz + n * interval '60 s', 2, false, '[]'
FROM generate_series($3::int, $4) n
"""


async def _fill(url: str, database: SqlDatabase, head: Head, since: int, until: int) -> Head:
    """Add transitions of these numbers, each with ten observations; seal them."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_OBSERVATIONS, _ACCOUNT, _BEGAN, since * 10, until * 10 - 1)
        await connection.execute(_TRANSITIONS, _ACCOUNT, _BEGAN, since, until - 1)
        for kind, first in ((EntryKind.OBSERVATION, since * 10), (EntryKind.TRANSITION, since)):
            async for rows in _pieces(database, kind, first):
                sealed = []
                for row in rows:
                    entry = entry_of(kind, row)
                    head = head.sealed(entry)
                    found = {**values(entry), "number": head.number, "hash": head.hash, "kind": str(kind)}
                    sealed.append(tuple(found[column] for column in _COLUMNS))
                await connection.copy_records_to_table("chain", records=sealed, columns=_COLUMNS)
        await connection.execute("DELETE FROM heads")
        stored = values(head)
        await connection.copy_records_to_table("heads", records=[tuple(stored.values())], columns=tuple(stored))
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return head


async def _pieces(database: SqlDatabase, kind: EntryKind, after: int) -> AsyncIterator[Any]:
    table = ROWS[kind]
    async with database.look() as conn:
        while rows := (
            await conn.execute(select(table).where(table.c.id > after).order_by(table.c.id).limit(_EACH))
        ).all():
            yield rows
            after = rows[-1].id


async def measure(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Verify one record as it grows."""
    found, head, filled = [], Head(account=_ACCOUNT), 0
    with postgresql() as server:
        url = server.create_database()
        database = SqlDatabase(url)
        await database.prepare(migrate=True)
        for size in sizes:
            head = await _fill(url, database, head, filled, size)
            filled = size
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began, cpu = time.monotonic(), time.process_time()
            async with database.verify() as record:
                walk = await record.walk(_ACCOUNT)
            assert walk.first is None, walk.first
            async with database.look() as conn:
                room = (await conn.exec_driver_sql("SELECT pg_total_relation_size('chain')")).scalar_one()
            took = time.monotonic() - began
            found.append(
                {
                    "transitions": size,
                    "entries": head.number,
                    "verify_s": round(took, 1),
                    "cpu_us_an_entry": round((time.process_time() - cpu) / head.number * 1e6, 1),
                    "memory_grew_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1),
                    "chain_bytes_an_entry": round(room / head.number),
                }
            )
        await database.close()
    return found


async def main() -> None:
    """Measure, and print it."""
    publish("record", await measure(_SHORT_SIZES if is_short() else _SIZES))


if __name__ == "__main__":
    asyncio.run(main())
