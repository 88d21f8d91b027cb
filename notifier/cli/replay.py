"""`notifier replay`: what other settings would have told, beside what was told."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.past import recall
from notifier.adapters.database.reading import Found
from notifier.cli.context import Context
from notifier.cli.desk import clock, moment
from notifier.domain.duration import format_duration
from notifier.errors import ConfigurationError
from notifier.logs import Redaction
from notifier.past import Past, Telling
from notifier.replay import replay as replayed
from notifier.replay.comparing import Pair, Summary, Tally, compare, middle, summarise
from notifier.settings import Settings, load

_WIDTH = 100  # where there is no terminal, or a wider one
_Told = list[Telling]


@click.command()
@click.option(
    "--config",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings to try; those in force are found as ever.",
)
@click.option("--since", default="30d", show_default=True, help="From then on: a span back (4h, 7d) or a time.")
@click.option("--differences", is_flag=True, help="Show only what differs.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How.")
@click.pass_obj
def replay(context: Context, *, path: Path, since: str, differences: bool, form: str) -> None:
    """Show what other settings would have told, beside what was told. Nothing is asked, sent or changed."""
    in_force = context.settings()
    tried = load(path, os.environ, Path.cwd())
    _require_same_accounts(in_force, tried)
    now = SystemClock().now()
    wanted = moment(since, now, -1)
    with _quietly():
        past, would, again = asyncio.run(_replay(in_force, tried, wanted, now))
    shown_from = max(wanted, past.begins_at, past.kept_since)
    pairs = compare(past.tellings, would, shown_from)
    page = _Page(
        pairs=[pair for pair in pairs if not (differences and pair.same)],
        summary=summarise(pairs),
        control=compare(past.tellings, again, shown_from),
        since=shown_from,
        clipped=wanted < shown_from,
        redact=Redaction(in_force.secrets() | tried.secrets()),
        tried=str(path),
    )
    page.print_json() if form == "json" else page.print_text()


def _require_same_accounts(in_force: Settings, tried: Settings) -> None:
    ours, others = ({account.id for account in each.accounts} for each in (in_force, tried))
    if ours != others:
        strange = ", ".join(sorted(ours ^ others))
        raise ConfigurationError(
            [f"accounts: only one of the two configurations has {strange}; a replay needs the same accounts in both"]
        )


async def _replay(in_force: Settings, tried: Settings, since: datetime, now: datetime) -> tuple[Past, _Told, _Told]:
    """Read the past, and lead it through the tried settings, and again through those in force."""
    database = SqlDatabase(in_force.database.get_secret_value())
    try:
        past = await recall(database, since, now, kept=in_force.retention.observations)
    finally:
        await database.close()
    would = await replayed(past, tried, in_force)
    return past, would, would if tried == in_force else await replayed(past, in_force, in_force)


@contextmanager
def _quietly() -> Iterator[None]:
    """Have the pipeline log nothing: what it would say happened long ago, or never."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Page:
    """The comparison as it is shown."""

    def __init__(
        self,
        *,
        pairs: Sequence[Pair],
        summary: Summary,
        control: Sequence[Pair],
        since: datetime,
        clipped: bool,
        redact: Redaction,
        tried: str,
    ) -> None:
        self._pairs = pairs
        self._summary = summary
        self._control = control
        self._since = since
        self._clipped = clipped
        self._redact = redact
        self._tried = tried

    def print_json(self) -> None:
        """Print all of it as one document."""
        s = self._summary
        document = {
            "since": self._since,
            "clipped": self._clipped,
            "told": [_pair(pair) for pair in self._pairs],
            "summary": {
                "channels": {name: {"was": _tally(a), "would": _tally(b)} for name, (a, b) in s.channels.items()},
                "same": s.same,
                "later_s": [span.total_seconds() for span in s.later],
                "earlier_s": [span.total_seconds() for span in s.earlier],
                "not_told": s.not_told,
                "newly_told": s.newly_told,
            },
            "control": {"told": len(self._control), "same": sum(pair.same for pair in self._control)},
        }
        click.echo(json.dumps(self._redact(document), indent=2))

    def print_text(self) -> None:
        """Print it side by side, and what it comes to."""
        console = Console(highlight=False)
        console.width = min(_WIDTH, console.width) if console.is_terminal else _WIDTH
        console.print(Text(f"since {clock(self._since)}" + self._why_since()))
        if self._pairs:
            console.print(self._side_by_side())
        else:
            console.print("nothing was told, or would have been")
        console.print(self._counts())
        for line in self._in_words():
            console.print(Text(line))

    def _why_since(self) -> str:
        return ": what came before is not on record any more (retention.observations)" if self._clipped else ""

    def _side_by_side(self) -> Table:
        table = _table("channel", "what", "was", "would have been")
        day = ""
        for pair in self._pairs:
            at, telling = clock(pair.at), pair.telling
            if at[:10] != day:
                day = at[:10]
                table.add_row("", Text(day, style="bold"), "", "")
            style = "" if pair.same else "yellow"
            does = "" if telling.action == "tell" else f"{telling.action}: "
            what = self._printable(f"{does}{telling.notification.title}")
            table.add_row(telling.channel, Text(what, style=style), _when(pair.was, day), Text(_would(pair, day)))
        return table

    def _counts(self) -> Table:
        table = _table("channel", "messages", "would be", "pages", "would be")
        for name, (was, would) in self._summary.channels.items():
            table.add_row(name, str(was.messages), str(would.messages), str(was.pages), str(would.pages))
        return table

    def _in_words(self) -> Iterator[str]:
        s, same = self._summary, sum(pair.same for pair in self._control)
        yield f"the same: {s.same}; not told any more: {s.not_told}; told in addition: {s.newly_told}"
        for word, spans in (("later", s.later), ("earlier", s.earlier)):
            if spans:
                most, half = format_duration(spans[-1]), format_duration(middle(spans))
                yield f"told {word}: {len(spans)}, by {half} in the middle, {most} at most"
        if same < len(self._control):
            yield (
                f"With the settings in force the replay tells {same} of {len(self._control)} as they were: other"
                " settings were in force then, or the record does not say all. The rest may be as wrong."
            )

    def _printable(self, text: str) -> str:
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in self._redact(text))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "was")
    return table


def _when(telling: Telling | None, day: str) -> str:
    if telling is None:
        return "-"
    if telling.told_at is None:
        return str(telling.outcome)
    return clock(telling.told_at).removeprefix(f"{day} ")


def _would(pair: Pair, day: str) -> str:
    when = _when(pair.would, day)
    if pair.same:
        return "the same"
    if pair.later is None or pair.later == abs(pair.later):
        return when if pair.later is None else f"{when}, {format_duration(pair.later)} later"
    return f"{when}, {format_duration(-pair.later)} earlier"


def _pair(pair: Pair) -> Found:
    told = pair.telling.notification
    return {
        "account": told.account,
        "subject": told.subject,
        "site": told.site,
        "channel": pair.telling.channel,
        "action": pair.telling.action,
        "kind": told.kind,
        "was": _side(pair.was),
        "would": _side(pair.would),
        "later_s": None if pair.later is None else pair.later.total_seconds(),
        "same": pair.same,
    }


def _side(telling: Telling | None) -> Found | None:
    if telling is None:
        return None
    told = telling.notification
    return {
        "title": told.title,
        "recorded_at": told.recorded_at,
        "told_at": telling.told_at,
        "outcome": telling.outcome,
    }


def _tally(tally: Tally) -> Found:
    return {"messages": tally.messages, "pages": tally.pages}
