"""What the pipeline asks of the world: small promises that adapters keep."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from notifier.domain.blindness import Extent, View
from notifier.domain.budget import CommonBudget
from notifier.domain.condition import Condition
from notifier.domain.decision import Gap, Transition
from notifier.domain.incident import Acknowledgement, Incident, IncidentKind, Subject
from notifier.domain.interconnect import Interconnect
from notifier.domain.listing import Known
from notifier.domain.merging import Waiting
from notifier.domain.notification import Action, Notification
from notifier.domain.objective import Punctuality
from notifier.domain.observation import Cause, Observation, Sight, Unseen
from notifier.domain.pacing import Sent
from notifier.domain.site import Site
from notifier.domain.state import State
from notifier.domain.status import Severity
from notifier.domain.suppression import Silence
from notifier.domain.telling import Heard, Told
from notifier.domain.violation import Violation


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
    """It was not taken; sending again is right.

    `retry_after` is how long the receiver wants to be left alone. `arrived`: it may have arrived all the same; False
    only where it surely has not.
    """

    cause: str
    code: int | None = None
    retry_after: timedelta | None = None
    arrived: bool = True


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

    @property
    def bundles(self) -> bool:
        """Whether what is due together is sent as one message (R20, R27); else each notification by itself."""
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

    async def links(self, account: str, names: Collection[str] | None = None) -> dict[str, Interconnect]:
        """Return the watched interconnects by name: these, or all."""
        ...

    async def enrolled(self, account: str) -> dict[str, Known]:
        """Return every interconnect that was ever watched, by name."""
        ...

    async def save_links(
        self,
        account: str,
        links: Collection[Interconnect],
        at: datetime,
        missing: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Write which links to watch; all others are watched no more.

        `missing` says from how many complete listings in a row some of them were missing.
        """
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

    async def changed(self, account: str, since: datetime) -> list[tuple[str, str, bool]]:
        """Return the watched links that changed since then, or have a candidate: name, status, whether confirmed."""
        ...

    async def sites(self, account: str, names: Collection[str]) -> dict[str, Site]:
        """Return sites of the account with their watched links, by name."""
        ...

    async def flapping(self, account: str) -> list[State]:
        """Return the states of the links that flap, held against other writers."""
        ...

    async def accounts(self) -> set[str]:
        """Return the accounts of which anything is watched or blind."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """An observation to be kept; `seen_before` is when its link was last seen before it."""

    observation: Observation
    seen_before: datetime | None


class Due(StrEnum):
    """What time alone makes due: to look again at what was kept back or is to be reminded of, to call a link calm."""

    LOOK = "look"
    CALM = "calm"


class Record(Protocol):
    """What happened: written once, never altered but for an incident's end."""

    async def observations(self, looks: Sequence[Look], at: datetime) -> None:
        """Keep observations that differ from what was believed, or saw nothing; `at` is now."""
        ...

    async def listing(self, account: str, listed: Collection[Interconnect] | Cause, at: datetime) -> None:
        """Keep a listing that changed something: all that was listed, or why nothing was."""
        ...

    async def start(self, at: datetime) -> None:
        """Keep that a process looks at everything anew, with the last sign of life before it.

        That is when a link was last seen, or any of these was kept: starts, listings, and what is due by time alone.
        """
        ...

    async def came_to(self, account: str, what: Due, at: datetime) -> None:
        """Keep when that was done of an account which time alone makes due, whether it told somebody or not."""
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

    async def incidents(self, keys: Collection[str]) -> dict[str, Incident]:
        """Return incidents by key."""
        ...

    async def last_incident(self, kind: IncidentKind, account: str, subject: str) -> Incident | None:
        """Return the newest incident of a subject, open or closed."""
        ...

    async def last_incidents(self, kind: IncidentKind, account: str, subjects: Collection[str]) -> dict[str, Incident]:
        """Return the newest incident, open or closed, of each subject that ever had one."""
        ...

    async def open_incidents_of(self, kind: IncidentKind) -> list[Incident]:
        """Return the open incidents of a kind, oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A channel as it was configured; the fingerprint recognises its receiver, whatever the channel is called."""

    fingerprint: str
    stateful: bool


