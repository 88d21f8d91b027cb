"""`notifier run` with a clock that runs faster than the world's: `python -m tests.support.hurried FACTOR CONFIG`."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from notifier.cli.context import Context
from notifier.service import serve


class HurriedClock:
    """Begins at the beginning of this year, and agrees with that of every other process in the same hurry."""

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self._start = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._start + self._factor * (datetime.now(UTC) - self._start)


if __name__ == "__main__":
    source = Context(path=Path(sys.argv[2]), log_format=None, log_level=None).source()
    sys.exit(asyncio.run(serve(source, migrate=True, clock=HurriedClock(int(sys.argv[1])))))
