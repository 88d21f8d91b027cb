"""What every command starts from: the settings and the log."""

import os
from dataclasses import dataclass
from pathlib import Path

from notifier.logs import configure
from notifier.settings import Settings, load


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
        configure(
            format=self.log_format or settings.log.format,
            level=self.log_level or settings.log.level,
            secrets=settings.secrets(),
        )
        return settings
