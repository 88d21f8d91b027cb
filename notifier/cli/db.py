"""`notifier db`: the schema."""

import asyncio

import click

from notifier.adapters.database import schema
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.tables import HEAD
from notifier.cli.context import Context


@click.group()
def db() -> None:
    """Bring the database's schema up to date, or say which it is."""


@db.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring the schema to this release's; harmless to repeat."""
    asyncio.run(_upgrade(_database(context)))
    click.echo(f"schema {HEAD}")


@db.command()
@click.pass_obj
def current(context: Context) -> int:
    """Say which schema the database has and which this release needs; exit code 1 if they differ."""
    found, needed = asyncio.run(_current(_database(context))), HEAD
    click.echo(f"schema {found or 'none'}, this release needs {needed}")
    return 0 if found == needed else 1


def _database(context: Context) -> SqlDatabase:
    return SqlDatabase(context.settings().database.get_secret_value())


async def _upgrade(database: SqlDatabase) -> None:
    try:
        await database.migrate()
    finally:
        await database.close()


async def _current(database: SqlDatabase) -> str | None:
    try:
        return await schema.current(database.engine)
    finally:
        await database.close()