class Ledger(Protocol):
    """How every subject stands, what each channel was told of it, and what operators have set."""

    async def lock(self, *accounts: str) -> None:
        """Be alone in judging the accounts' subjects until the transaction ends.

        Taken before anything is read that is decided upon, and all at once: in one order, so that nobody waits for
        somebody who waits for him.
        """
        ...

    async def lock_all(self) -> None:
        """Be alone in judging anything."""
        ...

    async def accounts(self) -> set[str]:
        """Return the accounts of whose subjects anything is known, watched or not."""
        ...

    async def conditions(self, account: str, subjects: Collection[Subject], sites: Collection[str]) -> list[Condition]:
        """Return the conditions of these subjects, and of every subject at these sites."""
        ...

    async def save_conditions(self, conditions: Collection[Condition]) -> None:
        """Write conditions, each in the place of the one before."""
        ...

    async def unsettled(self, account: str) -> list[Subject]:
        """Return the account's subjects with an open incident, or with something kept back from a channel."""
        ...

    async def told(self, account: str, subjects: Collection[Subject]) -> list[Told]:
        """Return what the channels know of these subjects."""
        ...

    async def told_by(self, notification: int, channel: str) -> Told | None:
        """Return what a channel knows, if a notification (id) is the last it was told of that subject."""
        ...

    async def save_told(self, told: Collection[Told]) -> None:
        """Write what channels know."""
        ...

    async def due(self, now: datetime) -> list[Subject]:
        """Return the subjects of which something is kept back that is to be looked at again."""
        ...

    async def look_again(self, now: datetime, *, channel: str | None = None, subject: Subject | None = None) -> None:
        """Have everything that is kept back (of a channel, of a subject) looked at again, at `now` at the latest."""
        ...

    async def bring_back(self, account: str, now: datetime, *, remind: timedelta) -> None:
        """Bring back to `now` what a clock that was ahead has put into the future (R7); the account is locked.

        That is when conditions changed and open incidents began. No reminder is further off than `remind`.
        """
        ...

    async def reminders(self, now: datetime) -> list[Subject]:
        """Return the subjects of which somebody is to be reminded."""
        ...

    async def silences(self, at: datetime) -> list[Silence]:
        """Return the silences that hold at a moment."""
        ...

    async def add_silence(self, silence: Silence) -> int:
        """Write a silence (its id is given here); return the id."""
        ...

    async def end_silence(self, number: int, at: datetime) -> bool:
        """End a silence early; False if there is none that holds or is to come."""
        ...

    async def acknowledge(self, key: str, acknowledgement: Acknowledgement | None) -> bool:
        """Acknowledge an open incident, or take that back; False if there is no open incident with that key."""
        ...

    async def lapse(self, keys: Collection[str]) -> None:
        """End the acknowledgements of incidents that became worse, but for sticky ones (R22)."""
        ...

    async def act(
        self,
        *,
        at: datetime,
        by: str,
        act: str,
        target: str,
        comment: str,
        given: Acknowledgement | Silence | None = None,
    ) -> None:
        """Keep what an operator did, and why; for how long, if that is `given`."""
        ...

    async def explain(self, verdicts: Collection[tuple[int, str, str]], at: datetime) -> None:
        """Keep why a notification (id) was not promised to a channel (name, why)."""
        ...

    async def channels(self) -> dict[str, Configured]:
        """Return the channels as last configured, by name."""
        ...

    async def save_channels(self, channels: Mapping[str, Configured], at: datetime) -> None:
        """Write the channels that are configured; all others are forgotten, but not what they were told."""
        ...

    async def rename_channel(self, old: str, new: str) -> None:
        """Give what a channel knows to another name; what is known there of the same subjects is forgotten (R18)."""
        ...

    async def held_open(self, channel: str) -> list[str]:
        """Return the keys of the incidents that a stateful channel counts as told of, the oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A delivery yet to be made: one notification, one channel.

    `lane` is what keeps its order: first in, first out per (channel, lane) (R15).
    `urgency` 0 goes before 1 in a backlog (R26). `why` says which route leads there. `sighted_at` is when the change
    was first seen, if how soon it is told counts for the objective.
    """

    channel: str
    lane: str
    action: Action
    urgency: int
    due_at: datetime
    give_up_at: datetime
    why: str = ""
    sighted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this process has leased; `attempt` counts from 1.

    `uncertain`: an earlier attempt may have arrived.
    """

    id: int
    attempt: int
    notification_id: int
    notification: Notification
    promise: Promise
    uncertain: bool = False


class Outcome(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    SENT = "sent"
    ABANDONED = "abandoned"
    MOOT = "moot"  # over before it could be sent; never sent (R17)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of one attempt; `due_at` is the next one's time while the outcome is pending.

    `message` names the message it went out with: the same for all deliveries that one message made.
    """

    claimed: Claimed
    owner: str
    message: str
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    answer: Answer
    cause: str | None = None
    due_at: datetime | None = None

    @property
    def uncertain(self) -> bool:
        """Whether it may have arrived without having been taken, in this attempt or before."""
        return self.claimed.uncertain or (isinstance(self.answer, TryAgain) and self.answer.arrived)


