"""What every command starts from: the settings and the log."""

import os
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from pathlib import Path

from notifier.logs import configure
from notifier.settings import Settings, files, load
from notifier.settings.source import Source


@dataclass(frozen=True, slots=True)
class Context:
    """The options given before the command."""

    path: Path | None
    log_format: str | None
    log_level: str | None

    def settings(self) -> Settings:
        """Read the configuration and set up the log by it.

        Raises:
            ConfigurationError: It can't be used.
        """
        settings = load(self.path, os.environ, Path.cwd())
        self._set_up_log(settings, settings.secrets())
        return settings

    def source(self) -> Source:
        """Return where the service gets its settings from, now and at each reload."""
        folder = Path.cwd()
        secrets: set[str] = set()

        def log(settings: Settings) -> None:
            secrets.update(settings.secrets())  # and those of before: what they were used for may still fail
            self._set_up_log(settings, secrets)

        return Source(
            load=lambda: load(self.path, os.environ, folder),
            log=log,
            stamp=lambda: tuple(_written(file) for file in files(self.path, os.environ, folder)),
        )

    def _set_up_log(self, settings: Settings, secrets: Collection[str]) -> None:
        configure(
            format=self.log_format or settings.log.format, level=self.log_level or settings.log.level, secrets=secrets
        )


def _written(file: Path) -> Hashable:
    """Tell one state of a file from another; through links, as some swap a whole folder by one."""
    try:
        found = file.stat()
    except OSError as error:
        return file, error.errno
    return file, found.st_mtime_ns, found.st_size, found.st_ino
