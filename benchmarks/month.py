"""How long a month's report takes where a year is on record on PostgreSQL, in each form.

`python -m benchmarks.month [--short]`. The command as people run it, a process each time: its imports are part of
it. The year is made by the server, with what a report does not read too: ten million observations.
"""

import asyncio
import resource
import time
from datetime import timedelta
from typing import Any

from benchmarks.figures import median, publish
from benchmarks.machine import MEASURED, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import folder, postgresql
from notifier.adapters.database.database import SqlDatabase
from tests.support.process import configure, notifier
from tests.support.year import fill

_LINKS, _TRANSITIONS, _OBSERVATIONS = 1000, 1_000_000, 10_000_000
_SHORT_LINKS, _SHORT_TRANSITIONS, _SHORT_OBSERVATIONS = 200, 100_000, 200_000
_ACCOUNTS = [{"id": f"account-{place}", "name": f"account-{place}", "token": "a-token"} for place in range(2)]
_AS_INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}  # compiled once, not at each start
_TOLD = timedelta(days=90)
_ROUNDS, _SHORT_ROUNDS = 3, 2
_OCTOBER, _NOVEMBER = ("2026-10-01", "2026-11-01"), ("2025-11-01", "2025-12-01")
_CASES = (
    ("last month, md", (*_OCTOBER, "md")),
    ("last month, csv", (*_OCTOBER, "csv")),
    ("last month, json", (*_OCTOBER, "json")),
    ("last month, html", (*_OCTOBER, "html")),
    ("a year ago, md", (*_NOVEMBER, "md")),
    ("one interconnect, md", (*_OCTOBER, "md", "--account", "account-0", "--interconnect", "icon-00001")),
)


async def measure(links: int, transitions: int, observations: int, rounds: int) -> list[dict[str, Any]]:
    """Fill a database, and ask it."""
    with postgresql() as server:
        url = server.create_database()
        database = SqlDatabase(url)
        await database.prepare(migrate=True)
        await database.close()
        await fill(url, links=links, transitions=transitions, observations=observations, told=_TOLD)
        return await ask(url, rounds)


async def ask(url: str, rounds: int) -> list[dict[str, Any]]:
    """Ask for each case so many times; `cpu_s` is the command's, without the server's."""
    rows = []
    with folder() as place:
        path = configure(
            place, url, "http://127.0.0.1:1/client/v4", {"nobody": "json://127.0.0.1:9/"}, accounts=_ACCOUNTS
        )
        for what, (begin, end, form, *narrowed) in _CASES:
            wall, cpu, size = list[float](), list[float](), 0
            for _ in range(rounds):
                began, used = time.monotonic(), _children_s()
                asked = ("report", "--from", begin, "--to", end, "--format", form, *narrowed)
                ran = await notifier("--config", str(path), *asked, folder=place, environ=_AS_INSTALLED)
                wall.append(time.monotonic() - began)
                cpu.append(_children_s() - used)
                assert ran.code == 0, ran
                size = len(ran.stdout)
            rows.append({"what": what, "s": median(wall), "cpu_s": median(cpu), "s_longest": round(max(wall), 3)})
            rows[-1]["kib"] = size // 1024
    return rows


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    """Measure it."""
    pin(MEASURED)
    if is_short():
        size, rounds = (_SHORT_LINKS, _SHORT_TRANSITIONS, _SHORT_OBSERVATIONS), _SHORT_ROUNDS
    else:
        size, rounds = (_LINKS, _TRANSITIONS, _OBSERVATIONS), _ROUNDS
    links, transitions, observations = size
    rows = await measure(*size, rounds)
    publish("month", rows, links=links, transitions=transitions, observations=observations, database="postgresql")


if __name__ == "__main__":
    asyncio.run(main())
