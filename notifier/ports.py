"""What the pipeline asks of the world: small promises that adapters keep."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from notifier.domain.interconnect import Interconnect
from notifier.domain.notification import Action, Notification
from notifier.domain.observation import Sight, Unseen


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


# --- Cloudflare ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """A complete listing; a listing of which a page failed is no listing (R9)."""

    interconnects: tuple[Interconnect, ...]


class Cloudflare(Protocol):
    """One account at Cloudflare's API. Never raises for what the network or the API does."""

    async def listing(self) -> Listed | Unseen:
        """List every interconnect of the account, all pages."""
        ...

    async def status(self, name: str) -> Sight:
        """Ask for one interconnect's status; anything but a status is Unseen with its cause (R6, R8)."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


# --- Channels -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification on its way to one channel.

    `late_by` is how long after its recording it is being sent, if that is late enough to be said (R17).
    """

    notification: Notification
    action: Action
    late_by: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The receiver took it; `receipt` is its own id for it, where it gave one."""

    code: int | None = None
    receipt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """It may or may not have arrived; sending again is right.

    `retry_after` is how long the receiver wants to be left alone.
    """

    cause: str
    code: int | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The receiver will never take it as it is: sending again is pointless (R16)."""

    cause: str
    code: int | None = None


Answer = Accepted | TryAgain | Refused


class Channel(Protocol):
    """A named Apprise URL."""

    @property
    def name(self) -> str:
        """The name the configuration gives it."""
        ...

    @property
    def stateful(self) -> bool:
        """Whether the receiver keeps incidents (PagerDuty, Opsgenie)."""
        ...

    async def send(self, message: Message) -> Answer:
        """Send one message, once, within a bounded time. Never raises for what the receiver does."""
        ...
