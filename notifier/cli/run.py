"""`notifier run`: the service, in the foreground."""

import asyncio
import gc

import click

from notifier.cli.context import Context
from notifier.service import serve

# With so many objects more than before Python looks for those that only hold one another, and every so often among all
# there are. By default it is 700: with 10,000 interconnects an eighth of the CPU, 0.14 s at a time.
_NEW_OBJECTS = 5_000


@click.command()
@click.option("--migrate", is_flag=True, help="Bring a server database's schema up to date first.")
@click.pass_obj
def run(context: Context, *, migrate: bool) -> int:
    """Watch the interconnects and tell of each change, until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    An embedded database (SQLite) is migrated by itself, a server database only with --migrate.
    """
    gc.set_threshold(_NEW_OBJECTS)
    return asyncio.run(serve(context.source(), migrate=migrate))
