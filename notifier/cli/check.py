"""`notifier check`: is everything as it must be before the service is relied upon?"""

import asyncio
from collections.abc import AsyncIterator, Sized

import click

from notifier.adapters.channels import open_channels
from notifier.adapters.clock import SystemClock
from notifier.adapters.cloudflare import CloudflareApi
from notifier.adapters.database import schema
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.tables import HEAD
from notifier.app import credential_of
from notifier.cli.context import Context
from notifier.errors import NotifierError
from notifier.settings import AccountSettings, Settings
from notifier.settings.budget import budget_of


@click.command()
@click.option("--online", is_flag=True, help="Also ask Cloudflare and the database.")
@click.pass_obj
def check(context: Context, *, online: bool) -> int:
    """Check the configuration, whole; exit code 1 if something must be put right."""
    settings = context.settings()
    channels = {name: channel.url.get_secret_value() for name, channel in settings.channels.items()}
    open_channels(channels)
    click.echo(f"ok       configuration: {_count(settings.accounts, 'account')}, {_count(channels, 'channel')}")
    return asyncio.run(_online(settings)) if online else 0


def _count(things: Sized, what: str) -> str:
    return f"{len(things)} {what}" if len(things) == 1 else f"{len(things)} {what}s"


async def _online(settings: Settings) -> int:
    worked = True
    async for good, words in _findings(settings):
        click.echo(f"{'ok' if good else 'WRONG':<8} {words}")
        worked = worked and good
    return 0 if worked else 1


async def _findings(settings: Settings) -> AsyncIterator[tuple[bool, str]]:
    for account in settings.accounts:
        yield await _account(settings, account)
    yield await _database(settings)


async def _account(settings: Settings, account: AccountSettings) -> tuple[bool, str]:
    """Ask for one interconnect: that proves the address, the credential, the account id and the permission."""
    api = CloudflareApi(
        account=account.id,
        url=settings.cloudflare.url,
        credential=credential_of(account),
        timeout=settings.cloudflare.timeout,
        budget=budget_of(settings),
        clock=SystemClock(),
    )
    try:
        unseen = await api.permission()
    finally:
        await api.close()
    if unseen is None:
        return True, f"account {account.name}: its interconnects can be listed"
    cause = unseen.cause
    remedy = f"; {cause.remedy}" if cause.remedy else ""
    return False, f"account {account.name}: cannot see interconnects: {cause.text}{remedy}"


async def _database(settings: Settings) -> tuple[bool, str]:
    database = SqlDatabase(settings.database.get_secret_value())
    try:
        if database.absent:
            return True, "database: none yet; the service makes it at its first start"
        await schema.require(database.engine)
    except NotifierError as error:
        return False, f"database: {error}"
    finally:
        await database.close()
    return True, f"database: schema {HEAD}"
