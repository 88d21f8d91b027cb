"""Puts figures into docs/performance.md, as tables and plots: `python -m benchmarks.report FILE`.

FILE holds what measurements printed; of each the last line counts. What is kept in docs/performance.jsonl and not in
FILE stays as it is.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import NAMES

Line = dict[str, Any]

_DOCS = Path(__file__).parent.parent / "docs"
_KEPT, _PAGE = _DOCS / "performance.jsonl", _DOCS / "performance.md"
_TABLES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


def main(printed: str) -> None:
    """Keep the lines of this text, and write page and plots anew from all that are kept."""
    kept = {
        line["benchmark"]: line
        for text in (_KEPT.read_text() if _KEPT.exists() else "", printed)
        for line in _lines(text)
    }
    kept = {name: kept[name] for name in NAMES if name in kept}
    _KEPT.write_text("".join(json.dumps(line) + "\n" for line in kept.values()), encoding="utf-8")
    tables = "\n".join(_table(line) for line in kept.values())
    _PAGE.write_text(_TABLES.sub(lambda _: f"\n{tables}\n", _PAGE.read_text()), encoding="utf-8")
    rcParams["svg.hashsalt"] = "figures"  # what has not changed is the same file
    for name, draw in (("throughput", _throughput), ("latency", _latency), ("memory", _memory)):
        figure = Figure(figsize=(7, 3), layout="constrained")
        draw(figure.subplots(), kept)
        figure.savefig(_DOCS / f"performance-{name}.svg", metadata={"Date": None})


def _lines(text: str) -> Iterable[Line]:
    return (json.loads(line) for line in text.splitlines() if line.startswith('{"benchmark"'))


def _table(line: Line) -> str:
    rows = [{name: value for name, value in row.items() if not isinstance(value, list)} for row in line["rows"]]
    about = ", ".join(f"{what.replace('_', ' ')} {value}" for what, value in line["about"].items())
    head = [name.replace("_", " ") for name in rows[0]]
    body = [[_shown(value) for value in row.values()] for row in rows]
    marks = ["---" if name == "what" else "---:" for name in rows[0]]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, marks, *body)]
    return f"**{line['benchmark']}** ({about}; Python {line['machine']['python']}, one turn of an empty loop " + (
        f"{line['machine']['loop_ns']} ns)\n\n" + "\n".join(lines) + "\n"
    )


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def _throughput(axes: Axes, kept: dict[str, Line]) -> None:
    rows = kept["sustained"]["rows"][::-1]
    bars = axes.barh([row["what"] for row in rows], [row["polls_a_cpu_second"] for row in rows])
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.margins(x=0.15)
    axes.set(title="Throughput, 10,000 links", xlabel="polls a CPU second")


def _latency(axes: Axes, kept: dict[str, Line]) -> None:
    for row in (row for row in kept["latency"]["rows"] if row["shown_to_told_p50_ms"] is not None):
        shares = [5 * place for place in range(len(row["distribution_ms"]))]
        axes.plot(row["distribution_ms"], shares, label=f"{row['links']:,} links")
    axes.set(title="From the answer that shows a change to the message", xlabel="ms", ylabel="% within")
    axes.set_xlim(left=0)
    axes.legend()


def _memory(axes: Axes, kept: dict[str, Line]) -> None:
    rows = [row for row in kept["cost"]["rows"] if row["status_page"] == "yes"]
    links = [row["links"] for row in rows]
    axes.plot(links, [row["service_rss_mb"] for row in rows], marker="o", label="service")
    axes.plot(links, [row["bare_rss_mb"] for row in rows], marker="o", label="bare loop")
    axes.set(title="Memory", xlabel="links", ylabel="resident, MB", xscale="log")
    axes.set_ylim(bottom=0)
    axes.legend()


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"))
