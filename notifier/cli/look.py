"""`notifier status`, `history`, `incidents`, `deliveries`: tables on a terminal, or one JSON document."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.reading import Found, Reading, Wanted
from notifier.app import SystemClock, credential_of, kept_interval
from notifier.cli.context import Context
from notifier.domain.duration import format_duration, parse_duration
from notifier.logs import Redaction
from notifier.settings import Settings

_COLOURS = {
    "Healthy": "green",
    "Down": "bold red",
    "Unhealthy": "red",
    "Pending": "yellow",
    "sent": "green",
    "pending": "yellow",
    "abandoned": "red",
    "critical": "bold red",
    "error": "red",
    "warning": "yellow",
    "open": "bold red",
}
_WIDE = 200  # where there is no terminal to fit


def _since(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """Read a span back from now (`4h`), or a moment (`2026-11-23T03:00Z`; UTC if it names no zone)."""
    if value is None:
        return None
    try:
        return SystemClock().now() - parse_duration(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"found {value!r}, expected a span like 4h or a time like 2026-11-23T03:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all of these share, and a desk made of them."""

    def at_desk(
        context: Context, /, *, since: datetime | None, account: str | None, limit: int, as_json: bool, **rest: Any
    ) -> None:
        settings = context.settings()
        ids = {known.name: known.id for known in settings.accounts}
        wanted = Wanted(account=ids.get(account, account) if account else None, since=since, limit=limit)
        command(_Desk(settings, wanted, as_json=as_json), **rest)

    found = functools.update_wrapper(click.pass_obj(at_desk), command)
    for option in (
        click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many rows."),
        click.option("--account", help="Only of this account, by its id or name."),
        click.option("--since", callback=_since, help="Only from then on: a span back (4h, 7d) or a time."),
        click.option("--json", "as_json", is_flag=True, help="One JSON document: a list of objects."),
    ):
        found = option(found)
    return found


class _Desk:
    """Fetches what is wanted and lays it out."""

    def __init__(self, settings: Settings, wanted: Wanted, *, as_json: bool) -> None:
        self.settings = settings
        self.wanted = wanted
        self.as_json = as_json
        self.now = SystemClock().now()
        self._redact = Redaction(settings.secrets())  # what a receiver echoed is in the database as it came
        self._names = {account.id: account.name for account in settings.accounts}

    def fetch(self, question: Callable[[Reading], Awaitable[list[Found]]]) -> list[Found]:
        async def work() -> list[Found]:
            database = SqlDatabase(self.settings.database.get_secret_value())
            try:
                async with database.read() as reading:
                    return await question(reading)
            finally:
                await database.close()

        found = asyncio.run(work())
        for row in found:
            if "account" in row:
                row["account_name"] = self.name(row["account"])
        return found

    def name(self, account: str) -> str:
        return self._names.get(account, account)

    def show(self, found: Sequence[Found], columns: dict[str, Callable[[Found], str | None]], empty: str) -> None:
        """Print rows as a table with these columns, or all they hold as JSON."""
        if self.as_json:
            click.echo(json.dumps(self._redact(found), indent=2))
            return
        if not found:
            click.echo(empty)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in found:
            # Text, not markup: what Cloudflare says is not ours to interpret.
            cells = [_printable(self._redact(cell(row) or "")) for cell in columns.values()]
            table.add_row(*(Text(cell, style=_COLOURS.get(cell.split(" ")[0], "")) for cell in cells))
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=_WIDE)
        console.print(table)

    def ago(self, at: datetime | None) -> str:
        """Say how long ago something was."""
        return "" if at is None else f"{format_duration(max(self.now - at, timedelta()))} ago"


