"""`notifier status`, `history`, `incidents`: tables on a terminal, or one JSON document."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from datetime import datetime

import click

from notifier.adapters.database.reading import Found
from notifier.cli.desk import Desk, clock, options
from notifier.domain.duration import format_duration
from notifier.settings.budget import kept_interval


@click.command()
@options
def status(desk: Desk) -> None:
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


def _stretched(desk: Desk, found: Sequence[Found]) -> None:
    """Say so where the request budget can't keep the interval (R32)."""
    wanted = desk.settings.poll.interval
    accounts: defaultdict[Hashable, set[str]] = defaultdict(set)
    for account in desk.settings.accounts:
        accounts[account.token or account.email].add(account.id)
    for of_one_credential in accounts.values():
        links = sum(1 for row in found if row["account"] in of_one_credential)
        kept = kept_interval(desk.settings, links)
        if kept > wanted:
            click.echo(
                f"polled each {format_duration(kept)} instead of {format_duration(wanted)}: "
                f"{links} interconnects of one credential need more than cloudflare.rate_limit allows"
            )


@click.command()
@click.argument("name", required=False)
@options
def history(desk: Desk, name: str | None) -> None:
    """Show transitions, and the sightings between them that were not (yet) believed."""
    desk.show(
        desk.fetch(lambda reading: reading.history(desk.wanted, name)),
        {
            "time": lambda row: clock(row["at"]),
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
    if row["kind"] == "gap":
        return f"not observed since {clock(row['from_at'])}"
    return f"{row['status']} sighted" if row["status"] else "could not see"


@click.command()
@options
def incidents(desk: Desk) -> None:
    """Show incidents, open ones first."""
    desk.show(
        desk.fetch(lambda reading: reading.incidents(desk.wanted)),
        {
            "incident": lambda row: row["id"],
            "account": lambda row: row["account_name"],
            "of": lambda row: row["subject"] if row["kind"] != "blind" else "the account's sight",
            "severity": lambda row: row["severity"],
            "opened": lambda row: clock(row["opened_at"]),
            "closed": lambda row: clock(row["closed_at"]) or "open",
            "lasted": lambda row: format_duration((row["closed_at"] or desk.now) - row["opened_at"]),
            "acknowledged by": lambda row: row["acknowledged_by"] if _in_hand(row, desk.now) else "",
        },
        "no incidents",
    )


def _in_hand(row: Found, now: datetime) -> bool:
    until = row["acknowledged_until"]
    return until is None or now < until
