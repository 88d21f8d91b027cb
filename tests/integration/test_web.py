"""What is answered over HTTP, and to whom for how long, over real sockets."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import httpx
import pytest

from notifier.adapters.listening import address, bind
from notifier.adapters.web import App, WebServer
from notifier.domain.health import Vital
from notifier.errors import ListenError
from tests.support.asked import backing

FINE = {"loop": "ok", "database": "ok", "leases": "ok", "polls": "ok", "deliveries": "ok", "audit": "ok"}


class Asked:
    """A server on a free port of loopback, and what it says."""

    def __init__(self) -> None:
        self.ailing: dict[Vital, str] = {}
        self.asked_in: set[int] = set()
        app = App(backing(ailments=self._ailments))
        bound = bind("127.0.0.1", 0)
        self.server, self.address = WebServer(app, bound, connections=100), address(bound)
        self.port = int(self.address.rpartition(":")[2])

    def _ailments(self) -> dict[Vital, str]:
        self.asked_in.add(threading.get_ident())
        return self.ailing

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(base_url=f"http://{self.address}") as client:
            tasks.create_task(self.server.serve())
            try:
                yield client
            finally:
                self.server.stop()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@contextmanager
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged meanwhile that the service's log would show."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("ailing", "livez", "readyz"),
    [
        ({}, 200, 200),
        ({Vital.DELIVERIES: "a delivery is due for 6m and was not sent"}, 200, 503),
        ({Vital.AUDIT: "the record does not add up: 1 violation"}, 200, 503),
        ({Vital.DATABASE: "it does not answer", Vital.POLLS: "they are stuck"}, 200, 503),
        ({Vital.LOOP: "nothing was begun for 20s"}, 503, 503),
    ],
)
async def test_livez_asks_for_a_restart_and_readyz_says_what_is_wrong(
    ailing: dict[Vital, str], livez: int, readyz: int, asked: Asked
) -> None:
    asked.ailing = ailing
    wrong = {vital.value: ailment for vital, ailment in ailing.items()}
    async with asked.running() as client:
        alive, ready = await client.get("/livez"), await client.get("/readyz")
    assert (alive.status_code, alive.json()) == (livez, {"loop": wrong.get("loop", "ok")})
    assert (ready.status_code, ready.json()) == (readyz, FINE | wrong)
    assert ready.headers["Cache-Control"] == "no-store"
    assert "server" not in ready.headers


async def test_how_it_is_is_asked_in_the_loop_where_everything_moves(asked: Asked) -> None:
    async with asked.running() as client:
        await client.get("/livez")
        await client.get("/readyz")
    assert asked.asked_in == {threading.get_ident()}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/readyz", 200),
        ("POST", "/readyz", 405),
        ("GET", "/elsewhere", 404),
        ("GET", "/readyz/..%2f..%2fetc", 404),
    ],
)
async def test_there_is_nothing_else(method: str, path: str, status: int, asked: Asked) -> None:
    async with asked.running() as client:
        assert (await client.request(method, path)).status_code == status


async def test_what_is_no_request_is_refused_and_not_logged(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    with silence(caplog):
        async with asked.running() as client:
            for sent in (b"\x16\x03\x01 hello\r\n\r\n", b"GET /readyz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
                reader, writer = await asked.connect()
                writer.write(sent)
                assert (await reader.readline()).startswith(b"HTTP/1.1 400")
                writer.close()
            assert (await client.get("/readyz")).status_code == 200


async def test_it_can_be_asked_over_one_connection_again_and_again(asked: Asked) -> None:
    async with asked.running():
        reader, writer = await asked.connect()
        for _ in range(3):
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            assert json.loads(await reader.readexactly(int(length[1]))) == FINE
        writer.close()


async def closes(reader: asyncio.StreamReader, within: float) -> bool:
    """Whether the other end closes the connection, or breaks it off, in so many seconds."""
    try:
        async with asyncio.timeout(within):
            await reader.read()
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


async def test_it_holds_only_so_many_connections_open(asked: Asked) -> None:
    async with asked.running():
        connected = [await asked.connect() for _ in range(110)]
        closed = await asyncio.gather(*(closes(reader, within=1) for reader, _ in connected))
        for _, writer in connected:
            writer.close()
    assert closed == [False] * 100 + [True] * 10


async def test_who_is_still_connected_does_not_hold_up_the_end(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    whole = b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n"
    began = asyncio.get_running_loop().time()
    with silence(caplog):
        async with asked.running() as client:
            assert (await client.get("/readyz")).status_code == 200
            connected = [(sent, *await asked.connect()) for sent in (b"", whole[:20], whole, whole + whole[:20])]
            for sent, reader, writer in connected:
                writer.write(sent)
                if sent.startswith(whole):
                    await reader.readuntil(b"}")
    assert asyncio.get_running_loop().time() - began < 5
    for *_, writer in connected:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.slow
async def test_who_never_sends_a_whole_request_is_left_after_ten_seconds(asked: Asked) -> None:
    async def closed_after(sent: bytes) -> float:
        reader, writer = await asked.connect()
        began = asyncio.get_running_loop().time()
        writer.write(sent)
        assert await closes(reader, within=20)
        writer.close()
        return asyncio.get_running_loop().time() - began

    whole = b"GET /readyz HTTP/1.1\r\nHost: here\r\n"
    async with asked.running():
        nothing, half, no_body, half_of_the_next = await asyncio.gather(
            *map(closed_after, [b"", whole, whole + b"Content-Length: 10\r\n\r\n", whole + b"\r\nGET /"])
        )
    assert min(nothing, half) > 9
    assert max(nothing, half, no_body, half_of_the_next) < 15


async def test_an_address_that_is_taken_is_said_in_a_sentence() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            bind("127.0.0.1", port)
    assert str(caught.value) == f"cannot listen on 127.0.0.1:{port}: address already in use"


async def test_an_address_of_another_machine_is_said_in_a_sentence() -> None:
    with pytest.raises(ListenError, match=r"^cannot listen on 192\.0\.2\.1:80: cannot assign requested address$"):
        bind("192.0.2.1", 80)


def test_a_server_that_never_served_lets_go_of_its_address(asked: Asked) -> None:
    asked.server.stop()
    with bind("127.0.0.1", asked.port):
        pass
