"""What several replicas on one PostgreSQL carry together, and what they ask of it meanwhile.

`python -m benchmarks.replicas [--short]`. The same links and rate of polls, shared out among 1, 2 and 4 replicas: the
CPU that all of them take for a poll, and the database's transactions. Then as fast as it goes, with a core for each of
two replicas, which they share with the answerer and the database. Four cores would be needed to see four replicas work
at once: what can be seen here is that nothing they do grows with their number.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from benchmarks.answerer import Answerer
from benchmarks.figures import median, publish
from benchmarks.machine import MEASURED, OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, postgresql, settings
from tests.support.process import until

_ACCOUNTS, _SITES = 20, 25  # sites: of each account
_LINKS, _SHORT_LINKS = 5000, 100  # of each account
_WINDOW_S, _WINDOWS = 20, 3
_A_SECOND = 400


async def measure(replicas: int, links: int, interval: str, url: str) -> dict[str, Any]:
    """Let so many replicas share the work, until every account has its watcher; then read some windows."""
    answerer, total = Answerer(), links * _ACCOUNTS
    accounts = [f"account-{place:02d}" for place in range(_ACCOUNTS)]
    for account in accounts:
        answerer.add(account, links, _SITES)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        services = []
        for place in range(replicas):
            path = settings(stack.enter_context(folder()), answerer, accounts, interval=interval, database=url)
            core = (MEASURED, OTHER)[place % 2]
            services.append(await stack.enter_async_context(at_work(Subject(path, core=core))))
        await until(lambda: sum(answerer.asked.values()) >= total and _shared(services, replicas), within=900)
        polls, cpu_s, transactions = [], [], []
        for _ in range(_WINDOWS):
            before = await _read(answerer, services, url)
            await asyncio.sleep(_WINDOW_S)
            now = await _read(answerer, services, url)
            polls.append(now[0] - before[0])
            cpu_s.append(now[1] - before[1])
            transactions.append(now[2] - before[2])
        memory = [round(service.process.rss_mb, 1) for service in services]
    return {
        "replicas": replicas,
        "interval": interval,
        "polls_a_second": median([each / _WINDOW_S for each in polls], 1),
        "cpu_s_per_1000_polls": median([a / b * 1000 for a, b in zip(cpu_s, polls, strict=True)]),
        "polls_a_cpu_second": median([b / a for a, b in zip(cpu_s, polls, strict=True)], 0),
        "transactions_a_second": median([each / _WINDOW_S for each in transactions], 1),
        "rss_mb": max(memory),
    }


def _shared(services: list[Subject], replicas: int) -> bool:
    """Whether each holds its share of the accounts by now."""
    held = [service.log.count("account taken") - service.log.count("account given up") for service in services]
    return held == [_ACCOUNTS // replicas] * replicas


async def _read(answerer: Answerer, services: list[Subject], url: str) -> tuple[int, float, int]:
    connection = await asyncpg.connect(url)
    try:
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        committed = await connection.fetchval(query)
    finally:
        await connection.close()
    return sum(answerer.asked.values()), sum(service.process.cpu_s for service in services), committed


async def main() -> None:
    """Measure every number of replicas."""
    pin(OTHER)
    links = _SHORT_LINKS if is_short() else _LINKS
    paced = f"{links * _ACCOUNTS // _A_SECOND}s"
    cases = [(1, paced), (2, paced)] if is_short() else [(1, paced), (2, paced), (4, paced), (1, "1s"), (2, "1s")]
    with postgresql() as server:
        url = server.create_database()
        rows = [await measure(replicas, links, interval, url) for replicas, interval in cases]
    publish("replicas", rows, accounts=_ACCOUNTS, links=links * _ACCOUNTS, cores=len({MEASURED, OTHER}))


if __name__ == "__main__":
    asyncio.run(main())
