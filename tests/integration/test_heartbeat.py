"""The heartbeat over real HTTP, as Healthchecks takes it (R30); when it beats is in `scenarios/test_dead_man`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import closing

import pytest

from notifier.adapters.heartbeat import Heartbeat
from notifier.errors import ConfigurationError
from tests.support.receivers import HttpReceiver, Received, Say

PATH = "/ping/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
ALL_IS_WELL: Sequence[str] = ()


@pytest.fixture
async def heartbeat(http_receiver: HttpReceiver) -> AsyncIterator[Heartbeat]:
    made = Heartbeat(http_receiver.url + PATH)
    yield made
    await made.close()


def brief(received: Received) -> tuple[str, str, str]:
    return received.method, received.path, received.body.decode()


async def test_while_all_is_well_the_url_is_asked(heartbeat: Heartbeat, http_receiver: HttpReceiver) -> None:
    await heartbeat.beat(ALL_IS_WELL)
    assert [brief(each) for each in http_receiver.requests] == [("GET", PATH, "")]


async def test_else_its_fail_is_told_what_is_wrong(heartbeat: Heartbeat, http_receiver: HttpReceiver) -> None:
    await heartbeat.beat(["no audit was made for 6m", "polls are stuck"])
    wrong = "no audit was made for 6m\npolls are stuck"
    assert [brief(each) for each in http_receiver.requests] == [("POST", f"{PATH}/fail", wrong)]


@pytest.mark.parametrize(
    ("url", "path"),
    [("/ping/key/slug?create=1", "/ping/key/slug/fail"), ("/ping/uuid/", "/ping/uuid/fail"), ("", "/fail")],
)
async def test_fail_goes_on_the_path_and_the_query_stays(url: str, path: str, http_receiver: HttpReceiver) -> None:
    heartbeat = Heartbeat(http_receiver.url + url)
    await heartbeat.beat(["something"])
    await heartbeat.close()
    [received] = http_receiver.requests
    assert (received.path, received.query) == (path, {"create": ["1"]} if "?" in url else {})


@pytest.mark.parametrize(
    ("say", "cause"),
    [
        (Say(status=404), "404 Not Found"),
        (Say(status=500, body="x" * 1_000_000), "500 Internal Server Error"),
        (Say(status=302, headers={"Location": "/elsewhere"}), "302: a redirect, which is not followed"),
        (Say(body="OK (not found)"), "'OK (not found)'"),
        (Say(body="OK (rate limited)"), "'OK (rate limited)'"),
        (Say(reset=True), "Server disconnected without sending a response."),
    ],
)
async def test_what_is_not_heard_is_logged_once_and_so_is_that_it_is_heard_again(
    say: Say, cause: str, heartbeat: Heartbeat, http_receiver: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "notifier.adapters.heartbeat")
    http_receiver.script = [say, say, say]
    for _ in range(5):
        await heartbeat.beat(ALL_IS_WELL)
    assert caplog.messages == ["heartbeat not heard", "heartbeat heard again"]
    assert vars(caplog.records[0])["fields"] == {"cause": cause}
    assert {received.path for received in http_receiver.requests} == {PATH}


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b"])
async def test_nothing_that_the_network_does_is_raised(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    heartbeat = Heartbeat(f"http://{host}:{port}{PATH}")
    await heartbeat.beat(ALL_IS_WELL)
    await heartbeat.close()
    assert caplog.messages == ["heartbeat not heard"]
    assert PATH not in caplog.text


@pytest.mark.slow
async def test_a_beat_ends_after_ten_seconds_whatever_the_receiver_does(
    heartbeat: Heartbeat, http_receiver: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    http_receiver.script = [Say(hang=True)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    await heartbeat.beat(ALL_IS_WELL)
    assert 9 < loop.time() - began < 15
    assert vars(caplog.records[0])["fields"] == {"cause": "no answer within 10s"}


def test_a_url_that_is_none_is_a_mistake_told_without_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Heartbeat("http://sécret-.example/ping")
    assert "cret" not in str(caught.value)
