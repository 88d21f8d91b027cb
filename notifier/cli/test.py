"""`notifier test`: a marked message through a channel."""

import asyncio
from typing import assert_never

import click

from notifier.adapters.channels import open_channels
from notifier.adapters.clock import SystemClock
from notifier.adapters.database.reading import Found
from notifier.cli.context import Context
from notifier.cli.drill import drill
from notifier.domain.duration import format_duration
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.status import Severity
from notifier.logs import Redaction
from notifier.ports import Accepted, Answer, Channel, Message, Outcome
from notifier.settings import Settings


@click.command()
@click.argument("channels", nargs=-1, required=True, metavar="CHANNEL...")
@click.option("--drill", "as_drill", is_flag=True, help="A problem and its recovery, through the real outbox.")
@click.pass_obj
def test(context: Context, channels: tuple[str, ...], *, as_drill: bool) -> int:
    """Send a marked test message to each CHANNEL; an incident opened by it is closed at once.

    With --drill the messages go the way that real ones go: the running service sends them, or this command if none
    runs. Exit code 1 if one channel did not take everything.
    """
    settings = context.settings()
    unknown = [name for name in channels if name not in settings.channels]
    if unknown:
        known = ", ".join(settings.channels)
        raise click.UsageError(f"no channel {', '.join(unknown)}; configured: {known}")
    if as_drill:
        return _drill(settings, channels)
    urls = {name: settings.channels[name].url.get_secret_value() for name in channels}
    answers = asyncio.run(_send_all(list(open_channels(urls).values())))
    for name, answer in answers.items():
        click.echo(f"{name}: {_words(answer)}")
    return 0 if all(isinstance(answer, Accepted) for answer in answers.values()) else 1


def _drill(settings: Settings, channels: tuple[str, ...]) -> int:
    redact = Redaction(settings.secrets())
    rows = asyncio.run(drill(settings, channels))
    for row in rows:
        told = "problem" if row["kind"] == Kind.PROBLEM else "recovery"
        click.echo(redact(f"{row['channel']}: {told} {_outcome(row)}"))
    return 0 if all(row["outcome"] == Outcome.SENT for row in rows) else 1


def _outcome(row: Found) -> str:
    match Outcome(row["outcome"]):
        case Outcome.SENT:
            return f"accepted after {format_duration(row['settled_at'] - row['at'])}"
        case Outcome.ABANDONED | Outcome.MOOT:
            return f"not accepted: {row['cause']}"
        case Outcome.PENDING:
            return f"not accepted yet: {row['cause'] or 'not tried so far'}; it stays in the outbox"
        case outcome:
            assert_never(outcome)


async def _send_all(channels: list[Channel]) -> dict[str, Answer]:
    answers = await asyncio.gather(*(_send(channel) for channel in channels))
    for channel in channels:
        await channel.close()
    return {channel.name: answer for channel, answer in zip(channels, answers, strict=True)}


async def _send(channel: Channel) -> Answer:
    if not channel.stateful:
        return await channel.send(_message(channel.name, Action.TELL))
    opened = await channel.send(_message(channel.name, Action.OPEN))
    closed = await channel.send(_message(channel.name, Action.CLOSE))
    return closed if isinstance(opened, Accepted) else opened


def _message(channel: str, action: Action) -> Message:
    now = SystemClock().now()
    told = Notification(
        kind=Kind.TEST,
        severity=Severity.INFO,
        account="",
        account_name="",
        subject=channel,
        title=f"[test] the channel {channel} works",
        lead="This is a test of cni-notifier. Nothing happened to any interconnect.",
        facts=(("Channel", channel),),
        incident_key=f"cni:test:{channel}",
        observed_at=now,
        recorded_at=now,
    )
    return Message(notification=told, action=action)


def _words(answer: Answer) -> str:
    return "accepted" if isinstance(answer, Accepted) else f"not accepted: {answer.cause}"
