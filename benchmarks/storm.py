"""The worst hour: 10,000 links at 500 sites of 20 accounts go Down in one round, on SQLite and on PostgreSQL.

`python -m benchmarks.storm [--short]`. As configured by default, but for `group.wait` (nothing gathers), with a
webhook and a pager. The database is watched from outside, every so often, by a connection of its own.
"""

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import trustme

from benchmarks.answerer import Answerer
from benchmarks.figures import publish, quantile
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, postgresql, settings
from tests.support.process import until
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver
from tests.support.scenes import PAGER

_ACCOUNTS, _SITES, _INTERVAL_S = 20, 25, 60  # sites: of each account
_LINKS, _SHORT_LINKS = 500, 50  # of each account
_LOOK_S = 0.2
_COUNT = "SELECT count(*) FROM transitions WHERE number > 1"
_WHEN = "SELECT confirmed_at FROM transitions WHERE number > 1 ORDER BY id"

Ask = Callable[[str], Awaitable[list[Any]]]


class Lookout:
    """Looks at the database from outside: how many transitions are on record, and since when."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._looks: list[tuple[float, int]] = []

    @property
    def recorded(self) -> int:
        """How many there were at the last look."""
        return self._looks[-1][1] if self._looks else 0

    @property
    def at(self) -> float:
        """When that was."""
        return self._looks[-1][0]

    async def run(self) -> None:
        """Look again and again."""
        while True:
            [count] = await self._ask(_COUNT)
            self._looks.append((time.time(), count))
            await asyncio.sleep(_LOOK_S)

    async def delays(self) -> list[float]:
        """Return, for each transition, how long after it was observed it was on record."""
        found: list[float] = []
        looks = iter(self._looks)
        at, count = next(looks)
        for place, confirmed in enumerate(await self._ask(_WHEN)):
            while count <= place:
                at, count = next(looks)
            found.append(max(0.0, at - confirmed.timestamp()))
        return found


async def measure(kind: str, links: int) -> dict[str, Any]:
    """Let everything go Down at once, and see what becomes of it."""
    answerer, receiver, total = Answerer(keep=True), HttpReceiver(), links * _ACCOUNTS
    accounts = [f"account-{place:02d}" for place in range(_ACCOUNTS)]
    named = [link for account in accounts for link in answerer.add(account, links, _SITES)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        await stack.enter_async_context(receiver.running())
        place = stack.enter_context(folder())
        hosts = await stack.enter_async_context(FixedHosts().standing_in(trustme.CA(), place))
        url, ask = await _database(stack, kind, place)
        channels = {"noc": f"json://{receiver.address}/", "pager": PAGER}
        interval = f"{_INTERVAL_S}s"
        path = settings(
            place, answerer, accounts, interval=interval, database=url, channels=channels, group={"wait": "0s"}
        )
        service = await stack.enter_async_context(at_work(Subject(path, environ=hosts.environment)))
        await polled(answerer, accounts, total + 100)
        await asyncio.sleep(5)
        rss_mb, cpu_s, lookout = service.process.rss_mb, service.process.cpu_s, Lookout(ask)
        looking = asyncio.create_task(lookout.run())
        began = time.time()
        answerer.set(named, "Down")
        await until(lambda: lookout.recorded >= total, within=900)
        looking.cancel()
        cpu_s = service.process.cpu_s - cpu_s
        delays = await lookout.delays()
        await asyncio.sleep(_INTERVAL_S)
        paged = [request.at.timestamp() for request in hosts.to(PAGERDUTY)]
        return {
            "database": kind,
            "links": total,
            "observed_to_recorded_p50_s": quantile(delays, 0.5, 2),
            "observed_to_recorded_max_s": round(max(delays), 2),
            "all_recorded_after_s": round(lookout.at - began, 1),
            "confirmed_to_first_message_s": round(_first(receiver, paged) - await _confirmed(ask), 2),
            "longest_without_poll_s": round(_longest_wait(answerer, began), 1),
            "cpu_s": round(cpu_s, 1),
            "rss_before_mb": round(rss_mb, 1),
            "rss_peak_mb": round(service.process.peak_mb, 1),
            "rss_after_mb": round(service.process.rss_mb, 1),
        }


async def _confirmed(ask: Ask) -> float:
    return float(min(at.timestamp() for at in await ask(_WHEN)))


def _first(receiver: HttpReceiver, paged: list[float]) -> float:
    return min([request.at.timestamp() for request in receiver.requests] + paged)


def _longest_wait(answerer: Answerer, since: float) -> float:
    """Return the longest time from one poll of a link to its next."""
    last: dict[int, float] = {}
    longest: defaultdict[int, float] = defaultdict(float)
    for at, link in zip(answerer.times, answerer.links, strict=True):
        if at > since and link in last:
            longest[link] = max(longest[link], at - last[link])
        last[link] = at
    return max(longest.values())


async def _database(stack: AsyncExitStack, kind: str, place: Path) -> tuple[str, Ask]:
    """Return the URL of an empty database, and a way to ask it from outside; moments are aware."""
    if kind == "postgresql":
        url = stack.enter_context(postgresql()).create_database()

        async def ask_server(query: str) -> list[Any]:
            connection = await asyncpg.connect(url)
            try:
                return [row[0] for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return url, ask_server

    def ask_file(query: str) -> list[Any]:
        with sqlite3.connect(f"file:{place}/notifier.db?mode=ro", uri=True) as connection:
            return [_aware(row[0]) for row in connection.execute(query)]

    async def ask(query: str) -> list[Any]:
        return await asyncio.to_thread(ask_file, query)

    return f"sqlite:///{place}/notifier.db", ask


def _aware(value: Any) -> Any:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


async def main() -> None:
    """Measure on both databases."""
    pin(OTHER)
    links = _SHORT_LINKS if is_short() else _LINKS
    rows = [await measure(kind, links) for kind in ("sqlite", "postgresql")]
    publish("storm", rows, accounts=_ACCOUNTS, sites=_ACCOUNTS * _SITES, interval=f"{_INTERVAL_S} s", confirm=2)


if __name__ == "__main__":
    asyncio.run(main())
