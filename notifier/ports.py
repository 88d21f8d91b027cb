"""What the pipeline asks of the world: small promises that adapters keep."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from notifier.domain.blindness import Extent, View
from notifier.domain.decision import Gap, Transition
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.interconnect import Interconnect
from notifier.domain.notification import Action, Notification
from notifier.domain.observation import Observation, Sight, Unseen
from notifier.domain.state import State
from notifier.domain.status import Severity


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

    async def close(self) -> None:
        """Let go of the connections."""
        ...


# --- The database -------------------------------------------------------------------------------------------


class Watched(Protocol):
    """What is watched and what is believed of it."""

    async def links(self, account: str) -> dict[str, Interconnect]:
        """Return the watched interconnects by name."""
        ...

    async def save_links(self, account: str, links: Collection[Interconnect], at: datetime) -> None:
        """Write what a complete listing held; `links` are those to watch, all others are watched no more."""
        ...

    async def states(self, account: str, names: Collection[str]) -> dict[str, State]:
        """Return the stored states by name, held against other writers until the transaction ends."""
        ...

    async def save_states(self, states: Collection[State]) -> None:
        """Write states, each as version + 1.

        Raises:
            ConflictError: One was saved by somebody else since it was read (R14); nothing is saved then.
        """
        ...

    async def mark_seen(self, account: str, seen: Mapping[str, datetime]) -> None:
        """Move forward when each link was last seen, all in one statement; changes nothing else."""
        ...

    async def view(self, account: str) -> View:
        """Return what can be seen of the account, held against other writers."""
        ...

    async def save_view(self, view: View) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: Somebody else saved it since it was read.
        """
        ...

    async def extent(self, account: str) -> Extent:
        """Return how much of the account's watched links can't be seen."""
        ...

    async def differing(self, account: str) -> list[tuple[str, str]]:
        """Return the watched links with a candidate: name and the status last seen."""
        ...


class Record(Protocol):
    """What happened: written once, never altered but for an incident's end."""

    async def observations(self, observations: Collection[Observation]) -> None:
        """Keep observations that differ from what was believed, or saw nothing."""
        ...

    async def transitions(self, transitions: Collection[Transition]) -> None:
        """Keep transitions; a number can't be given twice."""
        ...

    async def gaps(self, gaps: Collection[Gap]) -> None:
        """Keep the intervals in which nothing was observed."""
        ...

    async def open_incidents(self, incidents: Collection[Incident]) -> None:
        """Keep new incidents."""
        ...

    async def worsen_incident(self, key: str, severity: Severity) -> None:
        """Raise an open incident's severity."""
        ...

    async def close_incidents(self, ends: Mapping[str, datetime]) -> None:
        """End incidents, by key, each at its time."""
        ...

    async def last_incident(self, kind: IncidentKind, account: str, subject: str) -> Incident | None:
        """Return the newest incident of a subject, open or closed."""
        ...

    async def open_incidents_of(self, kind: IncidentKind) -> list[Incident]:
        """Return the open incidents of a kind, oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A delivery yet to be made: one notification, one channel.

    `lane` is what keeps its order: first in, first out per (channel, lane) (R15).
    `urgency` 0 goes before 1 in a backlog (R26).
    """

    channel: str
    lane: str
    action: Action
    urgency: int
    due_at: datetime
    give_up_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this process has leased; `attempt` counts from 1."""

    id: int
    attempt: int
    notification: Notification
    promise: Promise


class Outcome(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    SENT = "sent"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of one attempt; `due_at` is the next one's time while the outcome is pending."""

    claimed: Claimed
    owner: str
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    answer: Answer
    cause: str | None = None
    due_at: datetime | None = None


class Outbox(Protocol):
    """What was promised to the channels, and what came of it."""

    async def promise(self, promised: Collection[tuple[Notification, Collection[Promise]]]) -> None:
        """Write notifications, each with its deliveries."""
        ...

    async def claim(self, channel: str, *, now: datetime, until: datetime, owner: str, limit: int) -> list[Claimed]:
        """Lease deliveries that are due, urgent first; only the oldest unsettled one of each lane (R15)."""
        ...

    async def settle(self, settlement: Settlement) -> bool:
        """Write what came of an attempt; False if the lease was lost to another meanwhile."""
        ...

    async def release(self, owner: str | None = None) -> None:
        """Give up leases: an owner's, or everybody's where nobody else can be at work."""
        ...

    async def abandon(self, channel: str, cause: str, at: datetime) -> int:
        """Abandon everything pending for a channel that is no more; return how many."""
        ...

    async def waiting_channels(self) -> set[str]:
        """Return the channels for which something is pending."""
        ...

    async def prune(self, *, deliveries_before: datetime, observations_before: datetime) -> None:
        """Forget settled deliveries and observations older than they are kept."""
        ...


class UnitOfWork(Protocol):
    """One transaction: everything in it is written, or nothing is."""

    @property
    def watched(self) -> Watched:
        """What is watched."""
        ...

    @property
    def record(self) -> Record:
        """What happened."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What was promised."""
        ...


class Database(Protocol):
    """Where everything is kept."""

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open a unit of work; it commits at its end unless an exception leaves it.

        Raises:
            DatabaseError: The database could not do it; nothing was written.
        """
        ...
