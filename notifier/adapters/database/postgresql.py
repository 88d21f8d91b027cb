"""The way to PostgreSQL, by asyncpg; imported only where that is the database."""

from contextlib import suppress
from typing import Any

import asyncpg
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from notifier.adapters.database.bounds import ANSWER_S, CONNECT_S, FROZEN_MS, GOODBYE_S, STATEMENT_MS
from notifier.errors import ConfigurationError

_BOUNDS = f" SET LOCAL statement_timeout = {STATEMENT_MS}; SET LOCAL idle_in_transaction_session_timeout = {FROZEN_MS};"
# Nothing outlives its transaction on a connection that may be a pooler's (ADR 10): neither asyncpg keeps named
# statements, nor SQLAlchemy.
_UNNAMED = {"timeout": CONNECT_S, "statement_cache_size": 0, "prepared_statement_cache_size": 0}
_OPTIONS = {"host", "ssl"}  # after the ? of a URL


def open_engine(url: URL, size: int) -> AsyncEngine:
    """Make an engine with so many connections."""
    if strangers := sorted(url.query.keys() - _OPTIONS):
        expected = " or ".join(sorted(_OPTIONS))
        raise ConfigurationError([f"database: found the option {', '.join(strangers)}, expected {expected}"])
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args=_UNNAMED | {"command_timeout": ANSWER_S, "connection_class": _Connection},
    )


def open_unbounded(url: URL) -> AsyncEngine:
    """Make an engine, of an engine's own URL, whose statements take as long as they take."""
    return create_async_engine(url, connect_args=_UNNAMED)


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
            options["timeout"] = GOODBYE_S
        done: str = await super().execute(query, *args, **options)
        return done

    async def close(self, *, timeout: float = GOODBYE_S) -> None:  # noqa: ASYNC109 - as its parent
        """Say goodbye, and wait a moment for the server's; whatever comes of it, the connection is closed."""
        with suppress(TimeoutError):
            await super().close(timeout=min(timeout, GOODBYE_S))
