"""Who speaks, and how moments and lists of names are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from notifier.domain.notification import PAGE, Fact

_NAMED = 20  # more names than this make a message unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who speaks of an account: what people call it, and the zone they live in.

    `page` gives the address of the status page, or of what lies below it; None where nobody said what it is.
    """

    account: str
    name: str
    zone: tzinfo = UTC
    page: Callable[..., str] | None = None

    def moment(self, at: datetime) -> str:
        """Write a moment in UTC, and in the zone if it is another one."""
        local = at.astimezone(self.zone)
        return utc(at) if local.utcoffset() == at.astimezone(UTC).utcoffset() else f"{utc(at)} ({local:%H:%M:%S %Z})"

    def see(self, *path: str) -> list[tuple[str, Fact]]:
        """Say where to see more, as a fact; nothing where the page has no address."""
        return [] if self.page is None else [(PAGE, self.page(*path))]


def utc(at: datetime) -> str:
    """Write a moment in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def listed(names: Sequence[str]) -> str:
    """Write names one after the other; of many, the first and how many more there are."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
