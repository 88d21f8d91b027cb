"""The lease of an account: who holds it watches the account, and nobody else (R29)."""

from dataclasses import dataclass
from datetime import UTC, datetime

_NEVER = datetime.min.replace(tzinfo=UTC)
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Lease:
    """What this process knows of one account's lease.

    It holds `until` then, by this process's clock. `fence` is its number, from 1: everything that is recorded under
    the lease is checked against it. 0: it is not ours; None: nobody else can be at work, so there is nothing to check.
    """

    until: datetime = _NEVER
    fence: int | None = 0

    @classmethod
    def for_ever(cls) -> "Lease":
        """Return the lease of an account in a database that belongs to this process alone."""
        return cls(until=_FOR_EVER, fence=None)

    def holds(self, now: datetime) -> bool:
        """Whether the account is ours."""
        return now < self.until

    def drop(self) -> None:
        """It is ours no more."""
        self.until, self.fence = _NEVER, 0
