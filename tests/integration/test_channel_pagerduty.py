"""PagerDuty, at its own address, over TLS and a proxy."""

import asyncio
import os
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.status import Severity
from notifier.ports import Accepted, Message, Refused, TryAgain
from tests.support.examples import ACCOUNT
from tests.support.messages import CLOSE, DOWN, KEY, OPEN, TELL_LATE, UPDATE, hostile, opened
from tests.support.receivers import PAGERDUTY, PAGERDUTY_EU, FixedHosts, IncidentLedger, Say

ROUTING_KEY = "R0UT1NGKEY0123456789abcdefabcdef"
URL = f"pagerduty://{ROUTING_KEY}@unused/"


async def test_an_event_carries_everything_typed(fixed_hosts: FixedHosts) -> None:
    async with opened(URL) as channel:
        assert channel.stateful
        assert await channel.send(OPEN) == Accepted(code=202, receipt="as-sent")
    (request,) = fixed_hosts.requests
    assert (request.method, request.host, request.path) == ("POST", PAGERDUTY, "/v2/enqueue")
    assert request.json == {
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": KEY,
        "client": "cni-notifier",
        "payload": {
            "summary": "[production] icon-ams-01 is Down (was Healthy) #42",
            "severity": "critical",
            "source": "icon-ams-01",
            "component": "ams-a",
            "group": "production",
            "class": "problem",
            "timestamp": "2026-11-23T03:12:04+00:00",
            "custom_details": {
                "lead": "icon-ams-01 changed from Healthy to Down.",
                "reason": "Port down",
                "Speed": "10G",
                "Sightings": 2,
                "Redundant": False,
            },
        },
    }


async def test_one_key_opens_updates_and_closes(fixed_hosts: FixedHosts) -> None:
    async with opened(URL) as channel:
        for message in (OPEN, UPDATE, CLOSE):
            await channel.send(message)
    events = [request.json for request in fixed_hosts.to(PAGERDUTY)]
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "resolve"]
    assert events[2] == {"routing_key": ROUTING_KEY, "event_action": "resolve", "dedup_key": KEY}
    ledger = IncidentLedger(fixed_hosts.requests)
    assert (ledger.opens, ledger.closes, ledger.open) == ({KEY: 1}, {KEY: 1}, set())


async def test_a_refused_close_leaves_the_incident_open_in_the_ledger(fixed_hosts: FixedHosts) -> None:
    fixed_hosts.script_for[PAGERDUTY] = [Say(status=202), Say(status=500)]
    async with opened(URL) as channel:
        await channel.send(OPEN)
        await channel.send(CLOSE)
    assert IncidentLedger(fixed_hosts.requests).open == {KEY}


@pytest.mark.parametrize(
    ("severity", "word"),
    [
        (Severity.CRITICAL, "critical"),
        (Severity.ERROR, "error"),
        (Severity.WARNING, "warning"),
        (Severity.INFO, "info"),
        (Severity.OK, "info"),
    ],
)
async def test_severity_is_in_pagerdutys_words(fixed_hosts: FixedHosts, severity: Severity, word: str) -> None:
    async with opened(URL) as channel:
        await channel.send(replace(OPEN, notification=replace(DOWN, severity=severity)))
    assert fixed_hosts.requests[0].json["payload"]["severity"] == word


async def test_region_details_and_link_of_the_url_are_kept(fixed_hosts: FixedHosts) -> None:
    async with opened(f"{URL}?region=eu&+team=net&click=https://status.test/&action=map&dedup=x") as channel:
        await channel.send(OPEN)
    (request,) = fixed_hosts.to(PAGERDUTY_EU)
    assert request.json["dedup_key"] == KEY
    assert request.json["payload"]["custom_details"]["team"] == "net"
    assert request.json["client_url"] == "https://status.test/"
    assert "images" not in request.json


async def test_without_such_a_link_it_is_the_status_pages_where_that_has_an_address(fixed_hosts: FixedHosts) -> None:
    page = "https://status.test/interconnects/a/b"
    told = replace(DOWN, facts=(*DOWN.facts, ("Status page", page)))
    async with opened(URL) as channel:
        await channel.send(Message(notification=told, action=OPEN.action))
        await channel.send(OPEN)
    linked, other = (request.json for request in fixed_hosts.requests)
    assert linked["client_url"] == linked["links"][0]["href"] == page
    assert "client_url" not in other


async def test_a_summary_is_cut_and_lateness_said(fixed_hosts: FixedHosts) -> None:
    long = replace(TELL_LATE, notification=replace(DOWN, title="x" * 3000))
    async with opened(URL) as channel:
        await channel.send(long)
    payload = fixed_hosts.requests[0].json["payload"]
    assert len(payload["summary"]) == 1024
    assert payload["custom_details"]["late_by"] == "observed 03:12:04Z, late by 8m07s"


async def test_a_blind_account_has_no_component(fixed_hosts: FixedHosts) -> None:
    told = replace(DOWN, site=None, reason=None, incident_key=f"cni:{ACCOUNT}:blind:1")
    async with opened(URL) as channel:
        await channel.send(Message(notification=told, action=OPEN.action))
    assert "component" not in fixed_hosts.requests[0].json["payload"]


async def test_a_bad_key_is_refused_for_good_with_pagerdutys_reason(fixed_hosts: FixedHosts) -> None:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": [f"'{ROUTING_KEY}' is no key"]}
    fixed_hosts.script = [Say(status=400, body=body)]
    async with opened(URL) as channel:
        answer = await channel.send(OPEN)
    cause = "400 from events.pagerduty.com: Event object is invalid; '***' is no key"
    assert answer == Refused(cause=cause, code=400)


async def test_too_many_requests_says_how_long_to_wait(fixed_hosts: FixedHosts) -> None:
    fixed_hosts.script = [Say(status=429, headers={"Retry-After": "30"})]
    async with opened(URL) as channel:
        answer = await channel.send(OPEN)
    assert isinstance(answer, TryAgain)
    assert (answer.code, answer.retry_after) == (429, timedelta(seconds=30))


async def test_hostile_text_stays_a_string(fixed_hosts: FixedHosts) -> None:
    message = hostile()
    async with opened(URL) as channel:
        await channel.send(message)
    assert fixed_hosts.requests[0].json["payload"]["custom_details"]["reason"] == message.notification.reason


async def test_nothing_else_is_reached_through_the_proxy(fixed_hosts: FixedHosts) -> None:
    async with opened("jsons://elsewhere.test/") as channel:
        answer = await channel.send(OPEN)
    assert answer == TryAgain(cause="the proxy gives no connection to elsewhere.test", arrived=False)
    assert fixed_hosts.strangers == ["elsewhere.test"]


SENDER = f"""
import asyncio
from tests.support.messages import OPEN, opened

async def main():
    async with opened("{URL}") as channel:
        print(type(await channel.send(OPEN)).__name__)

asyncio.run(main())
"""


async def test_another_process_gets_there_by_its_environment_alone(fixed_hosts: FixedHosts) -> None:
    environment = {**os.environ, **fixed_hosts.environment}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER, env=environment, stdout=-1, stderr=-1)
    async with asyncio.timeout(30):
        assert await process.communicate() == (b"Accepted\n", b"")
    assert IncidentLedger(fixed_hosts.requests).open == {KEY}
