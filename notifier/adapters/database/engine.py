"""The way to either database, and what each needs to be right under concurrency and kill -9."""

import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from notifier.adapters.database import sqlite
from notifier.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseHeldError,
    DatabaseUnreachableError,
    RefusedByDatabaseError,
)

_BUSY_TIMEOUT_MS = 5_000
_POOL, _READERS = 5, 2
_REFUSALS = (exc.DataError, exc.IntegrityError, exc.ProgrammingError)
_REFUSAL_CLASSES = {"22", "23", "42"}  # of PostgreSQL's codes: data, constraints, statements


def open_engine(url: str) -> AsyncEngine:
    """Make an engine for `sqlite:///PATH` or `postgresql://…`; connects at first use."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql":
            return _postgresql(parsed, _POOL)
        case other:
            raise ConfigurationError([f"database: found {other}://, expected sqlite:///… or postgresql://…"])


def open_reading_engine(url: str) -> AsyncEngine:
    """Make an engine for what people look at: each transaction sees one moment, and can neither write nor lock.

    Its connections are its own: whoever reads, however much, keeps nobody from writing.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, size=_READERS, begin="BEGIN", pragmas=("query_only=ON",))
    engine = _postgresql(parsed, _READERS)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@asynccontextmanager
async def unbounded(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that takes as long as it takes, as a change of the schema may; else like `connection`."""
    if engine.dialect.name == "sqlite":
        async with connection(engine) as conn:
            yield conn
        return
    from notifier.adapters.database import postgresql  # noqa: PLC0415 - as below

    patient = postgresql.open_unbounded(engine.url)
    try:
        async with connection(patient) as conn:
            yield conn
    finally:
        await patient.dispose()


def _postgresql(url: URL, size: int) -> AsyncEngine:
    from notifier.adapters.database import postgresql  # noqa: PLC0415 - five megabytes that SQLite has no need of

    return postgresql.open_engine(url, size)


def _sqlite(
    url: URL, size: int = 1, begin: str = "BEGIN IMMEDIATE", pragmas: Sequence[str] = ("journal_mode=WAL",)
) -> AsyncEngine:
    """One connection: SQLite has one writer, and waiting in line is fairer than its own busy loop."""
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=size,
        max_overflow=0,
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000, "async_creator_fn": sqlite.connect},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: DBAPIConnection, _record: object) -> None:
        # The driver's own BEGIN comes too late to protect a read that a write depends on.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            *pragmas,
            "synchronous=FULL",  # what was promised to a channel must survive a power cut
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


@asynccontextmanager
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction; commits at the end, and says in our words what the database could not do.

    Raises:
        DatabaseUnreachableError: No connection could be had.
        RefusedByDatabaseError: What is written is not to be taken, now or later.
        DatabaseError: Anything else the database can't do.
    """
    try:
        async with engine.connect() as conn:
            try:
                async with conn.begin():
                    yield conn
            except (exc.DBAPIError, OSError, TimeoutError) as error:
                if _is_refusal(error):
                    raise RefusedByDatabaseError(f"the database refused it: {plain(error)}") from error
                raise DatabaseError(f"the database failed: {plain(error)}") from error
    except (exc.SQLAlchemyError, OSError, TimeoutError) as error:
        where = engine.url.render_as_string(hide_password=True)
        raise DatabaseUnreachableError(f"cannot reach the database {where}: {plain(error)}") from error


def _is_refusal(error: BaseException) -> bool:
    code = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return isinstance(error, _REFUSALS) or code[:2] in _REFUSAL_CLASSES


def plain(error: BaseException) -> str:
    """Say a driver's error in one line, without the statement and its values."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    lines = str(original).splitlines()
    return (lines[0] if lines else "") or type(original or error).__name__


class SqliteLock:
    """Holds an SQLite file for one service process; the system lets go of it whatever way the process ends."""

    def __init__(self, url: str) -> None:
        database = make_url(url).database
        self._database = database
        self._path = Path(f"{database}.lock") if database and database != ":memory:" else None
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            DatabaseHeldError: Another process has it.
            DatabaseUnreachableError: The file or its folder can't be written.
        """
        if self._path is None:
            return
        self._require_writable()
        try:
            file = self._path.open("a+")
        except OSError as error:
            raise DatabaseUnreachableError(
                f"cannot write {self._path}: {error.strerror}; give the service a folder it may write"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise DatabaseHeldError(
                f"another notifier (process {holder}) runs on {str(self._path).removesuffix('.lock')}; "
                "stop it first, or use PostgreSQL to run several"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def _require_writable(self) -> None:
        """SQLite would not say which of its files it can't write, and would leave another such file behind."""
        for file in (Path(f"{self._database}{suffix}") for suffix in ("", "-wal", "-shm")):
            if file.exists() and not os.access(file, os.W_OK):
                raise DatabaseUnreachableError(f"cannot write {file}; give the service a file it may write")

    def release(self) -> None:
        """Let go of it; harmless if it isn't held."""
        if self._file is not None:
            self._file.close()
            self._file = None
