"""How long a change takes to be told: from the answer that shows it, and from when it came about, to the receiver.

`python -m benchmarks.latency [--short]`. Links change one by one at random moments; everything between answer and
message is as in use: the decision, the committed outbox on SQLite, the claim, the request.
"""

import asyncio
import random
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.answerer import Answerer
from benchmarks.figures import publish, quantile
from benchmarks.machine import OTHER, pin
from benchmarks.measuring import is_short
from benchmarks.subjects import Subject, at_work, folder, polled, settings
from tests.support.process import until
from tests.support.receivers import HttpReceiver

_INTERVAL_S = 10
_EACH_S = 0.75  # between two changes
_CHANGES, _SHORT_CHANGES = 200, 30
_CASES = ((20, 1, "15s"), (200, 1, "15s"), (1000, 1, "15s"), (200, 2, "1s"))  # links, confirm, recheck
_SHORT_CASES = _CASES[1:2]


async def measure(links: int, confirm: int, recheck: str, changes: int) -> dict[str, Any]:
    """Let links change, in turn, and see when each change was first shown, and when it was told."""
    answerer, receiver = Answerer(), HttpReceiver()
    named = answerer.add("account", links, links)
    detection = {"confirm": confirm, "recover": confirm, "recover_for": "0s", "flapping": {"changes": 100}}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        await stack.enter_async_context(receiver.running())
        path = settings(
            stack.enter_context(folder()),
            answerer,
            ["account"],
            channels={"noc": f"json://{receiver.address}/"},
            detection=detection,
            group={"wait": "0s", "storm": {"messages": 1_000_000}},
            poll={"interval": f"{_INTERVAL_S}s", "recheck": recheck},
        )
        await stack.enter_async_context(at_work(Subject(path)))
        await polled(answerer, ["account"], 2 * links)
        changed: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        for turn in range(changes):
            link = named[turn % links]
            answerer.set([link], "Healthy" if turn // links % 2 else "Down")
            changed[link[1]].append((time.time(), 0.0))
            await asyncio.sleep(random.uniform(0, 2 * _EACH_S))  # noqa: S311 - no secret
            _note_shown(answerer, changed)
        await until(lambda: len(receiver.requests) >= changes)
        _note_shown(answerer, changed)
    row = {"links": links, "confirm": confirm, "recheck": recheck} | _row(changed, receiver)
    # The answer that confirms is a later one.
    return row if confirm == 1 else {name: None if "shown" in name else value for name, value in row.items()}


def _note_shown(answerer: Answerer, changed: dict[str, list[tuple[float, float]]]) -> None:
    """Put down when a link's last change was first answered."""
    for (_, name), at in answerer.shown.items():
        came_about, _ = changed[name][-1]
        changed[name][-1] = (came_about, at)


def _row(changed: dict[str, list[tuple[float, float]]], receiver: HttpReceiver) -> dict[str, Any]:
    told: defaultdict[str, list[float]] = defaultdict(list)
    for request in receiver.requests:
        told[request.json["notification"]["subject"]].append(request.at.timestamp())
    pairs = [(*one, at) for name, each in changed.items() for one, at in zip(each, told[name], strict=True)]
    shown_ms = [(at - shown) * 1000 for _, shown, at in pairs]
    change_s = [at - came_about for came_about, _, at in pairs]
    return {
        "shown_to_told_p50_ms": quantile(shown_ms, 0.5, 1),
        "shown_to_told_p95_ms": quantile(shown_ms, 0.95, 1),
        "shown_to_told_p99_ms": quantile(shown_ms, 0.99, 1),
        "change_to_told_p50_s": quantile(change_s, 0.5, 2),
        "change_to_told_p95_s": quantile(change_s, 0.95, 2),
        "changes": len(pairs),
        "distribution_ms": [quantile(shown_ms, share / 20, 1) for share in range(20)],
    }


async def main() -> None:
    """Measure every case."""
    pin(OTHER)
    cases, changes = (_SHORT_CASES, _SHORT_CHANGES) if is_short() else (_CASES, _CHANGES)
    rows = [await measure(*case, changes) for case in cases]
    publish("latency", rows, interval=f"{_INTERVAL_S} s", group_wait="0 s", database="sqlite")


if __name__ == "__main__":
    asyncio.run(main())
