"""`format: event`: a document in the form of Cloudflare's own webhooks."""

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from notifier.adapters.channels import open_channels
from notifier.adapters.channels.event import document
from notifier.domain.notification import Action, Kind
from notifier.errors import ConfigurationError
from notifier.ports import Accepted, Message, Refused
from tests.support.examples import ACCOUNT, LINK
from tests.support.messages import CLOSE, DOWN, HEALTHY, KEY, TELL, TELL_LATE, hostile
from tests.support.receivers import FixedHosts, HttpReceiver, MailReceiver, Say

TOLD = replace(DOWN, status="Down", before="Healthy")


async def send(url: str, message: Message) -> object:
    [channel] = open_channels({"events": url}, {"events": "event"}).values()
    assert (channel.stateful, channel.bundles) == (False, False)
    try:
        return await channel.send(message)
    finally:
        await channel.close()


def about(kind: Kind, key: str | None = KEY) -> dict[str, object]:
    return document(Message(notification=replace(DOWN, kind=kind, incident_key=key), action=Action.TELL))


async def test_a_webhook_gets_the_document_itself(http_receiver: HttpReceiver) -> None:
    url = f"json://anna:secret@{http_receiver.address}/hook?method=put&+X-Team=net&-room=7&:title=subject"
    assert await send(url, replace(TELL_LATE, notification=TOLD)) == Accepted(code=200)
    [request] = http_receiver.requests
    assert (request.method, request.path, request.query) == ("PUT", "/hook", {"room": ["7"]})
    assert request.headers["X-Team"] == "net"
    assert request.json == {
        "name": "[production] icon-ams-01 is Down (was Healthy) #42",
        "text": (
            "[production] icon-ams-01 is Down (was Healthy) #42\n\n"
            'icon-ams-01 changed from Healthy to Down.\nCloudflare says: "Port down"\n\n'
            f"Speed: 10G\nSightings: 2\nRedundant: False\n\nobserved 03:12:04Z, late by 8m07s\nIncident: {KEY}"
        ),
        "data": {
            "kind": "problem",
            "status": "Down",
            "before": "Healthy",
            "severity": "critical",
            "account_name": "production",
            "subject": "icon-ams-01",
            "interconnect": "icon-ams-01",
            "site": "ams-a",
            "reason": "Port down",
            "facts": {"Speed": "10G", "Sightings": 2, "Redundant": False},
            "observed_at": "2026-11-23T03:12:04+00:00",
            "recorded_at": "2026-11-23T03:12:19+00:00",
            "late_by_s": 487.0,
        },
        "ts": 1795403524,
        "account_id": ACCOUNT,
        "alert_type": "cni_status_notification",
        "alert_correlation_id": KEY,
        "alert_event": "ALERT_STATE_EVENT_START",
    }


async def test_any_other_message_channel_gets_it_as_its_text(
    http_receiver: HttpReceiver, mail_receiver: MailReceiver, fixed_hosts: FixedHosts
) -> None:
    mail = f"mailto://example.test:{mail_receiver.port}/?smtp=127.0.0.1&from=noc@example.test&to=a@example.test"
    for url in (f"form://{http_receiver.address}/", mail, "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"):
        assert isinstance(await send(url, hostile()), Accepted)
    [posted], [mailed], [slacked] = http_receiver.requests, mail_receiver.mails, fixed_hosts.requests
    escaped = slacked.json["attachments"][0]["text"]
    texts = [
        parse_qs(posted.body.decode())["message"][0],
        mailed.part("plain"),
        escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
    ]
    assert [json.loads(text) for text in texts] == [document(hostile())] * 3


async def test_a_webhook_that_refuses_is_heard(http_receiver: HttpReceiver) -> None:
    http_receiver.usual = Say(status=404)
    assert isinstance(await send(f"json://{http_receiver.address}/", TELL), Refused)


@pytest.mark.parametrize("url", ["pagerduty://routingkey0123456789abcdefabcdef@unused/", "opsgenie://0123-abcd/"])
def test_a_receiver_that_keeps_incidents_takes_no_events(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_channels({"pager": url, "noc": "console://here"}, {"pager": "event", "noc": "event"})
    [problem] = caught.value.problems
    assert problem.startswith("channels.pager.format: found event, expected text; PagerDuty and Opsgenie keep ")


def test_text_is_what_a_channel_gets_unless_told_otherwise() -> None:
    channels = open_channels({"a": "json://localhost/", "b": "console://here"}, {"a": "text"})
    assert [channel.bundles for channel in channels.values()] == [True, True]


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (Kind.PROBLEM, "START"),
        (Kind.WORSENED, "START"),
        (Kind.EASED, "START"),
        (Kind.REMINDER, "START"),
        (Kind.SITE_LOST, "START"),
        (Kind.RECOVERED, "END"),
        (Kind.REMOVED, "END"),
        (Kind.SEEN_AGAIN, "END"),
    ],
)
def test_an_incident_starts_goes_on_and_ends_under_one_id(kind: Kind, event: str) -> None:
    found = about(kind)
    assert (found["alert_event"], found["alert_correlation_id"]) == (f"ALERT_STATE_EVENT_{event}", KEY)


@pytest.mark.parametrize("kind", [Kind.UP, Kind.RETURNED, Kind.CALM, Kind.TEST])
def test_what_neither_starts_nor_ends_anything_has_no_event(kind: Kind) -> None:
    assert "alert_event" not in about(kind)
    assert "alert_correlation_id" not in about(kind, key=None)


def test_only_a_link_is_named_as_an_interconnect() -> None:
    def named(kind: Kind, key: str | None = KEY) -> object:
        data = about(kind, key)["data"]
        assert isinstance(data, dict)
        return data["interconnect"]

    assert named(Kind.RECOVERED) == named(Kind.UP, None) == named(Kind.REMINDER) == LINK.name
    assert named(Kind.SITE_LOST) is named(Kind.BLIND) is named(Kind.REMINDER, f"cni:{ACCOUNT}:site:ams-a:1") is None


def test_times_are_whole_seconds_and_iso_8601() -> None:
    found = document(replace(CLOSE, notification=HEALTHY))
    assert found["ts"] == int(HEALTHY.observed_at.timestamp())
    assert found["data"]["observed_at"] == HEALTHY.observed_at.isoformat()
