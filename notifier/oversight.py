"""Who looks after the service from outside, and goes on doing so while it takes another configuration."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from notifier.adapters import listening
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

_GRACE = timedelta(seconds=1)  # for what is under way at the end, so that the database is not closed in its midst


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
        self._settings = settings
        self._database = database
        self._machine = machine
        self._clock = clock
        self._reloads = reloads
        self._redact = Redaction(settings.secrets())
        self._socket = _bound(settings.web)
        self._backing: Backing | None = None
        self._server: WebServer | None = None
        self._answering: asyncio.Task[None] | None = None
        self._systemd = Systemd()
        self._scheduler = Scheduler(SystemClock())  # its own: a reload may take long, and must not be taken for death

    def open(self, overseen: Overseen, tasks: asyncio.TaskGroup) -> None:
        """Answer from now on, and tell how this is; the service does its work."""
        self._overseen = overseen
        if self._socket is not None:
            self._answering = tasks.create_task(self._answer(self._socket))
            _log.info("listening", extra={"fields": {"address": listening.address(self._socket)}})
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
        self._settings = settings
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
        elif self._socket is not None:
            if self._answering is not None:
                self._answering.cancel()
            self._socket.close()
        await self._scheduler.stop(_GRACE)
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

    async def _answer(self, bound: socket.socket) -> None:
        """Answer until told to stop; what that takes is imported and made beside the polls, which need not wait."""
        await asyncio.to_thread(import_module, "notifier.adapters.web")
        from notifier.adapters.web import READY_EVERY, App, Backing, Exposition, WebServer  # noqa: PLC0415

        self._backing = Backing(
            insight=self._database.insight(self._machine, lambda text: str(self._redact(text))),
            acts=Acting(self._database, self._machine),
            ailments=self._ailments,
            names=_names(self._settings),
            rules=_rules(self._settings.web),
            exposition=Exposition(self._figures, database=self._database, reloads=self._reloads, clock=self._clock),
        )
        app = await asyncio.to_thread(App, self._backing)
        self._server = WebServer(app, bound)
        self._scheduler.every(READY_EVERY, app.be_ready, name="status page")
        await self._server.serve()


def _bound(web: WebSettings) -> socket.socket | None:
    if web.listen is None:
        return None
    try:
        return listening.bind(*parse_address(web.listen))
    except ListenError as error:
        if web.wanted:
            raise
        _log.warning("not listening, and doing without", extra={"fields": {"cause": str(error)}})
        return None


def _names(settings: Settings) -> Mapping[str, str]:
    return {account.id: account.name for account in settings.accounts}


def _rules(web: WebSettings) -> "Rules":
    from notifier.adapters.web import Rules  # noqa: PLC0415 - as above

    return Rules(token=web.token.get_secret_value() if web.token else None, public=web.public, url=web.url)
