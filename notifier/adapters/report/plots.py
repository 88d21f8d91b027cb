"""The plots of a report, as SVG by matplotlib: the same figures give the same text; no colour tells anything alone."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from notifier.adapters.report.heading import Heading
from notifier.domain.availability import Period, Quality, Stretch, merged
from notifier.domain.reporting import Lane, Report

_LOOKS: dict[Quality, dict[str, str]] = {
    Quality.GOOD: {"facecolor": "#cfe6d6", "edgecolor": "#cfe6d6"},
    Quality.MAINTENANCE: {"facecolor": "#a9c6e8", "edgecolor": "#1f4e86", "hatch": "xxxxx"},
    Quality.UNOBSERVED: {"facecolor": "#ffffff", "edgecolor": "#5f6368", "hatch": "/////"},
    Quality.BAD: {"facecolor": "#a3160d", "edgecolor": "#a3160d"},
}
_WORDS = {
    Quality.GOOD: "good",
    Quality.BAD: "bad",
    Quality.MAINTENANCE: "maintenance",
    Quality.UNOBSERVED: "not observed",
}
_RC: Any = {
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 8,
    "hatch.linewidth": 0.5,
    "axes.edgecolor": "#9aa0a6",
    "text.parse_math": False,
}
_WIDE, _LANE, _AROUND, _PANEL = 10.0, 0.19, 0.9, 1.0  # inches
_THIN = 0.0015  # of the width: what was only for a moment is seen all the same
_MARKS = 12  # at most, along the time
_NAME = 32  # characters of a name that fit beside a lane


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, what it is of, and what it shows in words."""

    title: str
    words: str
    svg: str


def timeline(report: Report, heading: Heading) -> Plot:
    """Draw the past of the worst sites and interconnects, each stretch as long as it was."""
    words = (
        "The sites with most bad time, each above its interconnects with most bad time. "
        "What was shorter than the picture can show is drawn wider. Blank is not watched."
    )
    lanes = report.lanes
    with rc_context(_RC | {"svg.hashsalt": "time"}):  # so that ids are the same each time, and of one plot
        figure = Figure(figsize=(_WIDE, len(lanes) * _LANE + _AROUND), layout="constrained")
        axes = figure.subplots()
        for place, lane in enumerate(lanes):
            for quality in _LOOKS:  # the worst last, on top
                _draw(axes, lane, quality, report.period, place)
        axes.set_yticks(range(len(lanes)), [_label(lane) for lane in lanes])
        for text, lane in zip(axes.get_yticklabels(), lanes, strict=True):
            text.set_fontweight("normal" if lane.links is None else "bold")
        axes.set_ylim(len(lanes) - 0.4, -0.6)
        _mark_time(axes, report, heading)
        handles = [Patch(label=_WORDS[quality], **look) for quality, look in _LOOKS.items()]  # type: ignore[arg-type]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False)
        return _plot(figure, "Over time", words)


def by_day(report: Report, heading: Heading) -> Plot:
    """Draw how long the interconnects together were what on each day."""
    shown = [
        (Quality.BAD, [times.bad for _, times in report.days]),
        (Quality.MAINTENANCE, [times.maintenance for _, times in report.days]),
        (Quality.UNOBSERVED, [times.unobserved - times.unwatched for _, times in report.days]),
    ]
    shown = [(quality, spans) for quality, spans in shown if any(spans) or quality is Quality.BAD]
    words = (
        "All interconnects together, each kind of time on a scale of its own; a kind that is not here there was not. "
        "Time that is not watched is left out."
    )
    with rc_context(_RC | {"svg.hashsalt": "days"}):
        figure = Figure(figsize=(_WIDE, len(shown) * _PANEL + _AROUND / 2), layout="constrained")
        for axes, (quality, spans) in zip(
            figure.subplots(len(shown), sharex=True, squeeze=False).flat, shown, strict=True
        ):
            unit, name = _unit(max(spans))
            days = [day for day, _ in report.days]
            axes.bar(
                [_x(day.from_at, report.period) for day in days],
                [span / unit for span in spans],
                width=[day.length / report.period.length * 0.94 for day in days],
                align="edge",
                **_LOOKS[quality],
            )
            axes.set_ylabel(f"{_WORDS[quality]}\n{name}")
            axes.set_ylim(0, max(max(spans) / unit * 1.1, 1))
            axes.spines[["top", "right"]].set_visible(False)
            _mark_time(axes, report, heading)
        return _plot(figure, "Day by day", words)


def _draw(axes: Axes, lane: Lane, quality: Quality, period: Period, place: int) -> None:
    thin = period.length * _THIN
    its = merged(_wide(each, thin) for each in lane.track if each.quality is quality)
    spans = [(_x(each.from_at, period), each.length / period.length) for each in its]
    height = 0.62 if lane.links is None else 0.8
    axes.broken_barh(spans, (place - height / 2, height), linewidth=0, **_LOOKS[quality])  # type: ignore[arg-type]


def _wide(stretch: Stretch, thin: timedelta) -> Period:
    """Make what is bad at least so wide that it is seen; what is good gives way."""
    begin, end = stretch.period.from_at, stretch.period.until_at
    return Period(begin, end if stretch.quality is Quality.GOOD else max(end, begin + thin))


def _label(lane: Lane) -> str:
    name = lane.name if len(lane.name) <= _NAME else f"{lane.name[: _NAME - 1]}…"
    return name if lane.links is None else f"{name} ({lane.links})"


def _mark_time(axes: Axes, report: Report, heading: Heading) -> None:
    days: Sequence[Period] = [day for day, _ in report.days]
    every = -(-len(days) // _MARKS)
    marked = days[::every]
    axes.set_xlim(0, 1)
    axes.set_xticks(
        [_x(day.from_at, report.period) for day in marked],
        [f"{day.from_at.astimezone(heading.zone):%d %b}" for day in marked],
    )


def _x(at: datetime, period: Period) -> float:
    return (at - period.from_at) / period.length


def _unit(longest: timedelta) -> tuple[timedelta, str]:
    hour = timedelta(hours=1)
    return (hour, "hours") if longest >= 2 * hour else (timedelta(minutes=1), "minutes")


def _plot(figure: Figure, title: str, words: str) -> Plot:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return Plot(title, words, _inline(written.getvalue(), title, words))


def _inline(svg: str, title: str, words: str) -> str:
    """Make of a file a part of a page: with a title and a description, without names that lead elsewhere."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)  # a page knows them
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r'\sid="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)
    name = title.lower().replace(" ", "-")
    described = f'role="img" aria-labelledby="{name}-title" aria-describedby="{name}-words"'
    inside = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-words">{escape(words)}</desc>'
    return re.sub(r"<svg([^>]*)>", lambda found: f"<svg {described}{found[1]}>{inside}", svg, count=1)
