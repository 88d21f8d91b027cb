"""Any other Apprise URL, through Apprise; and the console."""

import subprocess
import sys
from time import monotonic
from urllib.parse import parse_qs

import pytest

from notifier.ports import Accepted, Refused, TryAgain
from tests.support.messages import CLOSE, KEY, TELL, TELL_LATE, hostile, opened
from tests.support.receivers import HttpReceiver, Say


async def test_a_form_is_filled_in(http_receiver: HttpReceiver) -> None:
    async with opened(f"form://{http_receiver.address}/hook") as channel:
        assert not channel.stateful
        assert await channel.send(TELL_LATE) == Accepted()
    form = parse_qs(http_receiver.requests[0].body.decode())
    assert form["title"] == ["[production] icon-ams-01 is Down (was Healthy) #42"]
    assert form["type"] == ["failure"]
    assert form["message"][0].endswith(f"observed 03:12:04Z, late by 8m07s\nIncident: {KEY}")


async def test_xml_is_escaped(http_receiver: HttpReceiver) -> None:
    async with opened(f"xml://{http_receiver.address}/hook") as channel:
        assert isinstance(await channel.send(hostile()), Accepted)
    assert b"<script" not in http_receiver.requests[0].body


async def test_ntfy_is_told_of_a_recovery(http_receiver: HttpReceiver) -> None:
    async with opened(f"ntfy://{http_receiver.address}/topic") as channel:
        assert isinstance(await channel.send(CLOSE), Accepted)
    sent = http_receiver.requests[0].json
    assert sent["topic"] == "topic"
    assert sent["title"] == CLOSE.notification.title


async def test_two_messages_go_without_a_pause(http_receiver: HttpReceiver) -> None:
    async with opened(f"ntfy://{http_receiver.address}/topic") as channel:
        began = monotonic()
        await channel.send(TELL)
        await channel.send(CLOSE)
    assert monotonic() - began < 3  # Apprise would wait 5.5 s


@pytest.mark.parametrize(("status", "kind"), [(403, Refused), (404, Refused), (429, TryAgain), (503, TryAgain)])
async def test_the_status_is_found_in_what_apprise_says(http_receiver: HttpReceiver, status: int, kind: type) -> None:
    http_receiver.usual = Say(status=status)
    async with opened(f"form://{http_receiver.address}/s3cr3tpath?retry=5&wait=5&optional=yes") as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, kind)
    assert not isinstance(answer, Accepted)
    assert "s3cr3tpath" not in repr(answer)
    assert len(http_receiver.requests) == 1


async def test_no_receiver_is_a_reason_to_try_again() -> None:
    async with opened("form://127.0.0.1:1/s3cr3tpath") as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, TryAgain)
    assert "Connection error" in answer.cause


async def test_the_console_shows_each_message(capsys: pytest.CaptureFixture[str]) -> None:
    async with opened("console://here") as channel:
        assert isinstance(await channel.send(TELL), Accepted)
    shown = capsys.readouterr().out
    assert "[failure] [production] icon-ams-01 is Down (was Healthy) #42\n" in shown
    assert f"    Incident: {KEY}\n" in shown


STUCK = """
import asyncio, socket
from notifier.adapters.channels import open_channels
from tests.support.messages import TELL

async def main():
    server = socket.create_server(("127.0.0.1", 0))
    channel = open_channels({"noc": f"form://127.0.0.1:{server.getsockname()[1]}/?rto=300"})["noc"]
    try:
        async with asyncio.timeout(0.3):
            await channel.send(TELL)
    except TimeoutError:
        print("left")

asyncio.run(main())
"""


async def test_a_stuck_send_does_not_keep_the_process_from_ending() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=30, check=True)  # noqa: ASYNC221 - nothing else runs here
    assert done.stdout == "left\n"
    assert done.stderr == ""
