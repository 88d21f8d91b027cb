"""`notifier config`: about the configuration itself."""

import json

import click

from notifier.settings import schema


@click.group()
def config() -> None:
    """About the configuration."""


@config.command("schema")
def print_schema() -> None:
    """Print the configuration's JSON Schema."""
    click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
