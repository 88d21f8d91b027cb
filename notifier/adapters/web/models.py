"""What the API takes and gives, version 1: its names and meanings stay; it may grow."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from notifier.domain.duration import parse_duration
from notifier.domain.incident import IncidentKind
from notifier.domain.status import Severity

_T = TypeVar("_T")

_PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]*$"  # one line, and no hidden marks
LONGEST_KEY = 512


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a moment that UTC has") from None


def _span(text: str) -> str:
    if not timedelta() < parse_duration(text) <= timedelta(days=3650):
        raise ValueError("expected a span of at most 3650d")
    return text


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_PLAIN)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_KEY, pattern=_PLAIN)]
Comment = Annotated[str, StringConstraints(max_length=1000, pattern=_PLAIN)]
Span = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(ms|s|m|h|d)$"), AfterValidator(_span)]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Answer(BaseModel):
    """Made of what the notifier knows, attribute by attribute."""

    model_config = ConfigDict(from_attributes=True, frozen=True, use_attribute_docstrings=True)


class Asked(BaseModel):
    """Sent to us: nothing that we do not know."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it told."""

    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = []


class Listing(Answer, Generic[_T]):
    """Some entries; what comes after them is had with `after=` and `next`."""

    items: list[_T]
    next: str | None
    """The cursor of what comes after; null at the end."""


class Interconnect(Answer):
    """What is believed of an interconnect now."""

    account: str
    account_name: str
    name: str
    site: str | None
    facility: str | None
    speed: str | None
    status: str | None
    """Cloudflare's word; null until something was confirmed."""
    problem: bool
    reason: str | None
    since: datetime | None
    last_seen_at: datetime | None
    blind: bool
    """Whether it can't be seen; that says nothing about the link."""
    cause: str | None
    """Why the last poll saw nothing."""
    flapping: bool
    candidate: str | None
    """A status that was seen and is not confirmed yet,"""
    sightings: int | None
    """so many times."""
    incident: str | None
    """The key of the open one."""
    number: int | None
    """The last transition's."""
    watched: bool


class SiteSummary(Answer):
    """A site: how many interconnects it has, and how many of them are left."""

    name: str | None
    watched: int
    healthy: int
    lost: bool
    blind: int
    problems: list[str]
    """The interconnects that have one, by name."""


class AccountSummary(Answer):
    """An account, with its sites."""

    account: str
    account_name: str
    blind_since: datetime | None
    cause: str | None
    watched: int
    sites: list[SiteSummary]


class Acknowledgement(Answer):
    """Somebody has it in hand; until then, if that is given."""

    by: str
    at: datetime
    until: datetime | None
    sticky: bool


class Attempt(Answer):
    """One attempt to send, and what the receiver answered."""

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    code: int | None
    cause: str | None


class Telling(Answer):
    """What a channel was told, or is yet to be; without an id, why it was not promised."""

    id: int | None
    channel: str
    at: datetime
    kind: str
    subject: str
    title: str
    incident: str | None
    outcome: str
    why: str | None
    action: str | None
    cause: str | None
    receipt: str | None
    due_at: datetime | None
    settled_at: datetime | None
    attempts: list[Attempt]


class Incident(Answer):
    """An incident; `tellings` only where one is asked for by its key, and in the overview."""

    key: str
    kind: IncidentKind
    account: str
    subject: str
    number: int
    severity: Severity
    opened_at: datetime
    closed_at: datetime | None
    acknowledgement: Acknowledgement | None
    tellings: list[Telling]


class Overview(Answer):
    """How everything stands: the accounts, the worst 200 of the open incidents, and the notifier's own troubles."""

    accounts: list[AccountSummary]
    incidents: list[Incident]
    open_incidents: int
    ailments: dict[str, str]
    """What is wrong with the notifier itself, by vital."""


class Transition(Answer):
    """A confirmed change, with its bounds: it happened after `last_seen_before` and not after `first_seen_at`."""

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
    """Nobody looked in between."""
    incident: str | None


class TransitionEvent(Transition):
    """A transition in an interconnect's history."""

    kind: Literal["transition"] = "transition"
    at: datetime


class Observation(Answer):
    """A sighting that differed from what was believed, or a look that saw nothing."""

    kind: Literal["observation"] = "observation"
    id: str
    account: str
    name: str
    at: datetime
    status: str | None
    reason: str | None
    cause: str | None


class Gap(Answer):
    """An interval in which nothing was observed."""

    kind: Literal["gap"] = "gap"
    id: str
    account: str
    name: str
    at: datetime
    from_at: datetime
    until_at: datetime


class Delivery(Answer):
    """What was promised to a channel, and what came of it."""

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


class Silence(Answer):
    """What keeps messages back, about what; empty lists take everything."""

    id: int
    accounts: list[str]
    names: list[str]
    sites: list[str]
    from_at: datetime
    until_at: datetime
    by: str
    comment: str


class NewSilence(Silence):
    """A silence that was just set."""

    covered: list[str]
    """The watched interconnects that it covers now."""


class Act(Answer):
    """What an operator did."""

    id: str
    at: datetime
    by: str
    act: str
    target: str
    comment: str


class _Lasting(Asked):
    by: Word
    """Who."""
    comment: Comment = ""
    """Why."""
    until: Moment | None = None
    """Until when,"""
    for_: Span | None = Field(default=None, alias="for")
    """or for how long: `4h`."""

    def ends_at(self, start: datetime) -> datetime | None:
        """Return when it ends, if it is to end by itself."""
        return self.until if self.for_ is None else start + parse_duration(self.for_)

    @model_validator(mode="after")
    def _once(self) -> Self:
        if self.until is not None and self.for_ is not None:
            raise ValueError("found until and for, expected one of them")
        return self


class Acknowledge(_Lasting):
    """Take an incident in hand: until it ends, becomes worse, or the time is over."""

    sticky: bool = False
    """It holds even if the problem becomes worse."""


class Silencing(_Lasting):
    """Keep messages back that are about what fits all that is given; of several patterns of a kind one has to."""

    accounts: Annotated[list[Word], Field(max_length=100)] = []
    """Ids, names or shell patterns of ids."""
    names: Annotated[list[Word], Field(max_length=100)] = []
    """Interconnects by name: shell patterns."""
    sites: Annotated[list[Word], Field(max_length=100)] = []
    """Interconnects by site: shell patterns."""
    everything: bool = False
    """Instead: all interconnects of all accounts."""
    from_: Moment | None = Field(default=None, alias="from")
    """Not from now on, but from then."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.everything == bool(self.accounts or self.names or self.sites):
            raise ValueError("say what to silence: accounts, names or sites; or else everything")
        if self.until is None and self.for_ is None:
            raise ValueError("say for how long: until or for")
        return self
