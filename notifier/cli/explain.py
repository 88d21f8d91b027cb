"""`notifier explain`: who was told what of an interconnect, and why, and why not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import assert_never

import click
from rich.table import Table
from rich.text import Text

from notifier.adapters.database.explaining import UNPROMISED, Explaining
from notifier.adapters.database.reading import Found, Reading, Wanted
from notifier.cli.context import Context
from notifier.cli.desk import Desk, account_ids, clock, print_table
from notifier.domain.duration import format_duration
from notifier.domain.interconnect import Interconnect
from notifier.domain.notification import Action, Kind
from notifier.errors import NotifierError
from notifier.ports import Outcome

_Line = tuple[str, str, str]  # when, what, and how it looks


@click.command()
@click.argument("name")
@click.option("--account", help="Of this account, by its id or name.")
@click.option("--limit", type=click.IntRange(1), default=5, show_default=True, help="At most so many transitions.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document: a list of objects.")
@click.pass_obj
def explain(context: Context, *, name: str, account: str | None, limit: int, as_json: bool) -> None:
    """Show what each channel was told of the last transitions of interconnect NAME, and why, or why not."""
    settings = context.settings()
    wanted = account_ids(settings).get(account, account) if account else None
    desk = Desk(settings, Wanted(account=wanted, limit=limit), as_json=as_json)
    found = desk.fetch(lambda reading: _explain(reading, name, desk))
    if as_json:
        desk.print_json(found)
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for event in found:
        for when, what, style in _lines(event, desk):
            table.add_row(Text(when), Text(desk.printable(what), style=style))
    print_table(table)


async def _explain(reading: Reading, name: str, desk: Desk) -> list[Found]:
    explaining = Explaining(reading.conn)
    link = _one(await explaining.links(name), name, desk)
    return await explaining.explain(link, limit=desk.wanted.limit, now=desk.now)


def _one(links: list[Interconnect], name: str, desk: Desk) -> Interconnect:
    fitting = [link for link in links if desk.wanted.account in {None, link.account}]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise NotifierError(f"no interconnect {name} was ever seen; notifier status shows those that are watched")
    owners = ", ".join(desk.name(link.account) for link in fitting)
    raise NotifierError(f"several accounts have an interconnect {name}: {owners}; choose one with --account")


def _lines(event: Found, desk: Desk) -> Iterator[_Line]:
    match event["kind"]:
        case "transition":
            yield clock(event["at"]), _change(event), "bold"
            yield "", _bounds(event), ""
            yield from _channels(event)
        case "notice":
            yield clock(event["at"]), event["title"], "bold"
            yield from _channels(event)
        case "act":
            because = f": {event['comment']}" if event["comment"] else ""
            yield clock(event["at"]), f"{event['by']}: {event['act']} {event['target']}{because}", "cyan"
        case _:
            yield clock(event["at"]), _present(event, desk), "bold"
            yield from _incidents(event, desk)
            yield from _standing(event)


def _change(event: Found) -> str:
    reason = f": {event['reason']}" if event["reason"] else ""
    return f"#{event['number']} {event['before'] or 'first seen'} -> {event['after']} ({event['change']}){reason}"


def _bounds(event: Found) -> str:
    """Say between which looks it happened (R11)."""
    at, before = event["at"], event["last_seen_before"]
    gap = ", nothing observed in between" if event["unobserved"] else ""
    since = f"last seen {event['before'] or 'before'} {_near(before, at)}{gap}, " if before else ""
    first = f"first seen {event['after']} {_near(event['first_seen_at'], at)}"
    return f"{since}{first}, confirmed after {event['sightings']} sighting{'s'[: event['sightings'] != 1]}"


def _channels(event: Found) -> Iterator[_Line]:
    """Say what each channel was told of an event, channel by channel; of its reminders the last one."""
    tellings = event["channels"]
    last_reminders = {t["channel"]: t for t in tellings if t["kind"] == Kind.REMINDER}
    shown = [t for t in tellings if t["kind"] != Kind.REMINDER] + list(last_reminders.values())
    width = _width(shown)
    for telling in sorted(shown, key=lambda t: (t["channel"], t["at"])):
        kind = f"{telling['kind']}: " if telling["kind"] != event.get("change", telling["kind"]) else ""
        what, style = _telling(telling, event["at"])
        yield "", f"  {telling['channel']:<{width}}  {kind}{what}", style
        yield from (("", f"  {'':<{width}}  {line}", "yellow") for line in _in_vain(telling, event["at"]))
    if not tellings:
        why = "that is no problem" if event["change"] == "baseline" else "there was nobody to tell, or it is forgotten"
        yield "", f"  told to nobody: {why}", ""


def _telling(telling: Found, at: datetime) -> tuple[str, str]:
    """Say what became of one telling, and why it was meant for that channel at all."""
    if telling["outcome"] == UNPROMISED:
        return f"not told: {_tidy(telling['why'])}", "yellow"
    does = _DOES[Action(telling["action"])]
    why = f"delivery {telling['id']}" + (f", {telling['why']}" if telling["why"] else "")
    match Outcome(telling["outcome"]):
        case Outcome.SENT:
            answer = "".join(f", {part}" for part in (telling["attempts"][-1]["code"], telling["receipt"]) if part)
            return f"{does} {_near(telling['settled_at'], at)}{answer} ({why})", "green"
        case Outcome.PENDING:
            return f"not {does} yet, due {_near(telling['due_at'], at)} ({why})", "yellow"
        case Outcome.ABANDONED:
            again = f"notifier deliveries retry {telling['id']}"
            return (
                f"NOT {does}, given up {_near(telling['settled_at'], at)}: {telling['cause']} ({why}); {again}",
                "bold red",
            )
        case Outcome.MOOT:
            return f"not {does}: {telling['cause']} ({why})", ""
        case outcome:
            assert_never(outcome)


_DOES = {Action.TELL: "told", Action.OPEN: "opened", Action.UPDATE: "raised", Action.CLOSE: "closed"}


def _in_vain(telling: Found, at: datetime) -> Iterator[str]:
    """Tell of the attempts that did not settle it."""
    failed = [each for each in telling.get("attempts", ()) if each["ended_at"] != telling["settled_at"]]
    if failed:
        plural = "s" if len(failed) > 1 else ""
        last = failed[-1]
        yield f"  {len(failed)} attempt{plural} in vain, the last {_near(last['ended_at'], at)}: {last['cause']}"


def _present(event: Found, desk: Desk) -> str:
    if event["status"] is None:
        return "now: nothing is believed of it"
    blind = f"; it can't be seen: {event['cause']}" if event["blind"] else ""
    return f"now: {event['status']} for {format_duration(desk.now - event['since'])}{blind}"


def _incidents(event: Found, desk: Desk) -> Iterator[_Line]:
    for incident in event["incidents"]:
        yield "", f"  {incident['incident']} ({incident['severity']}), {_hands(incident, desk.now)}", ""


def _hands(incident: Found, now: datetime) -> str:
    by, until = incident["acknowledged_by"], incident["acknowledged_until"]
    if by is None:
        return "not acknowledged"
    if until is not None and until <= now:
        return f"acknowledged by {by}, but only until {_near(until, now)}"
    ends = f", until {_near(until, now)}" if until else ""
    return f"acknowledged by {by} {_near(incident['acknowledged_at'], now)}{ends}"


def _standing(event: Found) -> Iterator[_Line]:
    """Say what each channel knows now, and what is kept back from it."""
    width = _width(event["channels"])
    for told in event["channels"]:
        own = told["kind"] == "interconnect"
        if not own and told["kept"] is None:
            continue
        about = "it" if own else f"{told['kind']} {told['subject']}"
        knows = f"counts as told that {about} is {told['status']}" if told["status"] else f"was told nothing of {about}"
        kept = f"; kept back by {_tidy(told['kept'])}" if told["kept"] else ""
        until = f", looked at again {_near(told['look_at'], event['at'])}" if told["look_at"] else ""
        yield "", f"  {told['channel']:<{width}}  {knows}{kept}{until}", "yellow" if kept else ""


def _width(of_channels: list[Found]) -> int:
    return max((len(row["channel"]) for row in of_channels), default=0)


def _near(at: datetime, other: datetime) -> str:
    """Write a moment beside another one: the day only if it is a different one."""
    return clock(at).removeprefix(f"{other.astimezone(UTC):%Y-%m-%d} ")


def _tidy(why: str) -> str:
    return why.replace(",;", ";").rstrip(",")
