"""Whatever is done to the server, the alerts come: it works in the same loop, and keeps nobody waiting."""

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from notifier.adapters.listening import address, bind
from notifier.adapters.web import App, Rules, WebServer
from tests.support.asked import backing
from tests.support.process import until
from tests.support.receivers import HttpReceiver
from tests.support.scenes import DOWN, down, noc, titles
from tests.support.stage import Stage, open_stage

pytestmark = pytest.mark.slow

TOKEN = "planted-web-token-1a2b"
SHOWN = f"Authorization: Bearer {TOKEN}\r\n"


@pytest.fixture(autouse=True)
def _enough_files() -> Iterator[None]:
    """Both ends of each connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard) if hard != resource.RLIM_INFINITY else 4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(f"sqlite:///{tmp_path}/notifier.db", tmp_path) as set_up:
        yield set_up


@asynccontextmanager
async def serving(stage: Stage) -> AsyncIterator[WebServer]:
    behind = backing(stage.beside, stage.clock, rules=Rules(token=TOKEN))
    server = WebServer(App(behind), bind("127.0.0.1", 0))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        try:
            yield server
        finally:
            server.stop()


async def asks(server: WebServer, path: str, shown: str = SHOWN) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address(server.listening).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{shown}\r\n".encode())
    return reader, writer


async def test_500_streams_are_told_and_the_alert_comes(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), serving(stage) as server:
        streams = [await asks(server, "/api/v1/events") for _ in range(500)]
        async with asyncio.timeout(60):
            for reader, _ in streams:
                await reader.readuntil(b"event: hello")
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            over = await client.get(f"http://{address(server.listening)}/api/v1/events", headers=headers)
            other = await client.get(f"http://{address(server.listening)}/api/v1/overview", headers=headers)
        await down(stage)
        assert titles(http_receiver) == [DOWN]
        async with asyncio.timeout(60):
            for reader, _ in streams:
                await reader.readuntil(b"event: delivery")
        for _, writer in streams:
            writer.close()
    assert (over.status_code, other.status_code) == (503, 200)


async def test_readers_that_do_not_read_are_left_and_the_alert_comes(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), serving(stage) as server:
        still = [await asks(server, "/api/v1/events") for _ in range(20)]
        for reader, writer in still:
            await reader.readuntil(b"event: hello")
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # of the transport it is
        async with stage.beside.begin() as work:
            for _ in range(4000):  # more than a socket and a stream hold
                comment = "x" * 1000
                await work.ledger.act(at=stage.clock.now(), by="anna", act="ack", target="x", comment=comment)
        began = asyncio.get_running_loop().time()
        await down(stage)
        assert titles(http_receiver) == [DOWN]
        await until(lambda: server.connections == 0)
        for _, writer in still:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
    assert asyncio.get_running_loop().time() - began < 60


async def test_a_huge_body_is_not_taken_and_the_alert_comes(stage: Stage, http_receiver: HttpReceiver) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65536

    async with stage.at_work(**noc(http_receiver)), serving(stage) as server:
        url = f"http://{address(server.listening)}/api/v1/silences"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for body in (parts(), b"x" * 10 * 1024 * 1024):
            with suppress(httpx.NetworkError):  # it was left in the midst of sending
                async with httpx.AsyncClient(trust_env=False) as client:
                    assert (await client.post(url, content=body, headers=headers)).status_code == 413
        await down(stage)
        assert titles(http_receiver) == [DOWN]
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url, headers=headers)).json()["items"] == []


async def test_a_body_that_does_not_come_is_not_waited_for(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)), serving(stage) as server:
        host, _, port = address(server.listening).rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\n{SHOWN}Content-Length: 100\r\n\r\n{{"
        writer.write(head.encode())
        async with asyncio.timeout(15):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
            await reader.read()
        writer.close()


async def test_1000_wrong_tokens_change_nothing_for_anybody_else(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with (
        stage.at_work(**noc(http_receiver)),
        serving(stage) as server,
        # Between two questions the server may leave a kept connection, on a busy machine just as it is used again.
        httpx.AsyncClient(
            trust_env=False,
            base_url=f"http://{address(server.listening)}",
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client,
    ):
        codes: Counter[int] = Counter()
        for _ in range(20):
            guesses = (client.post("/login", data={"token": f"guess-{number}"}) for number in range(50))
            codes.update(answer.status_code for answer in await asyncio.gather(*guesses))
        assert codes == {401: 10, 429: 990}
        await down(stage)
        assert titles(http_receiver) == [DOWN]
        shown = await client.get("/api/v1/overview", headers={"Authorization": f"Bearer {TOKEN}"})
        assert shown.json()["open_incidents"] == 1
        await stage.advance(60)
        assert (await client.post("/login", data={"token": TOKEN})).status_code == 303
