"""Blocking work in threads of a channel's own: a stuck one delays no other channel and no exit (R26)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Generic, TypeVar

_T = TypeVar("_T")

AT_ONCE = 8  # threads of one channel; a stuck one keeps its place


class Threads(Generic[_T]):
    """At most `AT_ONCE` daemon threads; the interpreter does not wait for them when it ends."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do `work` in a thread and return what it returns; when cancelled, the thread is left to itself."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[_T] = loop.create_future()

        def settle(result: _T | None, error: Exception | None) -> None:
            self._places.release()
            if outcome.done():
                return
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

        def body() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as raised:  # noqa: BLE001 - carried to whoever awaits
                error = raised
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(settle, result, error)

        Thread(target=body, daemon=True, name="channel").start()
        return await outcome
