"""What a poll costs: CPU per 1000 polls and memory of the whole service, beside the bare loop's, both at once.

`python -m benchmarks.cost [--short]`. Service and loops ask the same answerer at the same pace on the same core, and
are read at the same moments: whatever else the machine does meets all of them.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.answerer import Answerer
from benchmarks.figures import median, publish
from benchmarks.machine import OTHER, Process, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, bare_loop, folder, polled, settings

_INTERVAL_S = 10
_PER_ACCOUNT = 1000
_CASES, _WINDOWS = ((20, True), (200, True), (1000, True), (1000, False), (10_000, True)), 6  # links, with the page
_SHORT_CASES, _SHORT_WINDOWS = ((20, True), (1000, True), (1000, False)), 2


async def measure(links: int, windows: int, *, page: bool) -> dict[str, Any]:
    """Measure one size, with the status `page` or without; each window is one interval: one poll of each link."""
    count = max(1, links // _PER_ACCOUNT)
    accounts = [f"service-{place}" for place in range(count)]
    answerer = Answerer()
    for account in accounts:
        answerer.add(account, links // count, max(1, links // count // 2))
    loops = ("httpx", "transport")
    for loop in loops:
        answerer.add(loop, links, 1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        web: dict[str, Any] = {} if page else {"web": {"listen": None}}
        path = settings(stack.enter_context(folder()), answerer, accounts, interval=f"{_INTERVAL_S}s", **web)
        service = await stack.enter_async_context(at_work(Subject(path)))
        await polled(answerer, accounts, 2 * links)
        measured: dict[str, tuple[Process, list[str]]] = {"service": (service.process, accounts)}
        for loop in loops:
            bare = bare_loop(loop, answerer, loop, links, _INTERVAL_S)
            measured[loop] = (await stack.enter_async_context(bare), [loop])
        await polled(answerer, loops[-1:], links // 2)
        costs: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(windows):
            before = {name: _read(answerer, *each) for name, each in measured.items()}
            await asyncio.sleep(_INTERVAL_S)
            for name, each in measured.items():
                cpu_s, polls = _read(answerer, *each)
                costs[name].append((cpu_s - before[name][0]) / (polls - before[name][1]) * 1000)
        row = _row(costs, service.process, measured["httpx"][0])
    return {"links": links, "status_page": "yes" if page else "no"} | row


def _read(answerer: Answerer, process: Process, accounts: list[str]) -> tuple[float, int]:
    return process.cpu_s, sum(answerer.asked[account] for account in accounts)


def _row(costs: dict[str, list[float]], service: Process, bare: Process) -> dict[str, Any]:
    return {
        "service_s_per_1000": median(costs["service"]),
        "bare_httpx_s_per_1000": median(costs["httpx"]),
        "bare_transport_s_per_1000": median(costs["transport"]),
        "ratio_to_httpx": median([a / b for a, b in zip(costs["service"], costs["httpx"], strict=True)], 2),
        "ratio_to_transport": median([a / b for a, b in zip(costs["service"], costs["transport"], strict=True)], 2),
        "service_rss_mb": round(service.rss_mb, 1),
        "bare_rss_mb": round(bare.rss_mb, 1),
    }


async def main() -> None:
    """Measure every case."""
    pin(OTHER)
    cases, windows = (_SHORT_CASES, _SHORT_WINDOWS) if is_short() else (_CASES, _WINDOWS)
    rows = [await measure(links, windows, page=page) for links, page in cases]
    publish("cost", rows, interval=f"{_INTERVAL_S} s", windows=windows)


if __name__ == "__main__":
    asyncio.run(main())
