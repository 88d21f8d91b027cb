"""A way to a server that can be cut, so that nobody notices but for the silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Wire:
    """Leads to the server of a URL, at its own `url`, until it is `cut`: then nothing comes through any more."""

    def __init__(self, server_url: str) -> None:
        self._there = urlsplit(server_url)
        self.url = ""
        self._open = asyncio.Event()
        self._open.set()
        self._pipes: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def led(self) -> AsyncIterator["Wire"]:
        """Listen."""
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        address = f"{self._there.netloc.rpartition(':')[0]}:{server.sockets[0].getsockname()[1]}"
        self.url = self._there._replace(netloc=address).geturl()
        try:
            yield self
        finally:
            server.close()
            for pipe in self._pipes:
                pipe.cancel()
            await asyncio.gather(*self._pipes, return_exceptions=True)

    def cut(self) -> None:
        """Let nothing through from now on, in either direction."""
        self._open.clear()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(self._there.hostname, self._there.port)
        for source, sink in ((reader, outer), (inner, writer)):
            self._pipes.add(asyncio.ensure_future(self._pipe(source, sink)))

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._open.wait()
                sink.write(data)
        finally:
            sink.close()
