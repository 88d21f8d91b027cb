"""`notifier ack`, `notifier unack`: somebody has an incident in hand, or no longer (R22)."""

import click

from notifier.adapters.clock import SystemClock
from notifier.cli.acting import ahead, signed, until_option
from notifier.cli.context import Context
from notifier.cli.desk import account_ids, act, clock
from notifier.domain.incident import Acknowledgement, Incident
from notifier.pipeline.acting import Signature, acknowledge


@click.command()
@click.argument("incident")
@until_option
@click.option("--sticky", is_flag=True, help="It holds even if the problem becomes worse.")
@signed
@click.pass_obj
def ack(context: Context, *, incident: str, until: str | None, sticky: bool, by: str, comment: str) -> None:
    """Take an INCIDENT in hand: reminders and escalation stop until it ends, becomes worse, or the time is over.

    INCIDENT is its key, or the interconnect or site if only one open incident is about it.
    """
    settings, now = context.settings(), SystemClock().now()
    given = Acknowledgement(by=by, at=now, until=ahead(until, now) if until else None, sticky=sticky)
    signature = Signature(by=by, comment=comment, at=now)
    before = act(settings, lambda work: acknowledge(work, incident, given, signature, account_ids(settings)))
    ends = f"until {clock(given.until)}" if given.until else "until it ends"
    but = "even if" if sticky else "unless"
    click.echo(f"{before.key} is acknowledged by {by}: no reminders and no escalation {ends}, {but} it becomes worse")
    if before.acknowledgement is not None:
        click.echo(f"this replaces the acknowledgement by {before.acknowledgement.by} of {_at(before)}")


@click.command()
@click.argument("incident")
@signed
@click.pass_obj
def unack(context: Context, *, incident: str, by: str, comment: str) -> None:
    """Take an acknowledgement back: reminders and escalation go on."""
    settings = context.settings()
    signature = Signature(by=by, comment=comment, at=SystemClock().now())
    before = act(settings, lambda work: acknowledge(work, incident, None, signature, account_ids(settings)))
    whose = before.acknowledgement.by if before.acknowledgement else ""
    click.echo(f"{before.key} is not acknowledged any more: {whose} had it since {_at(before)}")


def _at(incident: Incident) -> str:
    return clock(incident.acknowledgement.at) if incident.acknowledgement else ""
