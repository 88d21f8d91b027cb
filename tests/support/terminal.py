"""The commands as people type them, within this process: quick, and beside a stage."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.testing import CliRunner

from notifier.cli import notifier
from notifier.errors import NotifierError
from tests.support.process import Ran


class Terminal:
    """Runs commands with the configuration of a folder; codes and complaints are those of a process."""

    def __init__(self, folder: Path) -> None:
        self._config = str(folder / "notifier.yaml")

    async def __call__(self, *arguments: str) -> Ran:
        """Run a command in a thread of its own, beside whatever else is going on."""
        return await asyncio.to_thread(self.run, *arguments)

    def run(self, *arguments: str) -> Ran:
        """Run a command where no event loop runs."""
        with _log_as_it_was():
            ran = CliRunner().invoke(notifier, ["--config", self._config, *arguments], standalone_mode=False)
        match ran.exception:
            case None:
                return Ran(ran.return_value or 0, ran.stdout, ran.stderr)
            case click.ClickException() as error:
                return Ran(error.exit_code, ran.stdout, ran.stderr + error.format_message())
            case NotifierError() as error:
                return Ran(1, ran.stdout, ran.stderr + str(error))
            case other:
                raise other


@contextmanager
def _log_as_it_was() -> Iterator[None]:
    """A command sets up the log of its process, which here is that of the tests."""
    root, ours = logging.getLogger(), logging.getLogger("notifier")
    before = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    try:
        yield
    finally:
        root.handlers[:], root.level, ours.level, logging.raiseExceptions = before
