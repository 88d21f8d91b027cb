"""How many polls a second one core carries: 10,000 links of 20 accounts, each every 4 s.

`python -m benchmarks.sustained [--short]`. In turn with the bare loop, without a pause, on the same core. Where the
core is shared with others, polls per CPU second say what it would carry alone.
"""

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.answerer import Answerer
from benchmarks.figures import median, publish
from benchmarks.machine import OTHER, Process, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, bare_loop, folder, polled, settings

_LINKS, _ACCOUNTS, _SITES = 500, 20, 25  # links and sites: of each account
_WINDOW_S = 10
_ROUNDS, _SHORT_ROUNDS = 3, 1
_WINDOWS = 3
_USUAL = "60s"
_HASTY = "4s"  # 2,500 polls a second; where a core can't nearly keep the pace, each poll ends a gap, which is recorded
_LOOPS = ("httpx", "transport")

Rates = defaultdict[str, list[tuple[float, float, float]]]  # polls a second, of CPU second; share of the core


async def read(answerer: Answerer, process: Process, accounts: list[str]) -> tuple[float, float, float]:
    """Measure one window."""
    cpu_s, polls = process.cpu_s, _polls(answerer, accounts)
    await asyncio.sleep(_WINDOW_S)
    polls, cpu_s = _polls(answerer, accounts) - polls, process.cpu_s - cpu_s
    return polls / _WINDOW_S, polls / cpu_s, cpu_s / _WINDOW_S


def _polls(answerer: Answerer, accounts: list[str]) -> int:
    return sum(answerer.asked[account] for account in accounts)


async def measure(rounds: int) -> list[dict[str, Any]]:
    """Measure service and loops in turn."""
    answerer, rates = Answerer(), Rates(list)
    accounts = [f"account-{place:02d}" for place in range(_ACCOUNTS)]
    for account in accounts:
        answerer.add(account, _LINKS, _SITES)
    for loop in _LOOPS:
        answerer.add(loop, _LINKS * _ACCOUNTS, 1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        place = stack.enter_context(folder())
        for interval in (_USUAL, *[_HASTY] * rounds):
            path = settings(place, answerer, accounts, interval=interval)
            polls = _polls(answerer, accounts)
            async with at_work(Subject(path)) as service:
                await polled(answerer, accounts, polls + _LINKS * _ACCOUNTS)
                what = f"service, each {interval}"
                rates[what] += [await read(answerer, service.process, accounts) for _ in range(_WINDOWS)]
            for loop in _LOOPS if interval != _USUAL else ():
                async with bare_loop(loop, answerer, loop, _LINKS * _ACCOUNTS, 0) as process:
                    await polled(answerer, [loop], answerer.asked[loop] + 1000)
                    rates[f"bare {loop}"] += [await read(answerer, process, [loop]) for _ in range(_WINDOWS)]
    return [
        {
            "what": what,
            "polls_a_second": median([each[0] for each in found], 0),
            "polls_a_cpu_second": median([each[1] for each in found], 0),
            "share_of_the_core": median([each[2] for each in found]),
        }
        for what, found in rates.items()
    ]


async def main() -> None:
    """Measure at the usual pace, and in haste."""
    pin(OTHER)
    publish("sustained", await measure(_SHORT_ROUNDS if is_short() else _ROUNDS), links=_LINKS * _ACCOUNTS, accounts=20)


if __name__ == "__main__":
    asyncio.run(main())
