"""What people look at: each answer is of one moment, changes nothing, and keeps nobody from writing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from notifier.domain.incident import Acknowledgement, Incident, IncidentKind
from notifier.domain.interconnect import Link
from notifier.domain.matching import Matcher
from notifier.domain.site import Site
from notifier.domain.status import Severity
from notifier.domain.suppression import Silence
from notifier.errors import NotifierError

_T = TypeVar("_T")


class CursorError(NotifierError):
    """A cursor that none of our answers gave."""


@dataclass(slots=True, kw_only=True)  # frozen, it takes four times as long to make, and there are ten thousand
class LinkNow:
    """What is believed of an interconnect now.

    `status` is None until something was confirmed; `problem`: it is not as it should be. `reason` is Cloudflare's,
    verbatim. `cause` says why the last poll saw nothing, `blind` that this lasts. `candidate` is a status that was seen
    `sightings` times and is not confirmed yet. `incident` is the open one's key, `number` the last transition's.
    """

    account: str
    name: str
    site: str | None
    facility: str | None
    speed: str | None
    status: str | None
    problem: bool
    reason: str | None
    since: datetime | None
    last_seen_at: datetime | None
    blind: bool
    cause: str | None
    flapping: bool
    candidate: str | None
    sightings: int | None
    incident: str | None
    number: int | None
    watched: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteNow:
    """The watched interconnects of one site; those of no site stand together, without a name."""

    standing: Site
    links: tuple[LinkNow, ...]

    @property
    def name(self) -> str | None:
        """The site's name."""
        return self.standing.name or None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNow:
    """One account: its sites, and since when and why it can't be seen, wholly or in part.

    `cause` is the listing's; the links have their own.
    """

    account: str
    blind_since: datetime | None
    cause: str | None
    sites: tuple[SiteNow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to send, and what the receiver answered: its `code`, or the `cause` why it was not taken."""

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    code: int | None
    cause: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What one channel was told of one notification, or is yet to be; without an `id`, why it was not promised.

    `outcome` is that of the delivery, or "not promised".
    """

    id: int | None
    notification: int
    channel: str
    at: datetime
    kind: str
    subject: str
    title: str
    incident: str | None
    outcome: str
    why: str | None
    action: str | None = None
    cause: str | None = None
    receipt: str | None = None
    due_at: datetime | None = None
    settled_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEntry:
    """An incident; `tellings` are there where one is asked for by itself, and of open ones in the overview."""

    key: str
    kind: IncidentKind
    account: str
    subject: str
    number: int
    severity: Severity
    opened_at: datetime
    closed_at: datetime | None
    acknowledgement: Acknowledgement | None
    tellings: tuple[Telling, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionEntry:
    """A transition with its bounds (R11), and in an interconnect's story what was told of it."""

    id: str
    account: str
    name: str
    number: int
    change: str
    before: str | None
    after: str
    reason: str | None
    last_seen_before: datetime | None
    first_seen_at: datetime
    confirmed_at: datetime
    sightings: int
    unobserved: bool
    incident: str | None
    tellings: tuple[Telling, ...] = ()

    @property
    def at(self) -> datetime:
        """When it was confirmed."""
        return self.confirmed_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationEntry:
    """A sighting that differed from what was believed, or a look that saw nothing: then `cause` says why."""

    id: str
    account: str
    name: str
    at: datetime
    status: str | None
    reason: str | None
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEntry:
    """An interval in which nothing was observed."""

    id: str
    account: str
    name: str
    from_at: datetime
    until_at: datetime

    @property
    def at(self) -> datetime:
        """When it was over."""
        return self.until_at


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEntry:
    """A delivery; `attempts` counts them, `tried_at` is when the last one ended."""

    id: int
    channel: str
    outcome: str
    action: str
    attempts: int
    cause: str | None
    receipt: str | None
    recorded_at: datetime
    tried_at: datetime | None
    settled_at: datetime | None
    due_at: datetime | None
    account: str
    subject: str
    kind: str
    title: str
    incident: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActEntry:
    """What an operator did, to what, and why."""

    id: str
    at: datetime
    by: str
    act: str
    target: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What was told of an interconnect's site, of its account's sight, or of its flapping, and to whom."""

    id: str
    at: datetime
    title: str
    tellings: tuple[Telling, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a channel counts as told of a subject, and what is kept back from it, by what, until when."""

    channel: str
    kind: str
    subject: str
    status: str | None
    told_at: datetime | None
    kept: str | None
    look_at: datetime | None
    remind_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStory:
    """All about one interconnect, newest first; `link.watched` says whether it is still watched.

    Of everything at most as many as were asked for.
    """

    at: datetime
    link: LinkNow
    transitions: tuple[TransitionEntry, ...]
    notices: tuple[Notice, ...]
    acts: tuple[ActEntry, ...]
    observations: tuple[ObservationEntry, ...]
    gaps: tuple[GapEntry, ...]
    incidents: tuple[IncidentEntry, ...]
    channels: tuple[Standing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How everything stands. `incidents` are open, the worst first, then the newest; `open_incidents` counts them all.

    `at` is when this was read.
    """

    at: datetime
    accounts: tuple[AccountNow, ...]
    incidents: tuple[IncidentEntry, ...]
    open_incidents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Of a transition, what a bar over time needs."""

    change: str
    before: str | None
    after: str
    last_seen_before: datetime | None
    first_seen_at: datetime
    unobserved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What happened to one interconnect in a period: its changes, oldest first, and when it was not observed."""

    changes: tuple[Change, ...] = ()
    gaps: tuple[tuple[datetime, datetime], ...] = ()


Spans = Mapping[Link, Span]  # of those to whom anything happened


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """Something that happened, for those who follow: a transition, an incident, blindness, a delivery, an act.

    `place` orders events; nothing turns up before one that was shown. `cursor` is for those who come back.
    """

    place: tuple[int, int]
    cursor: str
    kind: str
    at: datetime
    account: str
    subject: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What happened after a cursor, in order; `cursor` and `place` are where to go on.

    `lost`: what came after the cursor is not known any more; this goes on from now. `more`: that is not yet all.
    """

    events: tuple[EventEntry, ...]
    cursor: str
    place: tuple[int, int]
    lost: bool = False
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is wanted: of an account (id), of interconnects whose name and site fit shell patterns, in a period."""

    account: str | None = None
    name: str | None = None
    site: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_T]):
    """Some entries, newest first; `next` is the cursor of those that come after, None at the end."""

    entries: Sequence[_T]
    next: str | None = None


EVERYTHING = Filter()


class Insight(Protocol):
    """Answers people's questions. A cursor (`after`) is the `next` of the page before it, with the same filter.

    Every answer may fail with a DatabaseError, and one that takes a cursor with a CursorError.
    """

    async def overview(self) -> Overview:
        """Return how everything stands; all who ask within a second are given the same.

        It is no older than three seconds, and not older than the last event that was read.
        """
        ...

    def refresh(self) -> None:
        """Somebody has just acted: show nothing any more that was read before."""
        ...

    async def link(self, account: str, name: str, *, limit: int = 50) -> LinkStory | None:
        """Return all about an interconnect; None if it was never watched."""
        ...

    async def history(
        self, account: str, name: str, *, wanted: Filter = EVERYTHING, limit: int = 50, after: str | None = None
    ) -> Page[TransitionEntry | ObservationEntry | GapEntry]:
        """Return what happened to an interconnect; of the filter only the period counts."""
        ...

    async def incidents(
        self, wanted: Filter = EVERYTHING, *, is_open: bool | None = None, limit: int = 50, after: str | None = None
    ) -> Page[IncidentEntry]:
        """Return incidents by when they were opened; `is_open`: only open ones, or only those that are over."""
        ...

    async def incident(self, key: str) -> IncidentEntry | None:
        """Return an incident, with who was told of it."""
        ...

    async def transitions(
        self, wanted: Filter = EVERYTHING, *, limit: int = 50, after: str | None = None
    ) -> Page[TransitionEntry]:
        """Return transitions by when they were confirmed."""
        ...

    async def deliveries(
        self, wanted: Filter = EVERYTHING, *, failed: bool = False, limit: int = 50, after: str | None = None
    ) -> Page[DeliveryEntry]:
        """Return deliveries; `failed`: only those abandoned, or tried in vain so far."""
        ...

    async def delivery(self, number: int) -> Telling | None:
        """Return a delivery with its attempts."""
        ...

    async def silences(
        self, *, ends_after: datetime | None = None, limit: int = 50, after: str | None = None
    ) -> Page[Silence]:
        """Return silences, those that were set last first; `ends_after`: only those that hold then, or are to come."""
        ...

    async def acts(self, *, since: datetime | None = None, limit: int = 50, after: str | None = None) -> Page[ActEntry]:
        """Return what operators did."""
        ...

    async def events(self, after: str | None = None, *, limit: int = 500) -> Feed:
        """Return what happened after a cursor; without one nothing, only where now is."""
        ...

    async def spans(self, since: datetime, links: Collection[Link]) -> Spans:
        """Return what happened since a moment to those of these to whom anything did; at most two statements."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """A silence that was just set: its id, and the watched interconnects that it covers now, by name."""

    id: int
    covered: tuple[str, ...]


class Acts(Protocol):
    """What operators do, exactly as by the commands; `by` says who and `comment` why.

    Every act may fail with a DatabaseError, a NotThereError or a NotPossibleError; then nothing was done.
    """

    def now(self) -> datetime:
        """Return the moment that an act would have: spans count from it."""
        ...

    async def acknowledge(
        self, incident: str, *, by: str, comment: str, until: datetime | None = None, sticky: bool = False
    ) -> Incident:
        """Take an open incident (by its key) in hand; return it as it was before."""
        ...

    async def unacknowledge(self, incident: str, *, by: str, comment: str) -> Incident:
        """Take an acknowledgement back; return the incident as it was before."""
        ...

    async def silence(
        self, match: Matcher, *, until: datetime, by: str, comment: str, start: datetime | None = None
    ) -> Silenced:
        """Keep messages back until then, from now on or from `start`."""
        ...

    async def expire(self, silence: int, *, by: str, comment: str) -> None:
        """End a silence now."""
        ...
