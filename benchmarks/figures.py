"""What a measurement prints: a table to read, and one JSON line to keep."""

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]

_LOOPS = 1_000_000


def publish(name: str, rows: Sequence[Row], **about: Any) -> None:
    """Print the rows as a table, and everything as one JSON line; `about` says under what conditions."""
    table = Table(
        title=f"{name}: {', '.join(f'{what} {value}' for what, value in about.items())}", title_justify="left"
    )
    columns = [name for name, value in rows[0].items() if not isinstance(value, list)]  # lists are for plots
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column == "what" else "right", overflow="fold")
    for row in rows:
        table.add_row(*(_shown(row[column]) for column in columns))
    console = Console(width=max(Console().width, 120))
    console.print(table)
    line = {"benchmark": name, "machine": machine(), "about": about, "rows": [dict(row) for row in rows]}
    print(json.dumps(line), flush=True)


def machine() -> dict[str, Any]:
    """Say on what it was measured; `loop_ns` is what one turn of an empty loop took just now: the machine's speed."""
    commit = subprocess.run(
        ["git", "-C", Path(__file__).parent, "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {"python": platform.python_version(), "commit": commit.stdout.strip(), "loop_ns": loop_ns()}


def loop_ns() -> int:
    """Measure the machine's speed in CPU time, which what else runs here sways too."""
    rounds = []
    for _ in range(3):
        began = time.process_time_ns()
        for _turn in range(_LOOPS):
            pass
        rounds.append((time.process_time_ns() - began) / _LOOPS)
    return round(statistics.median(rounds))


def median(values: Sequence[float], digits: int = 3) -> float:
    """Return the median, rounded; NaN of nothing."""
    return round(statistics.median(values), digits) if values else float("nan")


def quantile(values: Sequence[float], share: float, digits: int = 4) -> float:
    """Return the value below which a share of them lies, rounded; NaN of nothing."""
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], digits) if ordered else float("nan")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
