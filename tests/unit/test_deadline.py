"""A send's deadline, and a process that was stopped for longer than that."""

import asyncio
import socket
import time

import pytest

from notifier.adapters.channels.deadline import deadline


async def test_what_takes_longer_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with deadline(0.2, reading=0.1):
            await asyncio.sleep(30)
    assert 0.2 <= time.monotonic() - began < 10


async def test_what_is_done_in_time_is_not_disturbed_later() -> None:
    async with deadline(0.2, reading=0.1):
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)


async def test_r15_an_answer_that_came_while_the_process_was_stopped_is_read() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)

    def stop() -> None:
        time.sleep(0.5)
        theirs.send(b"taken\n")

    try:
        async with deadline(0.2, reading=0.1):
            asyncio.get_running_loop().call_soon(stop)
            assert await reader.readline() == b"taken\n"
    finally:
        writer.close()
        theirs.close()
