"""The floor: ask, decode, compare in memory, and nothing else. `python -m benchmarks.bare CLIENT URL ACCOUNT LINKS S`.

The same HTTP client as the service's: each second all that is due in it, ten at a time, which the service spreads
over the second. With an interval S of 0 seconds without a pause. CLIENT says how it is used: through `httpx` whole,
or its `transport` called directly.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle, islice

import httpx
from httpx_aiohttp import AiohttpTransport

Ask = Callable[[str], Awaitable[bytes]]

_AT_ONCE = 10
_AT_A_TIME = 100  # without a pause


async def _httpx(base: str) -> Ask:
    client = httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False, timeout=None)  # noqa: S113 - the floor

    async def ask(name: str) -> bytes:
        return (await client.get(f"{base}/{name}/status")).content

    return ask


async def _transport(base: str) -> Ask:
    transport, headers = AiohttpTransport(), {"Host": httpx.URL(base).netloc.decode(), "Accept": "application/json"}

    async def ask(name: str) -> bytes:
        answer = await transport.handle_async_request(httpx.Request("GET", f"{base}/{name}/status", headers=headers))
        return await answer.aread()

    return ask


async def watch(ask: Ask, names: list[str], interval_s: float) -> None:
    """Ask for ever."""
    loop, turns, states, owed = asyncio.get_running_loop(), cycle(names), dict.fromkeys(names, ""), 0.0

    async def work(due: Iterator[str]) -> None:
        for name in due:
            state = json.loads(await ask(name))["state"]
            if state != states[name]:
                states[name] = state

    while True:
        began = loop.time()
        owed += len(names) / interval_s if interval_s else _AT_A_TIME
        due = islice(turns, int(owed))
        owed %= 1
        async with asyncio.TaskGroup() as workers:
            for _ in range(_AT_ONCE):
                workers.create_task(work(due))
        if interval_s:
            await asyncio.sleep(max(0.0, began + 1 - loop.time()))


async def _main(client: str, url: str, account: str, links: int, interval_s: float) -> None:
    ask = await {"httpx": _httpx, "transport": _transport}[client](f"{url}/accounts/{account}/cni/interconnects")
    await watch(ask, [f"icon-{place:05d}" for place in range(links)], interval_s)


if __name__ == "__main__":
    how, where, whose, number, each = sys.argv[1:]
    asyncio.run(_main(how, where, whose, int(number), float(each)))
