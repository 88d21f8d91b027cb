"""Which changes go to which channels, and in which form."""

from collections import ChainMap
from typing import Any

import pytest

from tests.support.examples import ACCOUNT
from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, down, heal, noc, paged, taken, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

UNHEALTHY = "icon-ams-01 is Unhealthy (was Healthy) #2"


def routes(**matches: dict[str, Any]) -> list[dict[str, Any]]:
    """Route to each channel what it matches."""
    return [{"channels": [channel], "match": match} for channel, match in matches.items()]


FITTING: dict[str, dict[str, Any]] = {
    "all": {},
    "severity": {"severity": ["critical", "error"]},
    "site": {"site": "ams-*"},
    "name": {"name": ["icon-fra-*", "icon-ams-*"]},
    "account": {"account": "production"},
    "account-id": {"account": ACCOUNT},
    "status": {"status": "Down"},
    "several": {"severity": "critical", "site": "ams-a", "name": "*-01"},
}
OTHER: dict[str, dict[str, Any]] = {
    "milder": {"severity": "warning"},
    "other-site": {"site": "fra-*"},
    "case": {"name": "ICON-*"},
    "other-account": {"account": "lab"},
    "other-status": {"status": "Pending"},
    "one-does-not": {"severity": "critical", "site": "fra-*"},
}


async def test_a_recovery_reaches_whoever_was_told_of_the_problem_and_nobody_else(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more["routes"] = routes(**FITTING, **OTHER)
    channels = [noc(http_receiver, name) for name in (*FITTING, *OTHER)]
    async with stage.at_work(**dict(ChainMap(*channels))):
        await down(stage)
        await heal(stage)
    told = {name: titles(http_receiver, name) for name in (*FITTING, *OTHER)}
    assert told == {name: [DOWN, AGAIN] for name in FITTING} | {name: [] for name in OTHER}


@pytest.mark.parametrize("match", [{"severity": "critical"}, {"status": "Down"}])
async def test_a_page_is_closed_though_no_route_takes_a_recovery(
    match: dict[str, Any], stage: Stage, fixed_hosts: FixedHosts
) -> None:
    stage.more["routes"] = routes(pager=match)
    async with stage.at_work(pager=PAGER):
        await down(stage)
        await heal(stage)
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_what_no_route_takes_is_told_to_nobody_and_kept(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["routes"] = routes(noc={"site": "fra-*"}, pager={"severity": "warning"})
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await heal(stage)
        incidents = [incident["id"] for incident in await stage.incidents()]
    assert (titles(http_receiver), paged(fixed_hosts)) == ([], [])
    assert incidents == [KEY]


async def test_every_matching_route_counts_and_each_channel_is_told_once(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.more["routes"] = [
        {"channels": ["noc", "mail"]},
        {"channels": ["mail"], "match": {"severity": "critical"}},
        {"channels": ["other"], "match": {"site": "fra-a"}},
    ]
    channels = noc(http_receiver) | noc(http_receiver, "mail") | noc(http_receiver, "other")
    async with stage.at_work(**channels):
        await down(stage)
    told = {name: titles(http_receiver, name) for name in channels}
    assert told == {"noc": [DOWN], "mail": [DOWN], "other": []}


async def test_a_channel_that_takes_only_the_worst_is_told_when_it_comes_to_that_and_of_its_end(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.more["severity"] = {"Unhealthy": "error"}
    stage.more["routes"] = routes(noc={}, pager={"severity": "critical"})
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Unhealthy", "Unhealthy")
        assert paged(fixed_hosts) == []
        await stage.polls(stage.link(), "Down")
        assert paged(fixed_hosts) == [("trigger", KEY)]
        await heal(stage)
    assert titles(http_receiver) == [
        UNHEALTHY,
        "icon-ams-01 is Down (was Unhealthy) #3",
        "icon-ams-01 is Healthy again after … (was Down) #4",
    ]
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]


async def test_an_operators_own_severity_is_what_the_pager_shows(stage: Stage, fixed_hosts: FixedHosts) -> None:
    stage.more["severity"] = {"Unhealthy": "error"}
    async with stage.at_work(pager=PAGER):
        await stage.polls(stage.link(), "Healthy", "Unhealthy", "Unhealthy")
    assert fixed_hosts.requests[0].json["payload"]["severity"] == "error"


async def test_a_channel_of_events_gets_the_document_of_a_cloudflare_webhook(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    stage.formats["noc"] = "event"
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await heal(stage)
    start, end = (request.json for request in taken(http_receiver))
    assert (start["name"], start["account_id"]) == (f"[production] {DOWN}", ACCOUNT)
    assert [each["alert_event"] for each in (start, end)] == ["ALERT_STATE_EVENT_START", "ALERT_STATE_EVENT_END"]
    assert start["alert_correlation_id"] == end["alert_correlation_id"] == KEY
    assert start["data"]["status"] == "Down"
    assert start["data"]["reason"] == "no light"
