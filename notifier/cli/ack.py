"""`notifier ack`, `notifier unack`: somebody has an incident in hand, or no longer (R22)."""

from dataclasses import dataclass
from datetime import datetime

import click

from notifier.adapters.clock import SystemClock
from notifier.cli.acting import ahead, signed, until_option
from notifier.cli.context import Context
from notifier.cli.desk import account_ids, act, clock
from notifier.domain.duration import format_duration
from notifier.domain.incident import Acknowledgement, Incident, IncidentKind, Subject
from notifier.errors import NotifierError
from notifier.ports import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deed:
    """What is done to which incident, by whom and why; without an acknowledgement the one there is ends."""

    incident: str
    by: str
    comment: str
    at: datetime
    acknowledgement: Acknowledgement | None

    async def do(self, work: UnitOfWork, ids: dict[str, str]) -> Incident:
        """Do it; return the incident as it was before."""
        found = await _choose(work, self.incident, ids, self.at)
        if self.acknowledgement is None and found.acknowledgement is None:
            raise NotifierError(f"{found.key} is not acknowledged")
        await work.ledger.lock(found.account)
        if not await work.ledger.acknowledge(found.key, self.acknowledgement):
            raise NotifierError(f"{found.key} has been closed just now")
        if found.acknowledgement is not None:  # what waited for that one may be due, or wait for another time
            subject = Subject(kind=found.kind, account=found.account, name=found.subject)
            await work.ledger.look_again(self.at, subject=subject)
        name = "ack" if self.acknowledgement else "unack"
        await work.ledger.act(at=self.at, by=self.by, act=name, target=found.key, comment=self.comment)
        return found


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
    deed = _Deed(incident=incident, by=by, comment=comment, at=now, acknowledgement=given)
    before = act(settings, lambda work: deed.do(work, account_ids(settings)))
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
    settings, now = context.settings(), SystemClock().now()
    deed = _Deed(incident=incident, by=by, comment=comment, at=now, acknowledgement=None)
    before = act(settings, lambda work: deed.do(work, account_ids(settings)))
    whose = before.acknowledgement.by if before.acknowledgement else ""
    click.echo(f"{before.key} is not acknowledged any more: {whose} had it since {_at(before)}")


def _at(incident: Incident) -> str:
    return clock(incident.acknowledgement.at) if incident.acknowledgement else ""


async def _choose(work: UnitOfWork, named: str, ids: dict[str, str], now: datetime) -> Incident:
    """Return the open incident of that key, or the only one about that interconnect, site, account or channel."""
    listed = [incident for kind in IncidentKind for incident in await work.record.open_incidents_of(kind)]
    fitting = [i for i in listed if i.key == named] or [i for i in listed if i.subject in {named, ids.get(named)}]
    if len(fitting) == 1:
        return fitting[0]
    closed = (await work.record.incidents([named])).get(named)
    if fitting:
        problem = f"{len(fitting)} open incidents are about {named}; choose one by its key:"
    elif closed is not None and closed.closed_at is not None:
        problem = f"{named} ended at {clock(closed.closed_at)}."
    else:
        problem = f"no open incident {named}."
    shown = [f"  {i.key}  {i.severity}, for {format_duration(now - i.opened_at)}" for i in fitting or listed]
    told = [] if fitting else ["Open are:" if shown else "None is open."]
    raise NotifierError("\n".join([problem, *told, *shown]))
