"""JSON webhooks, and what holds for every channel over HTTP: answers, redirects, time, one not holding up another."""

import asyncio
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
import trustme

from notifier.adapters.channels.answers import worst
from notifier.ports import Accepted, Answer, Refused, TryAgain
from tests.support.examples import ACCOUNT
from tests.support.messages import KEY, TELL, TELL_LATE, hostile, opened
from tests.support.receivers import HttpReceiver, Say, server_tls


async def test_a_webhook_gets_apprises_fields_and_the_notification_typed(http_receiver: HttpReceiver) -> None:
    async with opened(f"json://{http_receiver.address}/hook") as channel:
        assert not channel.stateful
        assert await channel.send(TELL_LATE) == Accepted(code=200)
    (request,) = http_receiver.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"] == "cni-notifier"
    assert request.json == {
        "version": "1.0",
        "title": "[production] icon-ams-01 is Down (was Healthy) #42",
        "message": (
            'icon-ams-01 changed from Healthy to Down.\nCloudflare says: "Port down"\n\n'
            f"Speed: 10G\nSightings: 2\nRedundant: False\n\nobserved 03:12:04Z, late by 8m07s\nIncident: {KEY}"
        ),
        "attachments": [],
        "type": "failure",
        "notification": {
            "kind": "problem",
            "severity": "critical",
            "account": ACCOUNT,
            "account_name": "production",
            "subject": "icon-ams-01",
            "site": "ams-a",
            "lead": "icon-ams-01 changed from Healthy to Down.",
            "reason": "Port down",
            "facts": {"Speed": "10G", "Sightings": 2, "Redundant": False},
            "incident_key": KEY,
            "observed_at": "2026-11-23T03:12:04+00:00",
            "recorded_at": "2026-11-23T03:12:19+00:00",
            "late_by_s": 487.0,
        },
    }


async def test_method_login_headers_parameters_and_fields_of_the_url_are_kept(http_receiver: HttpReceiver) -> None:
    query = "?method=put&+X-Team=net&-room=7&:title=subject&:attachments=&:origin=cni"
    async with opened(f"json://anna:secret@{http_receiver.address}/a%20b{query}") as channel:
        await channel.send(TELL)
    (request,) = http_receiver.requests
    assert (request.method, request.path, request.query) == ("PUT", "/a%20b", {"room": ["7"]})
    assert request.headers["Authorization"] == "Basic YW5uYTpzZWNyZXQ="
    assert request.headers["X-Team"] == "net"
    assert set(request.json) == {"version", "subject", "message", "type", "notification", "origin"}


async def test_hostile_text_forges_no_line(http_receiver: HttpReceiver) -> None:
    message = hostile()
    async with opened(f"json://{http_receiver.address}/") as channel:
        await channel.send(message)
    document = http_receiver.requests[0].json
    assert "\r" not in document["message"]
    assert "\nBcc" not in document["message"]
    assert document["notification"]["reason"] == message.notification.reason


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422])
async def test_what_will_not_change_is_refused(http_receiver: HttpReceiver, status: int) -> None:
    http_receiver.usual = Say(status=status, body="because of this")
    async with opened(f"json://{http_receiver.address}/") as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, Refused)
    assert answer.code == status
    assert answer.cause.startswith(f"{status} from 127.0.0.1: because of this")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(http_receiver: HttpReceiver, status: int) -> None:
    http_receiver.usual = Say(status=status, body="<html>a whole page</html>")
    async with opened(f"json://{http_receiver.address}/") as channel:
        answer = await channel.send(TELL)
    assert answer == TryAgain(cause=f"{status} from 127.0.0.1", code=status, arrived=status != 429)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "30"}, timedelta(seconds=30)),
        ({"Retry-After": "864000"}, timedelta(hours=1)),
        (
            {"Retry-After": "Mon, 23 Nov 2026 03:13:00 GMT", "Date": "Mon, 23 Nov 2026 03:12:00 GMT"},
            timedelta(minutes=1),
        ),
        (
            {"Retry-After": "Mon, 23 Nov 2026 03:11:00 GMT", "Date": "Mon, 23 Nov 2026 03:12:00 GMT"},
            timedelta(),
        ),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
    ],
)
async def test_retry_after_is_seconds_or_a_date(
    http_receiver: HttpReceiver, headers: dict[str, str], wait: timedelta | None
) -> None:
    http_receiver.usual = Say(status=503, headers=headers)
    async with opened(f"json://{http_receiver.address}/") as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, TryAgain)
    assert answer.retry_after == wait


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("scheme", ["json", "form"])
async def test_a_redirect_is_refused_not_followed(http_receiver: HttpReceiver, scheme: str, status: int) -> None:
    http_receiver.usual = Say(status=status, headers={"Location": f"{http_receiver.url}/elsewhere"})
    async with opened(f"{scheme}://{http_receiver.address}/hook?redirect=yes") as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, Refused)
    assert "redirects are not followed" in answer.cause
    assert [request.path for request in http_receiver.requests] == ["/hook"]


