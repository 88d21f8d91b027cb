"""How fast incidents are delivered to a receiver that takes 100 ms for each, and whether their order is kept.

`python -m benchmarks.delivering [--short]`. Links at sites of their own go Down while the receiver holds its first
answers back, so that all pages are recorded before they can be sent: how fast they come in would else bound it. They
come back while half the pages are still to be sent. PagerDuty is stood in for at its own address, over TLS, behind a
proxy.
"""

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import trustme

from benchmarks.answerer import Answerer
from benchmarks.figures import publish
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, postgresql, settings
from tests.support.process import until
from tests.support.receivers import PAGERDUTY, FixedHosts
from tests.support.scenes import PAGER

_TAKES_S = 0.1
_HELD_S = 9  # two intervals, and the recording
_INTERVAL_S = 4
_AT_ONCE = 32  # to one channel: what is held back
_LINKS, _SHORT_LINKS = 2000, 600
_CASES = (("sqlite", 1), ("sqlite", 3), ("postgresql", 1))  # database, channels


async def measure(kind: str, pagers: int, links: int) -> dict[str, Any]:
    """Count what arrives from the moment at which the receiver takes the next page until it has half of them."""
    answerer, hosts = Answerer(), FixedHosts()
    named = answerer.add("account", links, links)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        place = stack.enter_context(folder())
        await stack.enter_async_context(hosts.standing_in(trustme.CA(), place))
        url = stack.enter_context(postgresql()).create_database() if kind == "postgresql" else None
        pager = f"{PAGER}?rto={2 * _HELD_S}"
        channels = {f"pager-{place}": pager.replace("routingkey0", f"routingkey{place}") for place in range(pagers)}
        path = settings(
            place,
            answerer,
            ["account"],
            interval=f"{_INTERVAL_S}s",
            database=url,
            channels=channels,
            detection={"confirm": 1, "recover": 1, "recover_for": "0s"},
            group={"wait": "0s"},
        )
        service = await stack.enter_async_context(at_work(Subject(path, environ=hosts.environment)))
        await polled(answerer, ["account"], 2 * links)
        _take(hosts, _HELD_S)
        answerer.set(named, "Down")
        await polled(answerer, ["account"], answerer.asked["account"] + 2 * links)
        _take(hosts, _TAKES_S)
        await until(lambda: len(hosts.requests) > _AT_ONCE * pagers)
        cpu_s = service.process.cpu_s
        await until(lambda: len(hosts.requests) >= links * pagers // 2, within=600)
        cpu_s = service.process.cpu_s - cpu_s
        answerer.set(named, "Healthy")
        await until(lambda: _is_over(hosts, links * pagers), within=600)
    sent = hosts.to(PAGERDUTY)[_AT_ONCE * pagers : links * pagers // 2]
    took_s = (sent[-1].at - sent[0].at).total_seconds()
    return {
        "database": kind,
        "channels": pagers,
        "deliveries": len(sent),
        "a_second": round(len(sent) / took_s, 1),
        "cpu_ms_each": round(cpu_s / len(sent) * 1000, 2),
        "in_all": len(hosts.requests),
        "out_of_order": _out_of_order(hosts),
    }


def _take(hosts: FixedHosts, seconds: float) -> None:
    """Take so long for an answer from now on."""
    hosts.usual_for[PAGERDUTY] = replace(hosts.usual_for[PAGERDUTY], delay_s=seconds)


def _is_over(hosts: FixedHosts, expected: int) -> bool:
    """Whether every incident that was opened is closed, and most were opened: some may have ended untold (R17)."""
    events = [request.json for request in hosts.requests]
    opened = [event["event_action"] for event in events].count("trigger")
    return opened >= expected // 2 and len(events) == 2 * opened


def _out_of_order(hosts: FixedHosts) -> int:
    """Count the incidents that were closed before they were opened, or more than once."""
    heard: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for request in hosts.to(PAGERDUTY):
        event = request.json
        heard[event["routing_key"], event["dedup_key"]].append(event["event_action"])
    return sum(each != ["trigger", "resolve"] for each in heard.values())


async def main() -> None:
    """Measure every case."""
    pin(OTHER)
    links, cases = (_SHORT_LINKS, _CASES[:2]) if is_short() else (_LINKS, _CASES)
    rows = [await measure(kind, pagers, links) for kind, pagers in cases]
    publish("delivering", rows, receiver_takes=f"{_TAKES_S * 1000:g} ms", links=links)


if __name__ == "__main__":
    asyncio.run(main())
