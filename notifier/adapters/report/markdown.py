"""A report as Markdown."""

import re

from notifier.adapters.report.heading import Heading
from notifier.adapters.report.tables import Table, facts, tables
from notifier.domain.reporting import Report

_MEANT = re.compile(r"([\\`*_{}\[\]<>#|&~])")  # what Markdown would take for its own


def to_markdown(report: Report, heading: Heading) -> str:
    """Return the text."""
    parts = [
        "# Availability of interconnects",
        heading.when(),
        "\n".join(f"- {label}: {_plain(value)}" for label, value in facts(report, heading)),
        *map(_table, tables(report, heading)),
        "## How to read it",
        "\n".join(f"{number}. {_plain(note)}" for number, note in enumerate(heading.notes(), 1)),
    ]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    marks = [":---" if place < table.words else "---:" for place in range(len(table.head))]
    lines = [table.head, marks, *([_plain(cell) for cell in row] for row in table.rows)]
    written = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    remark = f"\n\n{table.remark}" if table.remark else ""
    return f"## {table.title}\n\n{written}{remark}"


def _plain(text: str) -> str:
    return _MEANT.sub(r"\\\1", text) if _MEANT.search(text) else text
