"""Apprise's log: it names tokens and whole URLs, so nobody hears it but we ourselves (R33)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_WITH_URLS = ("httpx", "urllib3")  # they log each request's URL below warning


def mute() -> None:
    """Keep what Apprise and its HTTP libraries say of URLs out of every log."""
    apprise = logging.getLogger("apprise")
    apprise.setLevel(logging.WARNING)
    apprise.addFilter(_keep)
    for name in _WITH_URLS:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect Apprise's warnings and errors of this thread or task. They hold secrets."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def _keep(record: logging.LogRecord) -> bool:
    """Give the record to whoever listens, and to no handler at all."""
    heard = _heard.get()
    if heard is not None:
        heard.append(record.getMessage())
    return False
