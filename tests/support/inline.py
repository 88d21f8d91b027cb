"""SQLite worked by the event loop's own thread: going to another and back costs more than most statements."""

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Any

import aiosqlite
from aiosqlite.core import set_exception, set_result
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from notifier.adapters.database.sqlite import Connection

_Order = tuple[asyncio.Future[Any] | None, Callable[[], Any]]


class _AtOnce(SimpleQueue[_Order]):
    """Does what is put into it; who waits for that gives way to others, as if a thread did it."""

    def put_nowait(self, item: _Order) -> None:
        future, do = item
        try:
            done = do()
        except sqlite3.Error as error:
            if future is not None:
                future.get_loop().call_soon(set_exception, future, error)
        else:
            if future is not None:
                future.get_loop().call_soon(set_result, future, done)


class InlineConnection(Connection):
    """A connection without a thread."""

    def __init__(self, *where: Any, **how: Any) -> None:
        super().__init__(*where, **how)
        self._tx = _AtOnce()

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._connect().__await__()


def work_inline(engine: AsyncEngine) -> None:
    """Have an engine that has not connected yet make such connections."""

    @event.listens_for(engine.sync_engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, options: dict[str, Any]) -> None:
        options["async_creator_fn"] = InlineConnection
