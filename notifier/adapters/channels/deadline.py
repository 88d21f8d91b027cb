"""How long a whole send may take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

DEADLINE_S = 20  # however slowly the receiver drips
_READING_S = 1  # of it


@asynccontextmanager
async def deadline(seconds: float = DEADLINE_S, reading: float = _READING_S) -> AsyncIterator[None]:
    """Do as asyncio.timeout does, but read what came while this process was stopped (R15).

    The last `reading` seconds begin when the loop runs again: a receiver that took the message meanwhile is heard
    before it is sent the same again.

    Raises:
        TimeoutError: It took longer.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        last = loop.call_later(seconds - reading, lambda: limit.reschedule(loop.time() + reading))
        try:
            yield
        finally:
            last.cancel()
