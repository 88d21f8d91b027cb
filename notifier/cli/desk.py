"""What the commands share that look at the database, or act on it while the service runs."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.database import SqlDatabase, SqlUnitOfWork
from notifier.adapters.database.reading import Found, Reading, Wanted
from notifier.cli.context import Context
from notifier.domain.duration import format_duration, parse_duration
from notifier.logs import Redaction
from notifier.settings import Settings
from notifier.settings.moments import parse_moment

_T = TypeVar("_T")

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
    "holds": "yellow",
}
_WIDE = 200  # where there is no terminal to fit


@asynccontextmanager
async def at(settings: Settings) -> AsyncIterator[SqlDatabase]:
    """Open the database that the service made; it may be running on it.

    Raises:
        DatabaseUnreachableError: There is none.
        SchemaError: Its schema isn't this release's.
    """
    database = SqlDatabase(settings.database.get_secret_value())
    try:
        await database.require()
        yield database
    finally:
        await database.close()


def act(settings: Settings, deed: Callable[[SqlUnitOfWork], Awaitable[_T]]) -> _T:
    """Do something in one unit of work, beside the service."""

    async def work() -> _T:
        async with at(settings) as database, database.begin() as work:
            return await deed(work)

    return asyncio.run(work())


def account_ids(settings: Settings) -> dict[str, str]:
    """Return the ids of the configured accounts, by their names and by the ids themselves."""
    return {account.id: account.id for account in settings.accounts} | {a.name: a.id for a in settings.accounts}


class Desk:
    """Fetches what is wanted and lays it out."""

    def __init__(self, settings: Settings, wanted: Wanted, *, as_json: bool) -> None:
        self.settings = settings
        self.wanted = wanted
        self.as_json = as_json
        self.now = SystemClock().now()
        self._redact = Redaction(settings.secrets())  # what a receiver echoed is in the database as it came
        self._names = {account.id: account.name for account in settings.accounts}

    def fetch(self, question: Callable[[Reading], Awaitable[list[Found]]]) -> list[Found]:
        """Ask the database; each row of an account is given its name."""

        async def work() -> list[Found]:
            async with at(self.settings) as database, database.read() as reading:
                return await question(reading)

        found = asyncio.run(work())
        for row in found:
            if "account" in row:
                row["account_name"] = self.name(row["account"])
        return found

    def name(self, account: str) -> str:
        """Return what an account is called."""
        return self._names.get(account, account)

    def show(self, found: Sequence[Found], columns: dict[str, Callable[[Found], str | None]], empty: str) -> None:
        """Print rows as a table with these columns, or all they hold as JSON."""
        if self.as_json:
            self.print_json(found)
            return
        if not found:
            click.echo(empty)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in found:
            cells = [self.printable(cell(row) or "") for cell in columns.values()]
            table.add_row(*(Text(cell, style=_COLOURS.get(cell.split(" ")[0], "")) for cell in cells))
        print_table(table)

    def print_json(self, found: Sequence[Found]) -> None:
        """Print all that rows hold, as one document."""
        click.echo(json.dumps(self._redact(found), indent=2))

    def printable(self, text: str) -> str:
        """Keep secrets off the terminal, and hostile text from steering it."""
        shown: str = self._redact(text)
        if shown.isprintable():
            return shown
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)

    def redacted(self, text: str) -> str:
        """Hide secrets; nothing else changes."""
        return str(self._redact(text))

    def ago(self, at: datetime | None) -> str:
        """Say how long ago something was."""
        return "" if at is None else f"{format_duration(max(self.now - at, timedelta()))} ago"


def print_table(table: Table) -> None:
    """Print a table; its cells are Text, not markup: what Cloudflare says is not ours to interpret."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)
    console.print(table)


def clock(at: datetime | None) -> str:
    """Write a moment in UTC."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def moment(value: str, now: datetime, direction: int) -> datetime:
    """Read a span (`4h`) from now, back (-1) or ahead (1), or a moment (`2026-11-23T03:00Z`; UTC without a zone).

    Raises:
        click.BadParameter: It is neither.
    """
    try:
        return now + direction * parse_duration(value)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_moment(value, UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"found {value!r}, expected a span like 4h or a time like 2026-11-23T03:00Z") from None


def _since(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    return None if value is None else moment(value, SystemClock().now(), -1)


def options(command: Callable[..., _T]) -> Callable[..., _T]:
    """Give a command the options that all of these share, and a desk made of them."""

    def at_desk(
        context: Context, /, *, since: datetime | None, account: str | None, limit: int, as_json: bool, **rest: Any
    ) -> _T:
        settings = context.settings()
        wanted = Wanted(account=account and account_ids(settings).get(account, account), since=since, limit=limit)
        return command(Desk(settings, wanted, as_json=as_json), **rest)

    found = functools.update_wrapper(click.pass_obj(at_desk), command)
    for option in (
        click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many rows."),
        click.option("--account", help="Only of this account, by its id or name."),
        click.option("--since", callback=_since, help="Only from then on: a span back (4h, 7d) or a time."),
        click.option("--json", "as_json", is_flag=True, help="One JSON document: a list of objects."),
    ):
        found = option(found)
    return found
