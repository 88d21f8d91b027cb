"""aiosqlite with one trip to its thread for each statement, where it takes four: cursor, statement, rows, end.

The thread may outlive the loop that asked, and closes what it opened.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Self

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL, set_exception, set_result

_CHUNK = 64  # rows; aiosqlite's own, for what is not used here


async def connect(*where: Any, **how: Any) -> "Connection":
    """Open a database file as sqlite3.connect does."""
    connection = Connection(*where, **how)
    await connection
    return connection


class Connection(aiosqlite.Connection):
    """Of aiosqlite's, what SQLAlchemy calls; the thread does everything in the order in which it was asked."""

    def __init__(self, *where: Any, **how: Any) -> None:
        super().__init__(partial(self._open, *where, **how), _CHUNK)
        self._thread = Thread(target=self._work, daemon=True)
        self._opened: sqlite3.Connection | None = None  # who asked for it may be gone before it is there
        self._touched = False  # since the last commit or rollback, even if who asked did not wait for the answer

    def cursor(self) -> "_Cursor":  # type: ignore[override]  # aiosqlite's has to be waited for
        """Return a cursor, without asking the thread for one."""
        return _Cursor(self)

    async def commit(self) -> None:
        """Commit."""
        await super().commit()
        self._touched = False

    async def rollback(self) -> None:
        """Roll back, if there is anything: the pool asks for it after each commit."""
        if self._touched:
            await super().rollback()
            self._touched = False

    async def run(self, statement: Any, parameters: Any, *, many: bool) -> tuple[Any, list[Any], int, int | None]:
        """Execute a statement; return its description, all its rows, their count and the last id."""

        def execute() -> tuple[Any, list[Any], int, int | None]:
            cursor = self._conn.cursor()
            try:
                (cursor.executemany if many else cursor.execute)(statement, parameters)
                found = cursor.fetchall() if cursor.description else []
                return cursor.description, found, cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        self._touched = True
        return await self._execute(execute)  # type: ignore[no-untyped-call,no-any-return]

    def _open(self, *where: Any, **how: Any) -> sqlite3.Connection:
        self._opened = sqlite3.connect(*where, **how)
        return self._opened

    def _work(self) -> None:
        """Do what is asked for, in order, until the end; where a loop is closed by then, nobody is to be answered."""
        done: Any = None
        while done is not _STOP_RUNNING_SENTINEL:
            asking, do = self._tx.get()
            answer: Callable[[asyncio.Future[Any], Any], None] = set_result
            try:
                done = do()
            except BaseException as error:  # noqa: BLE001 - it is for who asked
                answer, done = set_exception, error
            if asking is not None:
                with suppress(RuntimeError):
                    asking.get_loop().call_soon_threadsafe(answer, asking, done)
        if self._opened is not None:
            self._opened.close()


class _Cursor:
    """Holds what a statement gave; there is nothing left to fetch or to close."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> "_Cursor":
        await self._run(statement, parameters, many=False)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> "_Cursor":
        await self._run(statement, parameters, many=True)
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    async def _run(self, statement: str, parameters: Any, *, many: bool) -> None:
        found = await self._connection.run(statement, parameters, many=many)
        self.description, self._rows, self.rowcount, self.lastrowid = found
