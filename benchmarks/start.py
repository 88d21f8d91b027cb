"""How long a start takes: the imports alone, then the whole service with 10,000 known links up to its first poll.

`python -m benchmarks.start [--short]`. In CPU seconds, which another's load sways less than the clock; beside the
interpreter alone, and what no service of this kind can do without.
"""

import asyncio
import resource
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.answerer import Answerer
from benchmarks.figures import median, publish
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, settings
from tests.support.process import until

_IMPORTS = {
    "python alone": "pass",
    "httpx, aiohttp, SQLAlchemy": "import httpx_aiohttp, sqlalchemy.ext.asyncio",
    "notifier --help": "import notifier.cli",
    "notifier run": "import notifier.cli.run",
}
_ROUNDS, _SHORT_ROUNDS = 7, 3
_LINKS, _ACCOUNTS, _SHORT_LINKS = 10_000, 20, 1000


def import_times(rounds: int) -> list[dict[str, Any]]:
    """Import each in a process of its own, in turn."""
    found: dict[str, list[tuple[float, float]]] = {what: [] for what in _IMPORTS}
    for _ in range(rounds + 1):
        for what, code in _IMPORTS.items():
            before, began = _children_s(), time.perf_counter()
            subprocess.run([sys.executable, "-c", code], env={"PYTHONDONTWRITEBYTECODE": ""}, check=True)
            found[what].append((_children_s() - before, time.perf_counter() - began))
    return [
        {
            "what": f"import: {what}",
            "cpu_s": median([cpu_s for cpu_s, _ in each[1:]]),  # the first one compiles
            "wall_s": median([wall_s for _, wall_s in each[1:]]),
            "polls_in_the_first_second": None,
        }
        for what, each in found.items()
    ]


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def first_poll(links: int) -> dict[str, Any]:
    """Start it with links that it knows, and see when it first asks."""
    answerer = Answerer(keep=True)
    accounts = [f"account-{place:02d}" for place in range(_ACCOUNTS)]
    for account in accounts:
        answerer.add(account, links // _ACCOUNTS, 25)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        place = stack.enter_context(folder())
        async with at_work(Subject(settings(place, answerer, accounts, interval="10s"))):
            await polled(answerer, accounts, links)
        asked, began = len(answerer.times), time.time()
        again = Subject(settings(place, answerer, accounts, interval="60s"))
        async with at_work(again, known=True):
            await until(lambda: len(answerer.times) > asked)
            cpu_s, first = again.process.cpu_s, answerer.times[asked]
            await asyncio.sleep(1)
            burst = sum(first <= at < first + 1 for at in answerer.times[asked:])
    return {
        "what": f"first poll of {links} known links",
        "cpu_s": cpu_s,
        "wall_s": round(first - began, 2),
        "polls_in_the_first_second": burst,
    }


async def main() -> None:
    """Measure imports and starts."""
    pin(OTHER)
    rounds, links = (_SHORT_ROUNDS, _SHORT_LINKS) if is_short() else (_ROUNDS, _LINKS)
    rows = [*import_times(rounds), await first_poll(links)]
    publish("start", rows, accounts=_ACCOUNTS, interval="60 s")


if __name__ == "__main__":
    asyncio.run(main())
