"""Moments as people write them: with an offset, or by the clocks of a time zone."""

from datetime import UTC, datetime, tzinfo

MOMENT = r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?$"


def parse_moment(text: str, zone: tzinfo) -> datetime:
    """Read a moment that looks like `MOMENT`; one without an offset is by the clocks of `zone`. It is aware, in UTC.

    Raises:
        ValueError: There is no such day or time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)


def is_moment(text: str) -> bool:
    """Whether a text that looks like `MOMENT` is one."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_doubtful(text: str, zone: tzinfo) -> bool:
    """Whether the clocks of `zone` show a moment twice or never: they are being changed, and no offset is given."""
    moment = datetime.fromisoformat(text)
    early, late = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return moment.tzinfo is None and early != late
