"""What unchanged polls write to the database, and what the service asks it besides, in a minute.

`python -m benchmarks.statements [--short]`. The service in this process, with every statement counted, at two rates
of polls: what depends on the number of polls differs between them.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from benchmarks.answerer import Answerer
from benchmarks.figures import publish
from benchmarks.measuring import is_short
from benchmarks.subjects import folder, polled, settings
from notifier.service import Service
from notifier.settings import load
from notifier.settings.source import Source

_SIZES, _ACCOUNTS = (400, 4000), 4
_WINDOW_S, _SHORT_WINDOW_S = 60, 20
_WRITES = ("insert", "update", "delete")


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count every statement of this process, by what it does to which table."""
    seen: Counter[str] = Counter()

    def count(_conn: Any, _cursor: Any, statement: str, *_: object) -> None:
        seen[_kind(statement)] += 1

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def _kind(statement: str) -> str:
    verb = statement.split(maxsplit=1)[0].lower()
    if verb == "with":  # marks of what was seen, and what is done with them
        verb = next(word for word in _WRITES if word.upper() in statement)
    table = re.search(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)", statement)
    return f"{verb} {table[1]}" if table else verb


async def measure(links: int, seconds: int) -> Counter[str]:
    """Count the statements of one window, all links asked once in 4 s and nothing changed."""
    answerer = Answerer()
    accounts = [f"account-{place}" for place in range(_ACCOUNTS)]
    for account in accounts:
        answerer.add(account, links // _ACCOUNTS, 10)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answerer.running())
        path = settings(stack.enter_context(folder()), answerer, accounts, interval="4s")
        seen = stack.enter_context(counted())
        service = Service(Source(load=lambda: load(path, {}, Path.cwd())))
        running = asyncio.create_task(service.run())
        await polled(answerer, accounts, 3 * links)  # what is seen first is recorded
        seen.clear()
        polls = sum(answerer.asked.values())
        await asyncio.sleep(seconds)
        found = Counter({**seen, "polls": sum(answerer.asked.values()) - polls})
        service.stop()
        await running
    return found


async def main() -> None:
    """Count at both rates."""
    seconds = _SHORT_WINDOW_S if is_short() else _WINDOW_S
    few, many = [await measure(links, seconds) for links in _SIZES]
    each = 10 / seconds
    rows = [
        {
            "what": what,
            "writes": what.split()[0] in _WRITES,
            f"in_10_s_at_{_SIZES[0]}_links": round(few[what] * each, 1),
            f"in_10_s_at_{_SIZES[1]}_links": round(many[what] * each, 1),
        }
        for what in sorted({*few, *many}, key=lambda what: -many[what])
    ]
    publish("statements", rows, accounts=_ACCOUNTS, interval="4 s", seconds=seconds, database="sqlite")


if __name__ == "__main__":
    asyncio.run(main())
