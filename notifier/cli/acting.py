"""What the acting commands share: who acts and why, and until when it is to hold."""

import getpass
import os
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click

from notifier.cli.desk import clock, moment

_T = TypeVar("_T")

until_option = click.option(
    "--for", "--until", "until", metavar="SPAN|TIME", help="For how long (4h), or until when (2026-11-23T03:00Z)."
)


def signed(command: Callable[..., _T]) -> Callable[..., _T]:
    """Give a command the options that say who does it, and why."""
    why = click.option("--comment", default="", help="Why.")
    return click.option("--by", default=_login, show_default="your login name", help="Who.")(why(command))


def _login() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # a container may run as a user without a name
        raise click.UsageError("nobody is logged in by a name; say who you are: --by NAME") from None


def ahead(value: str, start: datetime) -> datetime:
    """Read when something ends: a span after its start, or a moment after that.

    Raises:
        click.BadParameter: It is neither.
    """
    found = moment(value, start, 1)
    if found <= start:
        raise click.BadParameter(f"found {value!r}, expected a time after {clock(start)}")
    return found
