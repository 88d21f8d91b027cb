"""Whether a poll costs the same whatever the number of links, and what memory a link takes.

`python -m benchmarks.growth [--short]`. 100 to 10,000 links of one account at one rate of polls, all at once on one
core, read at the same moments.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.answerer import Answerer
from benchmarks.figures import median, publish
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, settings

_SIZES, _A_SECOND = (100, 1000, 10_000), 100
_RECHECK = "1s"  # the schedule's step follows from it; the same for all
_WINDOW_S, _WINDOWS, _SHORT_WINDOWS = 20, 6, 2


async def measure(windows: int) -> list[dict[str, Any]]:
    """Measure all sizes at once."""
    answerer = Answerer()
    costs: dict[int, list[float]] = {links: [] for links in _SIZES}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        services: dict[int, Subject] = {}
        for links in _SIZES:
            answerer.add(str(links), links, links // 20)
            poll = {"interval": f"{links // _A_SECOND}s", "recheck": _RECHECK}
            path = settings(stack.enter_context(folder()), answerer, [str(links)], poll=poll)
            services[links] = await stack.enter_async_context(at_work(Subject(path)))
        await polled(answerer, [str(_SIZES[-1])], _SIZES[-1])
        for _ in range(windows):
            before = {links: (service.process.cpu_s, answerer.asked[str(links)]) for links, service in services.items()}
            await asyncio.sleep(_WINDOW_S)
            for links, service in services.items():
                cpu_s, polls = before[links]
                costs[links].append((service.process.cpu_s - cpu_s) / (answerer.asked[str(links)] - polls) * 1000)
        memory = {links: service.process.rss_mb for links, service in services.items()}
    fewest = _SIZES[0]
    return [
        {
            "links": links,
            "s_per_1000_polls": median(costs[links]),
            "ratio_to_100_links": median([a / b for a, b in zip(costs[links], costs[fewest], strict=True)], 2),
            "rss_mb": round(memory[links], 1),
            "kb_a_link": round((memory[links] - memory[fewest]) / (links - fewest) * 1000, 1)
            if links > fewest
            else None,
        }
        for links in _SIZES
    ]


async def main() -> None:
    """Measure, and print it."""
    pin(OTHER)
    publish("growth", await measure(_SHORT_WINDOWS if is_short() else _WINDOWS), polls_a_second=_A_SECOND)


if __name__ == "__main__":
    asyncio.run(main())
