"""Who looks after the service from outside, and goes on doing so while it takes another configuration."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from notifier.adapters.clock import SystemClock
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.scheduler import Scheduler
from notifier.adapters.systemd import Systemd
from notifier.domain.figures import Figures, Reloads
from notifier.domain.health import Vital
from notifier.errors import ListenError
from notifier.logs import Redaction
from notifier.pipeline.acting import Acting
from notifier.pipeline.health import Health
from notifier.ports import Clock
from notifier.settings import Settings, WebSettings
from notifier.settings.address import parse_address

if TYPE_CHECKING:
    from notifier.adapters.web import Backing, Rules, WebServer

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

    def __init__(
        self, settings: Settings, database: SqlDatabase, machine: Clock, *, clock: Clock, reloads: Reloads
    ) -> None:
        """Listen, but answer nobody yet. `machine` is the clock that people have, `clock` the service's.

        Raises:
            ListenError: The address was asked for, and can't be had.
        """
        self._overseen: Overseen
        self._clock = clock
        self._reloads = reloads
        self._redact = Redaction(settings.secrets())
        self._backing: Backing | None = None
        self._server = self._listening(settings, database, machine)
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

    def reloaded(self, overseen: Overseen, settings: Settings) -> None:
        """That is over, one way or the other; tell how this is from now on, and answer by these settings."""
        self._overseen = overseen
        self._redact = Redaction(settings.secrets())
        if self._backing is not None:
            self._backing.names = _names(settings)
            self._backing.rules = _rules(settings.web)
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

    def _listening(self, settings: Settings, database: SqlDatabase, machine: Clock) -> "WebServer | None":
        if settings.web.listen is None:
            return None
        # Imported when it is needed: it takes half a second and more, which the other commands need not wait for.
        from notifier.adapters.web import App, Backing, Exposition, WebServer, bind  # noqa: PLC0415

        try:
            listening = bind(*parse_address(settings.web.listen))
        except ListenError as error:
            if settings.web.wanted:
                raise
            _log.warning("not listening, and doing without", extra={"fields": {"cause": str(error)}})
            return None
        self._backing = Backing(
            insight=database.insight(machine, lambda text: str(self._redact(text))),
            acts=Acting(database, machine),
            ailments=self._ailments,
            names=_names(settings),
            rules=_rules(settings.web),
            exposition=Exposition(self._figures, database=database, reloads=self._reloads, clock=self._clock),
        )
        return WebServer(App(self._backing), listening)


def _names(settings: Settings) -> Mapping[str, str]:
    return {account.id: account.name for account in settings.accounts}


def _rules(web: WebSettings) -> "Rules":
    from notifier.adapters.web import Rules  # noqa: PLC0415 - as above

    return Rules(token=web.token.get_secret_value() if web.token else None, public=web.public, url=web.url)