def _printable(text: str) -> str:
    """Keep hostile text from steering the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _clock(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


@click.command()
@_options
def status(desk: _Desk) -> None:
    """Show what is believed of each interconnect."""
    found = desk.fetch(lambda reading: reading.status(desk.wanted))
    desk.show(
        found,
        {
            "account": lambda row: row["account_name"],
            "interconnect": lambda row: row["name"],
            "site": lambda row: row["site"],
            "status": lambda row: row["status"] or "not seen yet",
            "since": lambda row: desk.ago(row["since"]),
            "last seen": lambda row: desk.ago(row["last_seen_at"]),
            "": _remark,
        },
        "no interconnects are known yet",
    )
    if desk.as_json:
        return
    for blind in desk.fetch(lambda reading: reading.blind(desk.wanted.account)):
        cause = f": {blind['cause']}" if blind["cause"] else ""
        click.echo(f"cannot see (all of) account {desk.name(blind['id'])} since {desk.ago(blind['since'])}{cause}")
    _stretched(desk, found)


def _remark(row: Found) -> str:
    remarks = []
    if row["blind"]:
        remarks.append(f"blind: {row['cause']}")
    if row["candidate"]:
        remarks.append(f"{row['candidate']} seen {row['sightings']}x, not confirmed")
    if row["reason"]:
        remarks.append(row["reason"])
    return "; ".join(remarks)


def _stretched(desk: _Desk, found: Sequence[Found]) -> None:
    """Say so where the request budget can't keep the interval (R32)."""
    wanted = desk.settings.poll.interval
    for credential in {credential_of(account) for account in desk.settings.accounts}:
        accounts = {account.id for account in desk.settings.accounts if credential_of(account) == credential}
        links = sum(1 for row in found if row["account"] in accounts)
        kept = kept_interval(desk.settings, links)
        if kept > wanted:
            click.echo(
                f"polled each {format_duration(kept)} instead of {format_duration(wanted)}: "
                f"{links} interconnects of one credential need more than cloudflare.rate_limit allows"
            )


@click.command()
@click.argument("name", required=False)
@_options
def history(desk: _Desk, name: str | None) -> None:
    """Show transitions, and the sightings between them that were not (yet) believed."""
    desk.show(
        desk.fetch(lambda reading: reading.history(desk.wanted, name)),
        {
            "time": lambda row: _clock(row["at"]),
            "account": lambda row: row["account_name"],
            "interconnect": lambda row: row["name"],
            "what": _what,
            "reason": lambda row: row["reason"] or row.get("cause"),
        },
        "nothing has happened yet",
    )


def _what(row: Found) -> str:
    if row["kind"] == "transition":
        return f"#{row['number']} {row['before'] or 'first seen'} -> {row['after']} ({row['change']})"
    return f"{row['status']} sighted" if row["status"] else "could not see"


@click.command()
@_options
def incidents(desk: _Desk) -> None:
    """Show incidents, open ones first."""
    desk.show(
        desk.fetch(lambda reading: reading.incidents(desk.wanted)),
        {
            "incident": lambda row: row["id"],
            "account": lambda row: row["account_name"],
            "of": lambda row: row["subject"] if row["kind"] != "blind" else "the account's sight",
            "severity": lambda row: row["severity"],
            "opened": lambda row: _clock(row["opened_at"]),
            "closed": lambda row: _clock(row["closed_at"]) or "open",
            "lasted": lambda row: format_duration((row["closed_at"] or desk.now) - row["opened_at"]),
        },
        "no incidents",
    )


@click.command()
@click.option("--failed", is_flag=True, help="Only those abandoned, or tried in vain so far.")
@_options
def deliveries(desk: _Desk, *, failed: bool) -> None:
    """Show what was promised to the channels, and what came of it."""
    desk.show(
        desk.fetch(lambda reading: reading.deliveries(desk.wanted, failed=failed)),
        {
            "id": lambda row: str(row["id"]),
            "channel": lambda row: row["channel"],
            "does": lambda row: row["action"],
            "outcome": lambda row: row["outcome"],
            "attempts": lambda row: str(row["attempts"]),
            "recorded": lambda row: _clock(row["recorded_at"]),
            "took": lambda row: format_duration(row["settled_at"] - row["recorded_at"]) if row["settled_at"] else "",
            "title": lambda row: row["title"],
            "cause": lambda row: row["cause"],
        },
        "no deliveries",
    )
