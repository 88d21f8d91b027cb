"""uvicorn as a guest: in the service's loop, with its socket, its log, its signals."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_CONNECTIONS, _SHARE = 600, 0.6  # at once, and of all files there may be: the rest is needed for what matters more
_REQUEST_S = 10  # to send a request; uvicorn itself would wait for ever
_READ_S = 20  # to read some of an answer; so would it here
_GRACE_S = 1  # for answers under way at the end


class Application(Protocol):
    """What is served."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...

    def close(self) -> None:
        """End what would never end by itself."""
        ...


class WebServer:
    """Serves an application on a socket that listens already."""

    def __init__(self, app: Application, listening: socket.socket, *, connections: int | None = None) -> None:
        """At most so many `connections` are held open; by default as many as the files of this process allow."""
        self._app = app
        self.listening = listening
        self._serving = False
        most = connections or _affordable()
        self._server = _Guest(
            uvicorn.Config(
                app,
                http=type("_Bounded", (_Impatient,), {"most": most}),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",  # below that it tells of each request that is none
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.server_state.connections)

    async def serve(self) -> None:
        """Answer until told to stop."""
        self._serving = True
        await self._server.serve(sockets=[self.listening])

    def stop(self) -> None:
        """Take no more requests, and end within 2 s."""
        self._app.close()
        self._server.end()
        if not self._serving:
            self.listening.close()


class _Guest(uvicorn.Server):
    """Leaves signals to the service, and the processor alone: uvicorn would look ten times a second if it is over."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._over = asyncio.Event()

    def end(self) -> None:
        """Take no more requests."""
        self.should_exit = True
        self._over.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # sets the date that answers bear
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), timeout=1)


class _Impatient(H11Protocol):
    """Waits only so long for a request, or for an answer to be read, and on so many connections."""

    most = _CONNECTIONS
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent
        super().connection_made(transport)
        self._await_request()
        if len(self.connections) > self.most:
            transport.abort()

    def on_response_complete(self) -> None:
        self._deadline.cancel()
        self._await_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._is_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(_READ_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()

    def shutdown(self) -> None:
        super().shutdown()
        if self._unread is not None:
            self.transport.abort()  # who does not read would hold up the end

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(_REQUEST_S, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]  # None before the first
            self.transport.abort()


def _affordable() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(_CONNECTIONS, int(soft * _SHARE)))
