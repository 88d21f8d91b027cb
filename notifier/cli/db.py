"""`notifier db`: the schema."""

import asyncio

import click

from notifier.adapters.database import schema
from notifier.adapters.database.database import SqlDatabase
from notifier.cli.context import Context


@click.group()
def db() -> None:
    """Bring the database's schema up to date, or say which it is."""


@db.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring the schema to this release's; harmless to repeat."""
    asyncio.run(_upgrade(context.database()))
    click.echo(f"schema {schema.head()}")


@db.command()
@click.pass_obj
def current(context: Context) -> int:
    """Say which schema the database has and which this release needs; exit code 1 if they differ."""
    found, needed = asyncio.run(_current(context.database())), schema.head()
    click.echo(f"schema {found or 'none'}, this release needs {needed}")
    return 0 if found == needed else 1


async def _upgrade(database: SqlDatabase) -> None:
    try:
        await schema.upgrade(database.engine)
    finally:
        await database.close()


async def _current(database: SqlDatabase) -> str | None:
    try:
        return await schema.current(database.engine)
    finally:
        await database.close()
