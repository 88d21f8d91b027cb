"""Where the settings come from, at the start and at each reload (R31)."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from notifier.settings.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the settings come from, and how to see that they may have changed.

    `load` raises ConfigurationError; `log` sets up the log by settings, and hides the secrets of all it was given;
    `stamp` is equal as long as nothing was written that `load` reads.
    """

    load: Callable[[], Settings]
    log: Callable[[Settings], None] = lambda _: None
    stamp: Callable[[], Hashable] = lambda: None
