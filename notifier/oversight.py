"""Who looks after the service from outside, and goes on doing so while it takes another configuration."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from notifier.adapters.clock import SystemClock
from notifier.adapters.scheduler import Scheduler
from notifier.adapters.systemd import Systemd
from notifier.domain.figures import Figures, Reloads
from notifier.domain.health import Vital
from notifier.errors import ListenError
from notifier.pipeline.health import Health
from notifier.ports import Clock, Counting
from notifier.settings import WebSettings
from notifier.settings.address import parse_address

if TYPE_CHECKING:
    from notifier.adapters.web import WebServer

_log = logging.getLogger(__name__)


class Overseen(Protocol):
    """What is looked after; a reload puts another in its place."""

    @property
    def health(self) -> Health:
        """Whether it does its work."""
        ...

    def figures(self) -> Figures:
        """Return how it stands; nobody is asked for it."""
        ...


class Oversight:
    """Tells the init system, and whoever asks over HTTP, how the service is (R30)."""

    def __init__(self, web: WebSettings, *, database: Counting, clock: Clock, reloads: Reloads) -> None:
        """Listen, but answer nobody yet. The database is asked for what memory does not know; `clock` is the service's.

        Raises:
            ListenError: The address was asked for, and can't be had.
        """
        self._overseen: Overseen
        self._database = database
        self._clock = clock
        self._reloads = reloads
        self._server = self._listening(web)
        self._systemd = Systemd()
        self._scheduler = Scheduler(SystemClock())  # its own: a reload may take long, and must not be taken for death

    def open(self, overseen: Overseen, tasks: asyncio.TaskGroup) -> None:
        """Answer from now on, and tell how this is; the service does its work."""
        self._overseen = overseen
        if self._server is not None:
            tasks.create_task(self._server.serve())
            _log.info("listening", extra={"fields": {"address": self._server.address}})
        if self._systemd.listens:
            self._scheduler.every(self._systemd.interval, self._report, name="init system")
        self._scheduler.start()
        self._systemd.ready(self._status())

    def reloading(self) -> None:
        """A new configuration is being taken."""
        self._systemd.reloading()

    def reloaded(self, overseen: Overseen) -> None:
        """That is over, one way or the other; tell how this is from now on."""
        self._overseen = overseen
        self._systemd.ready(self._status())

    def stopping(self) -> None:
        """The service is about to end."""
        self._systemd.stopping()

    async def aclose(self) -> None:
        """Answer no more; harmless if it never did."""
        if self._server is not None:
            self._server.stop()
        await self._scheduler.stop(timedelta())
        self._systemd.close()

    async def _report(self) -> None:
        tell = self._systemd.ails if Vital.LOOP in self._ailments() else self._systemd.lives
        tell(self._status())

    def _status(self) -> str:
        return "; ".join(self._ailments().values()) or "healthy"

    def _ailments(self) -> Mapping[Vital, str]:
        return self._overseen.health.ailments()

    def _figures(self) -> Figures:
        return self._overseen.figures()

    def _listening(self, web: WebSettings) -> "WebServer | None":
        if web.listen is None:
            return None
        # Imported when it is needed: it takes a tenth of a second, which the other commands need not wait for.
        from notifier.adapters.web import Metrics, WebServer, bind, make_app  # noqa: PLC0415

        try:
            listening = bind(*parse_address(web.listen))
        except ListenError as error:
            if web.wanted:
                raise
            _log.warning("not listening, and doing without", extra={"fields": {"cause": str(error)}})
            return None
        metrics = Metrics(self._figures, database=self._database, reloads=self._reloads, clock=self._clock)
        token = None if web.token is None else web.token.get_secret_value()
        return WebServer(make_app(self._ailments, metrics, token), listening)
