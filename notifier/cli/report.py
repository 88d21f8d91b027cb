"""`notifier report`: how available interconnects and sites were in a period, for people and programs."""

import asyncio
import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import click

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.reading import Wanted
from notifier.adapters.database.reporting import Asked, reporting
from notifier.adapters.report.document import to_csv, to_json
from notifier.adapters.report.heading import Heading
from notifier.adapters.report.markdown import to_markdown
from notifier.cli.context import Context
from notifier.cli.desk import Desk, account_ids, at, clock
from notifier.domain.availability import Period
from notifier.domain.duration import parse_duration
from notifier.domain.reporting import Reckoning, Report, cut
from notifier.errors import NotifierError
from notifier.settings.alerting import is_partial, planned_of
from notifier.settings.kinds import is_zone
from notifier.settings.moments import MOMENT, is_doubtful, parse_moment

_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_EXPECTED = "expected a date (2026-11-01), a time (2026-11-01T03:00) or a span back (30d)"

_Written = Callable[[Report, Heading], str]


@click.command()
@click.option("--from", "from_", metavar="DATE|TIME|SPAN", help="Where it begins; default: the last calendar month.")
@click.option("--to", metavar="DATE|TIME|SPAN", help="Where it ends, not included; default: now.")
@click.option("--zone", default="UTC", show_default=True, help="Whose clocks count: midnights, days, times shown.")
@click.option("--account", help="Only of this account, by its id or name.")
@click.option("--site", help="Only of this site.")
@click.option("--interconnect", help="Only this interconnect.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "html", "csv", "json"]),
    default="md",
    show_default=True,
    help="How it is written, to standard output.",
)
@click.pass_obj
def report(
    context: Context,
    *,
    from_: str | None,
    to: str | None,
    zone: str,
    account: str | None,
    site: str | None,
    interconnect: str | None,
    form: str,
) -> None:
    """Say how long interconnects and sites were good, bad, under maintenance and not observed, and of incidents."""
    if not is_zone(zone):
        raise click.BadParameter(f"found {zone!r}, expected a time zone such as Europe/Amsterdam", param_hint="--zone")
    now = cut(SystemClock().now())
    begin, end = _bounds(from_, to, now, ZoneInfo(zone))
    write: Callable[[Report, Heading], str] = _writer(form)
    settings = context.settings()
    asked = Asked(account=account and account_ids(settings).get(account, account), name=interconnect, site=site)
    desk = Desk(settings, Wanted(), as_json=False)
    period = Period(begin, min(end, now))

    async def read() -> tuple[Reckoning, datetime]:
        async with at(settings) as database, reporting(database.reading_engine, asked) as reading:
            first = await reading.first()
            if first is None:
                raise NotifierError("nothing is on record yet: no interconnect was ever seen")
            if period.until_at <= first:
                raise NotifierError(
                    f"nothing is on record of {clock(period.from_at)} to {clock(period.until_at)}: "
                    f"the record begins at {clock(first)}; ask for a later period"
                )
            reckoning = Reckoning(
                period,
                ZoneInfo(zone),
                planned=planned_of(settings, period),
                silences=await reading.silences(period),
                incidents=await reading.incidents(period),
                shown=desk.printable,
            )
            async for links in reading.sites(period):
                reckoning.add(links, whole=interconnect is None)
            return reckoning, first  # not the report: asyncio writes the whole of what it returns, for nobody

    with _uncollected():
        reckoning, first = asyncio.run(read())
        found = reckoning.report()
    given = (("Account", account), ("Site", site), ("Interconnect", interconnect))
    narrowed = [(label, value) for label, value in given if value is not None]
    if not found.links:
        what = ", ".join(f"{label.lower()} {desk.printable(value)}" for label, value in narrowed) or "anything"
        raise NotifierError(f"nothing was watched of {what} then; notifier status shows what there is")
    heading = Heading(
        at=now,
        zone=ZoneInfo(zone),
        period=period,
        first=first,
        clipped=end > now,
        asked=[(label, desk.printable(value)) for label, value in narrowed],
        names={each.account: desk.name(each.account) for each in found.links},
        partial=[window.name for window in settings.maintenance if is_partial(window)],
        kept=settings.retention.deliveries,
        shown=desk.printable,
    )
    click.echo(write(found, heading).encode(), nl=False)  # bytes: a line ends as its format wants it


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no cycles among a million small objects that are in none: it takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _writer(form: str) -> _Written:
    match form:
        case "html":
            try:
                from notifier.adapters.report.page import to_html  # noqa: PLC0415 - an extra, and seconds
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != "matplotlib":
                    raise
                raise NotifierError("--format html draws with matplotlib: pip install 'cni-notifier[report]'") from None
            return to_html
        case "csv":
            return to_csv
        case "json":
            return to_json
        case _:
            return to_markdown


def _bounds(from_: str | None, to: str | None, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Read where a period begins and ends; without both it is the last calendar month."""
    if from_ is None:
        if to is not None:
            raise click.UsageError("--to alone is no period: add --from")
        first = now.astimezone(zone).date().replace(day=1)
        return _midnight((first - timedelta(days=1)).replace(day=1), zone), _midnight(first, zone)
    begin, end = _moment("--from", from_, now, zone), now if to is None else _moment("--to", to, now, zone)
    if begin >= now:
        raise click.BadParameter(f"found {from_}, which is not over yet", param_hint="--from")
    if begin >= end:
        raise click.BadParameter(f"found {to or 'now'}, expected a moment after {from_}", param_hint="--to")
    return begin, end


def _moment(option: str, text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Read a date (its midnight), a time, or a span back, by the clocks of a zone."""
    try:
        if _DATE.fullmatch(text):
            return _midnight(date.fromisoformat(text), zone)
        if re.fullmatch(MOMENT, text):
            if is_doubtful(text, zone):
                wrong = f"found {text}, when {zone.key} changes its clocks; add an offset, such as +01:00"
                raise click.BadParameter(wrong, param_hint=option)
            return parse_moment(text, zone)
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"found {text!r}, {_EXPECTED}", param_hint=option) from None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