async def test_a_hanging_receiver_times_out_while_another_is_served_at_once(http_receiver: HttpReceiver) -> None:
    async with (
        HttpReceiver().running() as stuck,
        opened(f"json://{stuck.address}/?rto=1") as hung,
        opened(f"form://{stuck.address}/?rto=1") as hung_too,
        opened(f"json://{http_receiver.address}/") as good,
        opened(f"form://{http_receiver.address}/") as good_too,
    ):
        stuck.usual = Say(hang=True)
        began = monotonic()
        waiting = [asyncio.ensure_future(channel.send(TELL)) for channel in [hung, hung_too] * 20]
        await asyncio.sleep(0)
        assert await good.send(TELL) == Accepted(code=200)
        assert isinstance(await good_too.send(TELL), Accepted)
        assert monotonic() - began < 0.9
        assert await waiting[0] == TryAgain(cause="127.0.0.1 did not answer in time")
        assert isinstance(await waiting[1], TryAgain)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_broken_connection_is_a_reason_to_try_again(http_receiver: HttpReceiver) -> None:
    http_receiver.usual = Say(reset=True)
    async with opened(f"json://{http_receiver.address}/") as channel:
        assert await channel.send(TELL) == TryAgain(cause="127.0.0.1 broke off the connection")
    async with opened("json://127.0.0.1:1/") as channel:
        assert await channel.send(TELL) == TryAgain(cause="no connection to 127.0.0.1", arrived=False)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([Accepted(), TryAgain(cause="a", arrived=False)], TryAgain(cause="a", arrived=True)),
        ([TryAgain(cause="a", arrived=False), TryAgain(cause="b")], TryAgain(cause="a", arrived=True)),
        ([TryAgain(cause="a", arrived=False), Refused(cause="b")], TryAgain(cause="a", arrived=False)),
        ([Accepted(code=200), Refused(cause="b")], Refused(cause="b")),
        ([Accepted(code=200), Accepted(code=201)], Accepted(code=200)),
    ],
)
def test_a_message_in_parts_may_have_arrived_if_one_of_them_may(parts: list[Answer], whole: Answer) -> None:
    assert worst(parts) == whole


async def test_one_channel_sends_two_hundred_a_second_to_a_slow_receiver(http_receiver: HttpReceiver) -> None:
    http_receiver.usual = Say(delay_s=0.1)
    async with opened(f"json://{http_receiver.address}/") as channel:
        began = monotonic()
        answers = await asyncio.gather(*(channel.send(TELL) for _ in range(100)))
    assert answers == [Accepted(code=200)] * 100
    assert monotonic() - began < 100 / 200 + 1  # a slow machine's start-up aside


async def test_certificates_are_verified_unless_the_url_says_no(
    ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with HttpReceiver().running(server_tls(ca, "127.0.0.1")) as receiver:
        url = f"jsons://{receiver.address}/"
        async with opened(url) as channel:
            distrusted = "the certificate of 127.0.0.1 is not trusted"
            assert await channel.send(TELL) == TryAgain(cause=distrusted, arrived=False)
        async with opened(f"{url}?verify=no") as channel:
            assert isinstance(await channel.send(TELL), Accepted)
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as environment:
                environment.setenv(variable, str(tmp_path / "ca.pem"))
                async with opened(url) as channel:
                    assert isinstance(await channel.send(TELL), Accepted)


async def test_a_huge_answer_is_not_read(http_receiver: HttpReceiver) -> None:
    http_receiver.usual = Say(status=400, body="x" * 10_000_000)
    async with opened(f"json://{http_receiver.address}/") as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, Refused)
    assert len(answer.cause) < 250
