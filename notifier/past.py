"""What is on record of a period, in the order in which it came about: all that a replay goes by."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notifier.domain.incident import Acknowledgement, Subject
from notifier.domain.interconnect import Interconnect, Link
from notifier.domain.notification import Action, Notification
from notifier.domain.observation import Cause
from notifier.domain.suppression import Silence
from notifier.ports import Due, Look, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Observations that one transaction wrote, in their order."""

    at: datetime
    account: str
    looks: Sequence[Look]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A listing that changed something: all that was listed, or why nothing was."""

    at: datetime
    account: str
    listed: Sequence[Interconnect] | Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The service began to look at everything anew; `alive_at` is the last sign of life before, if there was one."""

    at: datetime
    alive_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What an operator did: `about` an incident's subject, or to the silence or delivery of that `number`."""

    at: datetime
    act: str
    by: str
    about: Subject | None = None
    number: int | None = None
    given: Acknowledgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a delivery, numbered from 1; one that was broken off is missing.

    `message` is the same for all that one message carried.
    """

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    code: int | None
    cause: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A notification that was promised to a channel, and what came of it.

    `number` is the delivery's; `due_at` is when it was due last.
    """

    number: int
    channel: str
    action: Action
    notification: Notification
    outcome: Outcome
    attempts: Sequence[Attempt]
    due_at: datetime
    settled_at: datetime | None
    uncertain: bool

    @property
    def told_at(self) -> datetime | None:
        """When the channel took it, if it did."""
        return self.settled_at if self.outcome is Outcome.SENT else None


@dataclass(frozen=True, slots=True)
class Belief:
    """What was believed of a link from a moment on; None: nothing."""

    since: datetime
    status: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is on record from `begins_at` until `ends_at`.

    Of what came before `kept_since` the observations are forgotten. `opening` is how everything stood at the
    beginning, as rows by table. `came_to` is when what is due by time alone was done. `beliefs` are each link's, oldest
    first; `seen` is when each was last seen of all.
    """

    begins_at: datetime
    ends_at: datetime
    kept_since: datetime
    opening: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    starts: Sequence[Start] = ()
    listings: Sequence[Listing] = ()
    came_to: Mapping[Due, Sequence[datetime]] = field(default_factory=dict)
    batches: Sequence[Batch] = ()
    deeds: Sequence[Deed] = ()
    silences: Sequence[Silence] = ()
    tellings: Sequence[Telling] = ()
    beliefs: Mapping[Link, Sequence[Belief]] = field(default_factory=dict)
    seen: Mapping[Link, datetime] = field(default_factory=dict)

    def believed(self, link: Link, at: datetime) -> Belief | None:
        """Return what was believed of a link at a moment."""
        known = self.beliefs.get(link, ())
        place = bisect_right(known, at, key=lambda belief: belief.since)
        return known[place - 1] if place else None
