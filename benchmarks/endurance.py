"""A day in half an hour: as many polls as 250 links have in 24 hours, one a second each; what grows, what drifts.

`python -m benchmarks.endurance [--short]`. Links change now and then. The drift is that of the schedule: how far the
mean time between two polls of a link is from the interval.
"""

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.answerer import Answerer
from benchmarks.figures import median, publish
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, settings
from tests.support.receivers import HttpReceiver

_LINKS = 250
_LASTS_S, _SHORT_LASTS_S = 1800, 90
_LOOK_S, _CHANGE_EACH_S = 5, 15


async def measure(seconds: int) -> tuple[dict[str, Any], list[tuple[int, float, int]]]:
    """Let it run; return the row, and the looks: seconds since the start, memory, descriptors."""
    answerer, receiver = Answerer(keep=True), HttpReceiver()
    named = answerer.add("account", _LINKS, _LINKS // 2)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        await stack.enter_async_context(receiver.running())
        poll = {"interval": "1s", "recheck": "1s"}
        channels = {"noc": f"json://{receiver.address}/"}
        path = settings(stack.enter_context(folder()), answerer, ["account"], poll=poll, channels=channels)
        service = await stack.enter_async_context(at_work(Subject(path)))
        await polled(answerer, ["account"], 5 * _LINKS)
        looks, began, cpu_s, asked = [], time.time(), service.process.cpu_s, len(answerer.times)
        for turn in range(seconds // _LOOK_S):
            await asyncio.sleep(_LOOK_S)
            looks.append((round(time.time() - began), round(service.process.rss_mb, 1), service.process.descriptors))
            if turn % (_CHANGE_EACH_S // _LOOK_S) == 0:
                link, state = turn // 3 % _LINKS, "Down" if turn // 3 // _LINKS % 2 == 0 else "Healthy"
                answerer.set([named[link]], state)
        cpu_s = service.process.cpu_s - cpu_s
    polls = len(answerer.times) - asked
    third = len(looks) // 3
    row: dict[str, Any] = {
        "polls": polls,
        "polls_of_one_link_a_day_at_60_s": round(polls / 1440),
        "rss_first_third_mb": median([rss for _, rss, _ in looks[:third]], 1),
        "rss_last_third_mb": median([rss for _, rss, _ in looks[-third:]], 1),
        "descriptors_first_third": median([found for *_, found in looks[:third]], 0),
        "descriptors_last_third": median([found for *_, found in looks[-third:]], 0),
        "drift_percent": round(100 * _drift(answerer, asked), 3),
        "messages": len(receiver.requests),
        "cpu_s_per_1000_polls": round(cpu_s / polls * 1000, 3),
    }
    return row, looks


def _drift(answerer: Answerer, since: int) -> float:
    """Return by which part the median link's mean interval is longer than a second."""
    times: defaultdict[int, list[float]] = defaultdict(list)
    for at, link in zip(answerer.times[since:], answerer.links[since:], strict=True):
        times[link].append(at)
    return median([(each[-1] - each[0]) / (len(each) - 1) - 1 for each in times.values()], 6)


async def main() -> None:
    """Measure, and print it."""
    pin(OTHER)
    row, looks = await measure(_SHORT_LASTS_S if is_short() else _LASTS_S)
    step = max(1, len(looks) // 60)
    publish("endurance", [row | {"looks": looks[::step]}], links=_LINKS, interval="1 s")


if __name__ == "__main__":
    asyncio.run(main())