class Outbox(Protocol):
    """What was promised to the channels, and what came of it."""

    async def promise(self, promised: Collection[tuple[Notification, Collection[Promise]]]) -> list[int]:
        """Write notifications, each with its deliveries; return the notifications' ids."""
        ...

    async def notifications(self, ids: Collection[int]) -> dict[int, Notification]:
        """Return notifications by id."""
        ...

    async def hold(self, channel: str, now: datetime) -> bool:
        """Say whether anything is due for the channel; if so, no other claims for it until the transaction ends."""
        ...

    async def passing(self, channel: str, now: datetime) -> list[Waiting]:
        """Return, in order, what waits unleased in the channel's lanes where a close waits behind anything else."""
        ...

    async def waiting(self, channel: str) -> list[Waiting]:
        """Return, in order, everything that is pending for a channel and tells of an incident."""
        ...

    async def call_off(self, ids: Collection[int], cause: str, at: datetime) -> None:
        """Settle pending deliveries as moot: they are not sent any more (R17)."""
        ...

    async def sent(self, channel: str, *, since: datetime, now: datetime) -> list[Sent]:
        """Return the channel's messages since then; each lane that is being sent now counts as one of this moment."""
        ...

    async def claim(
        self, channel: str, *, whole: bool, lanes: int | None, now: datetime, until: datetime, owner: str
    ) -> list[Claimed]:
        """Lease what is due: of each lane the oldest pending delivery, or, if `whole`, all pending ones with it.

        A lane is due when its oldest pending delivery is, and nothing of it is leased (R15). At most so many
        `lanes`: those with something urgent first, then the oldest (R26). Lane by lane, each in its order.
        """
        ...

    async def renew(self, ids: Collection[int], *, until: datetime, owner: str) -> None:
        """Lease anew what the owner has leased and nobody has taken over."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """Write what came of a message's deliveries; return those whose lease was not lost to another meanwhile."""
        ...

    async def abandoned(self, delivery: int) -> Claimed | None:
        """Return a delivery that was abandoned; None if there is no such one."""
        ...

    async def last_heard(self, lost: Claimed) -> Heard | None:
        """Return the last that the channel of a delivery took, or may have taken, of its subject; None if nothing."""
        ...

    async def retry(self, delivery: int, *, due_at: datetime, give_up_at: datetime) -> bool:
        """Make an abandoned delivery pending again, and uncertain; False if there is no such abandoned one."""
        ...

    async def bring_back(self, now: datetime, *, wait: timedelta, lease: timedelta) -> None:
        """Have nothing wait from `now` on longer than it was to: a clock that was ahead has promised it (R7).

        What was never tried waits for `wait` at most, what was as long as it was to after its last attempt; no lease
        lasts longer than `lease`.
        """
        ...

    async def release(self, owner: str | None = None) -> None:
        """Give up leases: an owner's, or everybody's where nobody else can be at work."""
        ...

    async def readdress(self, old: str, new: str, *, to: str) -> dict[int, int]:
        """Give what is pending for a channel to another name.

        A notification that was promised to the channel `to` as well is copied before: nothing is promised to one
        name twice. Returns the ids of copies by those of their originals.
        """
        ...

    async def abandon(self, channel: str, cause: str, at: datetime) -> list[Claimed]:
        """Abandon what is pending for a channel; return it, in order.

        What closes an incident stays for as long as it is tried: the receiver may come back (R18).
        """
        ...

    async def earliest_due(self, channels: Collection[str]) -> datetime | None:
        """Return when the first of what is pending for these channels is due; of each lane its oldest counts."""
        ...

    async def waiting_channels(self) -> set[str]:
        """Return the channels for which something is pending."""
        ...

    async def punctuality(
        self, channels: Collection[str], *, since: datetime, within: timedelta, now: datetime
    ) -> Punctuality:
        """Count, of what these channels were promised of changes first seen since then, what was in time and late.

        In time is what was taken `within` that of the first sighting. What is pending for longer is late, and so is
        what was given up; what was over before it was late was never owed.
        """
        ...


