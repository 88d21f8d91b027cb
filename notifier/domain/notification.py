"""The words about one transition or incident event; bound for no channel yet."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from notifier.domain.status import Severity

Fact = str | int | float | bool | None

PAGE = "Status page"  # the fact that says where to see more


class Kind(StrEnum):
    """What is told."""

    PROBLEM = "problem"
    WORSENED = "worsened"
    EASED = "eased"
    RECOVERED = "recovered"
    UP = "up"
    REMOVED = "removed"  # Cloudflare lists it no more, or we were told to watch it no more
    RETURNED = "returned"  # listed again after it was removed
    FLAPPING = "flapping"
    CALM = "calm"  # flapping has ended
    SITE_LOST = "site lost"
    SITE_BACK = "site back"
    BLIND = "blind"
    SEEN_AGAIN = "seen again"
    CHANNEL_FAILED = "channel failed"
    CHANNEL_WORKS = "channel works"
    STRANDED = "stranded"  # a channel was removed that holds incidents open
    AUDIT_FAILED = "audit failed"
    AUDIT_PASSED = "audit passed"
    OBJECTIVE_MISSED = "objective missed"
    OBJECTIVE_MET = "objective met"
    DRILL_FAILED = "drill failed"
    DRILL_PASSED = "drill passed"
    REMINDER = "reminder"
    TEST = "test"


class Action(StrEnum):
    """What a delivery does at its receiver.

    A message channel is only ever told. A stateful receiver keeps the incident: it is opened, updated under
    the same key, and closed.
    """

    TELL = "tell"
    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What is told, in plain words: no markup, nothing escaped; that is the channel's business.

    `account` is the id, `account_name` what people call it; both are empty where no account is concerned.
    `subject` is the interconnect's name (or the account's, or a channel's); `site` where it lies.
    `lead` is one sentence; `facts` are labelled values in the order of reading, typed for receivers that
    keep them so. `reason` is Cloudflare's text, verbatim: untrusted.
    `incident_key` is the key of R19; None for what belongs to no incident.
    `observed_at` is when it was first seen, `recorded_at` when it was written down (aware UTC).
    `status` is what the subject has come to, `before` what it was; both None for what changes neither.
    """

    kind: Kind
    severity: Severity
    account: str
    account_name: str
    subject: str
    title: str
    lead: str
    observed_at: datetime
    recorded_at: datetime
    site: str | None = None
    reason: str | None = None
    facts: tuple[tuple[str, Fact], ...] = ()
    incident_key: str | None = None
    status: str | None = None
    before: str | None = None
