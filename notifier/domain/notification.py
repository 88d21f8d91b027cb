"""The words about one transition or incident event; bound for no channel yet."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from notifier.domain.status import Severity

Fact = str | int | float | bool | None


class Kind(StrEnum):
    """What is told."""

    PROBLEM = "problem"
    WORSENED = "worsened"
    EASED = "eased"
    RECOVERED = "recovered"
    UP = "up"
    BLIND = "blind"
    SEEN_AGAIN = "seen again"
    CHANNEL_FAILED = "channel failed"
    CHANNEL_WORKS = "channel works"
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


def action(kind: Kind, *, stateful: bool) -> Action | None:
    """Say what a notification of this kind does at a channel; None: it is not for that one (R3, R18, R19)."""
    if not stateful:
        return Action.TELL
    match kind:
        case Kind.PROBLEM | Kind.BLIND | Kind.CHANNEL_FAILED | Kind.TEST:
            return Action.OPEN
        case Kind.WORSENED:
            return Action.UPDATE
        case Kind.RECOVERED | Kind.SEEN_AGAIN | Kind.CHANNEL_WORKS:
            return Action.CLOSE
        case Kind.EASED | Kind.UP:
            return None
        case _:
            assert_never(kind)
