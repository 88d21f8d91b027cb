"""`notifier silence`: keep messages back for a time, never records (R24)."""

from collections.abc import Sequence
from datetime import datetime

import click

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.reading import Found, Wanted
from notifier.cli.acting import ahead, signed, until_option
from notifier.cli.context import Context
from notifier.cli.desk import Desk, account_ids, act, clock
from notifier.domain.duration import format_duration
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence
from notifier.errors import NotifierError, NotThereError
from notifier.pipeline import acting
from notifier.pipeline.acting import Signature
from notifier.settings import Settings

_NAMED = 5  # interconnects that are named; more would not be read


@click.group()
def silence() -> None:
    """Keep messages about interconnects back; what happens is recorded, and told afterwards if it still differs."""


@silence.command()
@click.option("--account", help="Of this account, by its id or name.")
@click.option("--name", "names", multiple=True, metavar="PATTERN", help="Interconnects by name: a shell pattern.")
@click.option("--site", "sites", multiple=True, metavar="PATTERN", help="Interconnects by site: a shell pattern.")
@click.option("--all", "everything", is_flag=True, help="All interconnects of all accounts.")
@click.option("--from", "from_", metavar="SPAN|TIME", help="Not now, but after that span or at that time.")
@until_option
@signed
@click.pass_obj
def add(
    context: Context,
    *,
    account: str | None,
    names: tuple[str, ...],
    sites: tuple[str, ...],
    everything: bool,
    from_: str | None,
    until: str | None,
    by: str,
    comment: str,
) -> None:
    """Keep messages back that are about what fits all that is given; of several patterns of a kind one has to."""
    if everything == bool(account or names or sites):
        raise click.UsageError("say what to silence: --account, --name or --site; or else --all")
    if until is None:
        raise click.UsageError("say for how long: --for 1h, or --until TIME")
    settings, now = context.settings(), SystemClock().now()
    start = ahead(from_, now) if from_ else now
    match = Matcher(account=_account(settings, account), name=names, site=sites)
    given = Silence(id=0, match=match, from_at=start, until_at=ahead(until, start), by=by, comment=comment)
    silenced = act(settings, lambda work: acting.silence(work, given, now))
    begins = f"from {clock(start)} " if from_ else ""
    lasts = format_duration(given.until_at - start)
    named = _named(silenced.covered)
    click.echo(f"silence {silenced.id} holds {begins}until {clock(given.until_at)} ({lasts}); it covers {named}")


@silence.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document: a list of objects.")
@click.pass_obj
def list_(context: Context, *, everything: bool, as_json: bool) -> None:
    """Show the silences that hold or are to come."""
    desk = Desk(context.settings(), Wanted(), as_json=as_json)
    since = None if everything else desk.now
    desk.show(
        desk.fetch(lambda reading: reading.silences(since)),
        {
            "id": lambda row: str(row["id"]),
            "now": lambda row: _standing(row, desk.now),
            "about": lambda row: _about(row, desk),
            "from": lambda row: clock(row["from_at"]),
            "until": lambda row: clock(row["until_at"]),
            "by": lambda row: row["by"],
            "comment": lambda row: row["comment"],
        },
        "no silences",
    )


@silence.command()
@click.argument("number", type=int, metavar="ID")
@signed
@click.pass_obj
def expire(context: Context, *, number: int, by: str, comment: str) -> None:
    """End a silence now; what it kept back is told if it still differs from what was last told."""
    signature = Signature(by=by, comment=comment, at=SystemClock().now())
    try:
        act(context.settings(), lambda work: acting.expire(work, number, signature))
    except NotThereError as error:
        raise NotifierError(f"{error}; see: notifier silence list --all") from None
    click.echo(f"silence {number} is over")


def _account(settings: Settings, named: str | None) -> tuple[str, ...]:
    if named is None:
        return ()
    ids = account_ids(settings)
    if named not in ids:
        configured = ", ".join(account.name for account in settings.accounts)
        raise click.UsageError(f"no account {named}; configured: {configured}")
    return (ids[named],)


def _named(covered: Sequence[str]) -> str:
    if not covered:
        return "no interconnect that is watched now"
    more = f" and {len(covered) - _NAMED} more" if len(covered) > _NAMED else ""
    return f"{len(covered)} interconnect{'s'[: len(covered) > 1]} now: {', '.join(covered[:_NAMED])}{more}"


def _standing(row: Found, now: datetime) -> str:
    if row["until_at"] <= now:
        return "over"
    if row["from_at"] > now:
        return f"to come in {format_duration(row['from_at'] - now)}"
    return f"holds for {format_duration(row['until_at'] - now)}"


def _about(row: Found, desk: Desk) -> str:
    accounts = [desk.name(account) for account in row["accounts"]]
    said = (("account", accounts), ("name", row["names"]), ("site", row["sites"]))
    return "; ".join(f"{label} {' or '.join(values)}" for label, values in said if values) or "everything"