class Chain(Protocol):
    """What seals the record: entries, each with the hash of the one before, account by account."""

    async def unsealed(self) -> list[str]:
        """Return the accounts of which something was recorded that is not sealed yet."""
        ...

    async def seal(self, account: str) -> bool:
        """Seal some of what was recorded of an account, unless somebody else is just at it.

        Returns whether there may be more.
        """
        ...

    async def prune(self, at: datetime, *, deliveries_before: datetime, observations_before: datetime) -> bool:
        """Remove some of the settled deliveries and observations that are older than they are kept.

        The chain says so, account by account, and holds in the place of their entries how many there were.
        Notifications go with their last delivery, but for those that a condition, or what a channel was told, names.
        What is not sealed stays. Returns whether there may be more.
        """
        ...


class Auditing(Protocol):
    """Whether the record adds up (R28); asked before anything else in its unit of work, all of it of one moment."""

    async def violations(
        self,
        stateful: Mapping[str, bool],
        *,
        since: datetime | None,
        taken_since: datetime,
        look_before: datetime,
        due_before: datetime,
    ) -> list[Violation]:
        """Return what does not add up, at most 100 of each flaw, but for `untold`.

        `stateful` are the channels by name; what was of others is not asked for. Numbers are those of transitions
        confirmed `since` then (None: all), and of each state; openings those that were taken since that moment.
        What was to be looked at or sent before the last two moments and was not is overdue; of a lane only the first,
        and if nothing of its lane was settled since.
        """
        ...

    async def untold(self, channel: str, changed_before: datetime) -> list[Condition]:
        """Return the problems (at most 1000) of which a channel knows nothing, and nothing says why."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A marked problem, and from `recovered_at` on its recovery, on their way to `channels`, as they were configured.

    `number` names it: the second of 1970 for which it was scheduled, or in which somebody asked for it. `problem` and
    `recovery` are the notifications' ids. Each of them is to be taken `within` that time.
    """

    number: int
    scheduled: bool
    channels: Mapping[str, Configured]
    within: timedelta
    begun_at: datetime
    problem: int
    recovered_at: datetime | None = None
    recovery: int | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What came of a delivery so far; `cause` is why not, `uncertain` that it may have arrived all the same."""

    outcome: Outcome
    settled_at: datetime | None
    cause: str | None
    uncertain: bool


class Drills(Protocol):
    """Drills, on and ended."""

    async def add(self, drill: Drill) -> None:
        """Write a new drill; a number can't be given twice."""
        ...

    async def save(self, drill: Drill) -> None:
        """Write how a drill stands."""
        ...

    async def drill(self, number: int) -> Drill | None:
        """Return a drill."""
        ...

    async def unfinished(self) -> list[Drill]:
        """Return the drills that have not ended, the oldest first."""
        ...

    async def fates(self, notification: int | None) -> dict[str, Fate]:
        """Return what came of a notification (id), by channel."""
        ...

    async def over(self, keys: Collection[str]) -> set[str]:
        """Return which of these are keys of drills whose recovery was promised; others cost nothing."""
        ...

    async def bring_back(self, now: datetime) -> None:
        """Bring back to `now` what a clock that was ahead has begun (R7)."""
        ...

    async def prune(self, before: datetime) -> None:
        """Forget drills that ended before then."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A process that shares the accounts with others: the links it watches in each account it is configured for.

    `channels` are those it is configured with, by name. `outgrown`: the schema is newer than it
    knows, so it takes no more accounts.
    """

    name: str
    accounts: Mapping[str, int]
    channels: Mapping[str, Configured]
    outgrown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Who is at work: every live replica; who holds which account; how soon a lease of another ends."""

    replicas: Sequence[Replica]
    owners: Mapping[str, str]
    next_end: timedelta | None


class Leases(Protocol):
    """Which replica watches which account (R29). The time is the database's."""

    async def sign_in(self, replica: Replica, span: timedelta) -> Roster:
        """Write that a replica lives, and return who does: whoever signed in within `span`."""
        ...

    async def sign_out(self, name: str) -> None:
        """Write that a replica lives no more, and free what it holds."""
        ...

    async def renew(self, owner: str, fences: Mapping[str, int], span: timedelta) -> set[str]:
        """Hold these accounts for another `span`; return those that are not another's by now."""
        ...

    async def take(self, owner: str, accounts: Collection[str], span: timedelta) -> dict[str, int]:
        """Take those of these accounts that are free; return their fences."""
        ...

    async def give_up(self, owner: str, accounts: Collection[str]) -> None:
        """Free these accounts, if they are the owner's."""
        ...

    async def holds(self, account: str, fence: int) -> bool:
        """Whether nobody took the account since that fence; nobody can until the transaction ends."""
        ...


