"""A real server on loopback that answers as a test tells it to, and the client that asks it."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import RawTestServer

from notifier.adapters.cloudflare import CloudflareApi, Credential, Token
from notifier.domain.budget import RequestBudget

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
SECRET = "cfat_0123456789abcdefghijklmnopqrstuvwxyzABCD"
TOKEN = Token(SECRET)

FIXTURES = Path(__file__).parent.parent / "fixtures" / "cloudflare"
MANIFEST: dict[str, dict[str, Any]] = {
    entry["file"]: entry for entry in json.loads((FIXTURES / "manifest.json").read_text())
}

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def replay(file: str) -> Answer:
    """Answer with a recorded body, its status and its headers."""
    entry = MANIFEST[file]
    return say(entry["http_status"], (FIXTURES / file).read_bytes(), **entry["headers"])


def say(status: int, body: bytes | str | dict[str, Any] = b"", **headers: str) -> Answer:
    """Answer with this body; `retry_after="5"` is a header like any other."""
    data = json.dumps(body) if isinstance(body, dict) else body
    raw = data.encode() if isinstance(data, str) else data
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=raw, headers=named)

    return answer


async def drop(request: web.BaseRequest) -> web.StreamResponse:
    """Break the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@dataclass
class Server:
    """Gives the answers in turn, the last one for ever."""

    answers: list[Answer]
    url: str = ""
    requests: list[web.BaseRequest] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    _transports: list[object] = field(default_factory=list)  # kept, so that no id is given twice

    @property
    def paths(self) -> list[str]:
        """The request targets as they came over the wire."""
        return [request.raw_path for request in self.requests]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        self._transports.append(request.transport)
        self.connections.add(id(request.transport))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@asynccontextmanager
async def serving(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run a server on a free port of loopback."""
    server = Server(list(answers))
    running = RawTestServer(server.handle, host="127.0.0.1")
    await running.start_server(ssl=tls)
    async with running:
        server.url = str(running.make_url("/client/v4"))
        yield server


@dataclass
class SetClock:
    """A clock that stands until it is moved."""

    at: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@asynccontextmanager
async def asking(
    url: str,
    *,
    credential: Credential = TOKEN,
    timeout: timedelta = timedelta(seconds=5),  # noqa: ASYNC109 -- a setting of the client, not of this call
    budget: RequestBudget | None = None,
    clock: SetClock | None = None,
) -> AsyncIterator[CloudflareApi]:
    """Make the client of one account and let go of it."""
    api = CloudflareApi(
        account=ACCOUNT,
        url=url,
        credential=credential,
        timeout=timeout,
        budget=budget or RequestBudget(1000, timedelta(minutes=5)),
        clock=clock or SetClock(),
    )
    try:
        yield api
    finally:
        await api.close()
