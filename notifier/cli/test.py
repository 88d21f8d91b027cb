"""`notifier test`: a marked message through a channel."""

import asyncio

import click

from notifier.adapters.channels import open_channels
from notifier.app import SystemClock
from notifier.cli.context import Context
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.status import Severity
from notifier.ports import Accepted, Answer, Channel, Message


@click.command()
@click.argument("channels", nargs=-1, required=True, metavar="CHANNEL...")
@click.pass_obj
def test(context: Context, channels: tuple[str, ...]) -> int:
    """Send a marked test message to each CHANNEL; an incident opened by it is closed at once.

    Exit code 1 if one did not take it.
    """
    settings = context.settings()
    unknown = [name for name in channels if name not in settings.channels]
    if unknown:
        known = ", ".join(settings.channels)
        raise click.UsageError(f"no channel {', '.join(unknown)}; configured: {known}")
    urls = {name: settings.channels[name].url.get_secret_value() for name in channels}
    answers = asyncio.run(_send_all(list(open_channels(urls).values())))
    for name, answer in answers.items():
        click.echo(f"{name}: {_words(answer)}")
    return 0 if all(isinstance(answer, Accepted) for answer in answers.values()) else 1


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
