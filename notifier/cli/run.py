"""`notifier run`: the service, in the foreground."""

import asyncio

import click

from notifier.cli.context import Context
from notifier.service import serve


@click.command()
@click.option("--migrate", is_flag=True, help="Bring a server database's schema up to date first.")
@click.pass_obj
def run(context: Context, *, migrate: bool) -> int:
    """Watch the interconnects and tell of each change, until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    An embedded database (SQLite) is migrated by itself, a server database only with --migrate.
    """
    return asyncio.run(serve(context.source(), migrate=migrate))
