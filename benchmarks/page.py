"""What the status page costs while polling goes on: first byte and size, and what readers take from the polls.

`python -m benchmarks.page [--short]`. Windows with and without readers take turns in one run of one service, so that
whatever else the machine does meets both. Each reader asks for the whole page again a second after the last.
"""

import asyncio
import re
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

import httpx

from benchmarks.answerer import Answerer
from benchmarks.figures import median, publish, quantile
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, settings
from tests.support.process import until

_ACCOUNTS = 10
_LINKS, _SITES, _DOWN = 1000, 50, 2  # of each account
_SHORT_LINKS, _SHORT_SITES = 100, 5
_INTERVAL_S, _SHORT_INTERVAL_S = 60, 5
_ROUNDS, _SHORT_ROUNDS = 3, 2  # each without readers, then with
_READERS = 3
_PAUSE_S = 1


class Readers:
    """Ask for the page again and again; keeps how long the first byte took, and how much came."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.first_byte_ms: list[float] = []
        self.bytes: list[int] = []

    async def read(self, seconds: float) -> None:
        """Let all of them read for so long."""
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for place in range(_READERS):
                tasks.create_task(self._read(place * _PAUSE_S / _READERS, end))

    async def _read(self, start: float, end: float) -> None:
        await asyncio.sleep(start)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            while time.monotonic() < end:
                await self._once(client)
                await asyncio.sleep(_PAUSE_S)

    async def _once(self, client: httpx.AsyncClient) -> None:
        asked, came, first = time.monotonic(), 0, None
        async with client.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as answer:
            answer.raise_for_status()
            async for chunk in answer.aiter_raw():
                first = first or time.monotonic()
                came += len(chunk)
        assert first is not None
        self.first_byte_ms.append((first - asked) * 1000)
        self.bytes.append(came)


async def measure(links: int, sites: int, interval_s: int, rounds: int) -> dict[str, Any]:
    """Count polls in windows of one interval, in turn without readers and with them."""
    answerer = Answerer()
    accounts = [f"account-{place:02d}" for place in range(_ACCOUNTS)]
    named = [answerer.add(account, links, sites) for account in accounts]
    for each in named:
        answerer.set(each[:_DOWN], "Down")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        path = settings(stack.enter_context(folder()), answerer, accounts, interval=f"{interval_s}s")
        service = await stack.enter_async_context(at_work(Subject(path)))
        await polled(answerer, accounts, 2 * links * _ACCOUNTS)
        readers = Readers(f"http://{await _address(service)}/")
        polls: dict[bool, list[float]] = defaultdict(list)
        cpu: dict[bool, list[float]] = defaultdict(list)
        for turn in range(2 * rounds):
            read = bool(turn % 2)
            before, cpu_s, began = sum(answerer.asked.values()), service.process.cpu_s, time.monotonic()
            await (readers.read(interval_s) if read else asyncio.sleep(interval_s))
            lasted = time.monotonic() - began
            polls[read].append((sum(answerer.asked.values()) - before) / lasted)
            cpu[read].append((service.process.cpu_s - cpu_s) / lasted)
    return {
        "links": links * _ACCOUNTS,
        "sites": sites * _ACCOUNTS,
        "first_byte_p50_ms": quantile(readers.first_byte_ms, 0.5, 1),
        "first_byte_p95_ms": quantile(readers.first_byte_ms, 0.95, 1),
        "first_byte_max_ms": round(max(readers.first_byte_ms), 1),
        "kib": median([count / 1024 for count in readers.bytes], 1),
        "polls_a_second": median(polls[False], 1),
        "polls_a_second_with_readers": median(polls[True], 1),
        "ratio": median([a / b for a, b in zip(polls[True], polls[False], strict=True)]),
        "cpu": median(cpu[False]),
        "cpu_with_readers": median(cpu[True]),
        "pages": len(readers.bytes),
    }


async def _address(service: Subject) -> str:
    await until(lambda: "listening address=" in service.log, why=lambda: service.log)
    found = re.search(r"listening address=(\S+)", service.log)
    assert found is not None
    return found[1]


async def main() -> None:
    """Measure it."""
    pin(OTHER)
    short = is_short()
    links, sites = (_SHORT_LINKS, _SHORT_SITES) if short else (_LINKS, _SITES)
    interval_s, rounds = (_SHORT_INTERVAL_S, _SHORT_ROUNDS) if short else (_INTERVAL_S, _ROUNDS)
    rows = [await measure(links, sites, interval_s, rounds)]
    publish("page", rows, interval=f"{interval_s} s", readers=_READERS, down=_DOWN * _ACCOUNTS, database="sqlite")


if __name__ == "__main__":
    asyncio.run(main())
