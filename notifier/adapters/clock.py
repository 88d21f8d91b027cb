"""The time: the machine's own, and one that only flows."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_log = logging.getLogger(__name__)

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the first goes on while the machine sleeps
_SLACK = 10  # at most one part in so many faster or slower
_STEP = timedelta(seconds=1)  # what is less is made up for in ten, and not worth a line


def since_boot() -> timedelta:
    """Return the time since the machine was started, which nobody can set."""
    return timedelta(seconds=time.clock_gettime(_SINCE_BOOT))


class SystemClock:
    """The machine's clock; it may be set at any moment."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)


_MACHINE = SystemClock()


class SteadyClock:
    """A time that never jumps and never goes back (R7).

    It starts as the machine's clock and goes on by the time since boot. When the machine's clock is set, that is
    logged, and this one comes to agree with it by running a tenth faster or slower: an hour takes ten.
    """

    def __init__(
        self, machine: Callable[[], datetime] = _MACHINE.now, boot: Callable[[], timedelta] = since_boot
    ) -> None:
        """`machine` may step either way; `boot` must not go back."""
        self._machine = machine
        self._boot = boot
        self._read_at = boot()
        self._now = machine()
        self._apart = timedelta()

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        at, machine = self._boot(), self._machine()
        passed, self._read_at = at - self._read_at, at
        apart = machine - self._now - passed
        if abs(step := apart - self._apart) > _STEP:
            _report(step, apart)
        most = passed / _SLACK
        made_up = max(-most, min(apart, most))
        self._now += passed + made_up
        self._apart = apart - made_up
        return self._now


def _report(step: timedelta, apart: timedelta) -> None:
    fields = {"by": _whole(step), "agreed_in": _whole(apart * _SLACK)}
    if step < timedelta():
        _log.warning("the machine's clock was set back", extra={"fields": fields})
    else:
        _log.warning("the machine's clock was set forward", extra={"fields": fields})


def _whole(span: timedelta) -> timedelta:
    return timedelta(seconds=round(abs(span).total_seconds()))
