"""When a maintenance window is on: cron expressions, read by cronsim."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_FIELDS = 5
_SLACK = timedelta(hours=3)  # no clock is put back further


def check_cron(expression: str) -> str | None:
    """Say what is wrong with an expression, None if nothing is."""
    if len(expression.split()) != _FIELDS:
        return "it has not five fields"
    try:
        next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        return str(error).lower()
    except StopIteration:
        return "that never comes"
    return None


def recurring(cron: str, length: timedelta, zone: ZoneInfo) -> Callable[[datetime], datetime | None]:
    """Return what tells, of a moment inside a window, when that window ends; None outside.

    A window begins when `cron` says so by the clocks of `zone`, and lasts `length` of elapsed time. As with Debian's
    cron, a time of day that a clock change leaves out is made up for right after it, one that comes twice counts
    once; what recurs by the hour or minute (`*`) goes by elapsed time. Of windows that overlap it is the last begun.
    """

    def until(at: datetime) -> datetime | None:
        for local in CronSim(cron, (at + _SLACK).astimezone(zone), reverse=True):
            begun = local.astimezone(UTC)
            if begun <= at:
                end = begun + length
                return end if at < end else None
        return None

    return until


def fixed(from_at: datetime, until_at: datetime) -> Callable[[datetime], datetime | None]:
    """Return what tells the same of a single window."""
    return lambda at: until_at if from_at <= at < until_at else None


def occurrences(
    cron: str, length: timedelta, zone: ZoneInfo, from_at: datetime, until_at: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the windows of `recurring` that lie in a time, wholly or in part: when each begins and ends, in UTC."""
    for local in CronSim(cron, (from_at - length - _SLACK).astimezone(zone)):
        begun = local.astimezone(UTC)
        if begun >= until_at + _SLACK:
            return
        if begun < until_at and from_at < begun + length:
            yield begun, begun + length
