"""After a restart: how long until every known link was polled again, and how evenly that was spread.

`python -m benchmarks.restart [--short]`. Killed, and started again; the time counts from the start of the process.
"""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.answerer import Answerer
from benchmarks.figures import publish
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, settings
from tests.support.process import until

_INTERVAL_S = 10
_PER_ACCOUNT = 1000
_SIZES, _SHORT_SIZES = (200, 1000, 10_000), (200,)


async def measure(links: int) -> dict[str, Any]:
    """Kill it in the middle of its work, and see when it has asked everything again."""
    count = max(1, links // _PER_ACCOUNT)
    answerer = Answerer(keep=True)
    accounts = [f"account-{place:02d}" for place in range(count)]
    for account in accounts:
        answerer.add(account, links // count, links // count // 2)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        path = settings(stack.enter_context(folder()), answerer, accounts, interval=f"{_INTERVAL_S}s")
        first = await stack.enter_async_context(at_work(Subject(path)))
        await polled(answerer, accounts, 2 * links)
        await first.kill()
        asked, began = len(answerer.times), time.time()
        await stack.enter_async_context(at_work(Subject(path, "again"), known=True))
        await until(lambda: len(set(answerer.links[asked:])) == links, within=120)
        again = _first_polls(answerer, asked)
    a_second = Counter(int(at - began) for at in again)
    return {
        "links": links,
        "first_poll_after_s": round(min(again) - began, 2),
        "every_link_after_s": round(max(again) - began, 2),
        "from_first_to_last_s": round(max(again) - min(again), 2),
        "most_in_a_second": max(a_second.values()),
        "evenly_spread_would_be": links // _INTERVAL_S,
    }


def _first_polls(answerer: Answerer, since: int) -> list[float]:
    first: dict[int, float] = {}
    for at, link in zip(answerer.times[since:], answerer.links[since:], strict=True):
        first.setdefault(link, at)
    return list(first.values())


async def main() -> None:
    """Measure every size."""
    pin(OTHER)
    rows = [await measure(links) for links in (_SHORT_SIZES if is_short() else _SIZES)]
    publish("restart", rows, interval=f"{_INTERVAL_S} s")


if __name__ == "__main__":
    asyncio.run(main())
