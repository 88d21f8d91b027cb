"""The way to either database, and what each needs to be right under concurrency and kill -9."""

import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any

import asyncpg
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
_CONNECT_TIMEOUT_S = 5
_ANSWER_TIMEOUT_S = 30
_GOODBYE_S = 0.5  # from each connection, one after the other: a stop must not wait for a server that says nothing
_STATEMENT_MS = 25_000  # the server gives up first: it knows better what it is doing
FROZEN_MS = 15_000  # without a statement within a transaction; the network is never used inside one
_BOUNDS = (
    f" SET LOCAL statement_timeout = {_STATEMENT_MS}; SET LOCAL idle_in_transaction_session_timeout = {FROZEN_MS};"
)
_POOL, _READERS = 5, 2
# Nothing outlives its transaction on a connection that may be a pooler's (ADR 10): neither asyncpg keeps named
# statements, nor SQLAlchemy.
_UNNAMED = {"timeout": _CONNECT_TIMEOUT_S, "statement_cache_size": 0, "prepared_statement_cache_size": 0}
_REFUSALS = (exc.DataError, exc.IntegrityError, exc.ProgrammingError)
_REFUSAL_CLASSES = {"22", "23", "42"}  # of PostgreSQL's codes: data, constraints, statements
_OPTIONS = {"host", "ssl"}  # after the ? of a postgresql:// URL


def open_engine(url: str) -> AsyncEngine:
    """Make an engine for `sqlite:///PATH` or `postgresql://…`; connects at first use."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql":
            if strangers := sorted(parsed.query.keys() - _OPTIONS):
                expected = " or ".join(sorted(_OPTIONS))
                raise ConfigurationError([f"database: found the option {', '.join(strangers)}, expected {expected}"])
            return _postgresql(parsed)
        case other:
            raise ConfigurationError([f"database: found {other}://, expected sqlite:///… or postgresql://…"])


def open_reading_engine(url: str) -> AsyncEngine:
    """Make an engine for what people look at: each transaction sees one moment, and can neither write nor lock.

    Its connections are its own: whoever reads, however much, keeps nobody from writing.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, size=_READERS, begin="BEGIN", pragmas=("query_only=ON",))
    engine = _postgresql(parsed, size=_READERS)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Sets bounds to each transaction as it begins, in the same breath.

    A process that freezes in a transaction loses it, with the locks that others wait for. Bounds set for a session
    would, behind a pooler, be another client's with the next transaction; some poolers refuse those that are asked
    for while connecting.
    """

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """Run a statement; one that ends a transaction in vain is waited for no longer than a goodbye."""
        if query.startswith("BEGIN"):
            query += _BOUNDS
        elif query.startswith("ROLLBACK"):
            options["timeout"] = _GOODBYE_S
        done: str = await super().execute(query, *args, **options)
        return done

    async def close(self, *, timeout: float = _GOODBYE_S) -> None:  # noqa: ASYNC109 - as its parent
        """Say goodbye, and wait a moment for the server's; whatever comes of it, the connection is closed."""
        with suppress(TimeoutError):
            await super().close(timeout=min(timeout, _GOODBYE_S))


def _postgresql(url: URL, size: int = _POOL) -> AsyncEngine:
    bounds = {"command_timeout": _ANSWER_TIMEOUT_S, "connection_class": _Connection}
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args=_UNNAMED | bounds,
    )


@asynccontextmanager
async def unbounded(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that takes as long as it takes, as a change of the schema may; else like `connection`."""
    if engine.dialect.name == "sqlite":
        async with connection(engine) as conn:
            yield conn
        return
    patient = create_async_engine(engine.url, connect_args=_UNNAMED)
    try:
        async with connection(patient) as conn:
            yield conn
    finally:
        await patient.dispose()


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
