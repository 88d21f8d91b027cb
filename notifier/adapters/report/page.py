"""A report as one HTML file: no script, nothing that lies elsewhere, fit to print."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from notifier.adapters.report.heading import Heading
from notifier.adapters.report.plots import by_day, timeline
from notifier.adapters.report.tables import facts, tables
from notifier.domain.reporting import Report

TEMPLATES = Path(__file__).parent / "templates"


def to_html(report: Report, heading: Heading) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        heading=heading,
        facts=facts(report, heading),
        plots=[timeline(report, heading), by_day(report, heading)],
        tables=tables(report, heading),
        notes=heading.notes(),
    )
