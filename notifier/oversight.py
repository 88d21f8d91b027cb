"""Who looks after the service from outside, and goes on doing so while it takes another configuration."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from notifier.adapters.clock import SystemClock
from notifier.adapters.scheduler import Scheduler
from notifier.adapters.systemd import Systemd
from notifier.domain.health import Vital
from notifier.errors import ListenError
from notifier.pipeline.health import Health
from notifier.settings import WebSettings
from notifier.settings.address import parse_address

if TYPE_CHECKING:
    from notifier.adapters.web import WebServer

_log = logging.getLogger(__name__)


class Oversight:
    """Tells the init system, and whoever asks over HTTP, how the service is (R30)."""

    def __init__(self, web: WebSettings) -> None:
        """Listen, but answer nobody yet.

        Raises:
            ListenError: The address was asked for, and can't be had.
        """
        self._health: Health
        self._server = self._listening(web)
        self._systemd = Systemd()
        self._scheduler = Scheduler(SystemClock())  # its own: a reload may take long, and must not be taken for death

    def open(self, health: Health, tasks: asyncio.TaskGroup) -> None:
        """Answer from now on, and tell of this health; the service does its work."""
        self._health = health
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

    def reloaded(self, health: Health) -> None:
        """That is over, one way or the other; tell of this health from now on."""
        self._health = health
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
        return self._health.ailments()

    def _listening(self, web: WebSettings) -> "WebServer | None":
        if web.listen is None:
            return None
        # Imported when it is needed: it takes a tenth of a second, which the other commands need not wait for.
        from notifier.adapters.web import WebServer, bind, make_app  # noqa: PLC0415

        try:
            listening = bind(*parse_address(web.listen))
        except ListenError as error:
            if web.wanted:
                raise
            _log.warning("not listening, and doing without", extra={"fields": {"cause": str(error)}})
            return None
        return WebServer(make_app(self._ailments), listening)
