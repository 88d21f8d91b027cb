"""`notifier run`: the service, in the foreground."""

import asyncio
import gc

import click

from notifier.cli.context import Context
from notifier.service import serve

# Python looks for what only holds itself whenever there are so many objects more than before; by default it is 700, as
# much as a second of polls has under way, and each tenth of a tenth time it goes through all there is.
_MORE = 5_000


@click.command()
@click.option("--migrate", is_flag=True, help="Bring a server database's schema up to date first.")
@click.pass_obj
def run(context: Context, *, migrate: bool) -> int:
    """Watch the interconnects and tell of each change, until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    An embedded database (SQLite) is migrated by itself, a server database only with --migrate.
    """
    gc.set_threshold(_MORE)
    return asyncio.run(serve(context.source(), migrate=migrate))
