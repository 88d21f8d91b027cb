"""A database that has its troubles."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from notifier.errors import DatabaseError
from notifier.ports import Database, UnitOfWork


class Unreliable:
    """Keeps `ports.Database`: while it has a trouble, nothing is written; it may also come after the commit.

    While it is `slow` nobody gets in.
    """

    def __init__(self, real: Database) -> None:
        self._real = real
        self.trouble: DatabaseError | None = None
        self.too_late = False
        self.slow: asyncio.Event | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        if self.slow is not None:
            await self.slow.wait()
        if self.trouble is not None and not self.too_late:
            raise self.trouble
        async with self._real.begin() as work:
            yield work
        if self.trouble is not None:
            raise self.trouble
