"""What the init system is told, by sd_notify(3): when the service is ready, reloads, stops, and that it lives."""

import socket
import time
from contextlib import suppress
from datetime import timedelta

from systemd_watchdog.systemd_watchdog import WatchDog

_OFTEN_ENOUGH = timedelta(seconds=10)  # for the status


class Systemd:
    """Tells systemd, or whoever else has set NOTIFY_SOCKET; without that, nobody.

    Never raises and never waits: who does not listen any more must not stop the service.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._watchdog = WatchDog(self._socket)

    @property
    def listens(self) -> bool:
        """Whether anybody wants to be told."""
        return self._watchdog.is_enabled

    @property
    def interval(self) -> timedelta:
        """How often to say that the service lives: within half of what WATCHDOG_USEC allows."""
        return min(self._watchdog.timeout_td / 2, _OFTEN_ENOUGH)

    def ready(self, status: str) -> None:
        """The service does its work, after its start or a reload."""
        self._tell(status, "READY=1")

    def reloading(self) -> None:
        """A new configuration is being taken; `ready` says that this is over."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("taking a new configuration", "RELOADING=1", f"MONOTONIC_USEC={now}")

    def lives(self, status: str) -> None:
        """The service lives; if this is not said in time, it is started again."""
        self._tell(status, "WATCHDOG=1")

    def ails(self, status: str) -> None:
        """The service can't be said to live."""
        self._tell(status)

    def stopping(self) -> None:
        """The service is about to end."""
        self._tell("stopping", "STOPPING=1")

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _tell(self, status: str, *more: str) -> None:
        """Send it all in one message, as a reload has to be told; the library has a name for the first of them only."""
        with suppress(OSError):
            self._watchdog.status("\n".join([status, *more]))