class Budgets(Protocol):
    """What is set aside of the request budgets (R32)."""

    async def held(self, credentials: Collection[str]) -> tuple[datetime, dict[str, CommonBudget]]:
        """Return the budgets by credential, held against other writers, and the database's time."""
        ...

    async def save(self, budgets: Mapping[str, CommonBudget]) -> None:
        """Write budgets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the database holds of all accounts and channels, whoever wrote it.

    `incidents` are the open ones by account, kind and severity; `pending` says of each channel that anything waits for
    how many deliveries do, and since when the first of them was promised.
    """

    incidents: Mapping[tuple[str, IncidentKind, Severity], int]
    pending: Mapping[str, tuple[int, datetime]]


class Counting(Protocol):
    """Who can be asked for counts."""

    async def counts(self) -> Counts:
        """Count what is open and what waits, as of one moment.

        Raises:
            DatabaseError: The database could not do it.
        """
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
    def ledger(self) -> Ledger:
        """Who knows what."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What was promised."""
        ...

    @property
    def chain(self) -> Chain:
        """What seals it."""
        ...

    @property
    def drills(self) -> Drills:
        """What was tried out."""
        ...

    @property
    def audit(self) -> Auditing:
        """Whether it adds up."""
        ...

    @property
    def leases(self) -> Leases:
        """Who watches what."""
        ...

    @property
    def budgets(self) -> Budgets:
        """Who may ask how often."""
        ...


class Database(Protocol):
    """Where everything is kept."""

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open a unit of work; it commits at its end unless an exception leaves it.

        Raises:
            DatabaseError: The database could not do it; nothing was written.
        """
        ...
