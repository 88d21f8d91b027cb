"""From the transition into a problem to the one out of it; what a stateful receiver keeps (R18, R19)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from notifier.domain.status import Severity

KEY_LENGTH = 255  # what PagerDuty's dedup_key takes


class IncidentKind(StrEnum):
    """What is in trouble."""

    INTERCONNECT = "interconnect"
    BLIND = "blind"  # the account can't be seen, wholly or in part
    CHANNEL = "channel"  # a channel refuses what it is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident; `number` counts those of the same subject from 1.

    `subject` is the interconnect's name, the account id for blindness, the channel's name for a channel;
    a channel belongs to no account, so its `account` is empty.
    """

    kind: IncidentKind
    account: str
    subject: str
    number: int
    severity: Severity
    opened_at: datetime
    closed_at: datetime | None = None

    @property
    def key(self) -> str:
        """The key that opens it at a stateful receiver, and closes it (R19)."""
        return incident_key(self.kind, self.account, self.subject, self.number)


def incident_key(kind: IncidentKind, account: str, subject: str, number: int) -> str:
    """Name an incident for the world outside: the same for ever, at most 255 characters (R19)."""
    match kind:
        case IncidentKind.INTERCONNECT:
            stem = f"cni:{account}:{subject}"
        case IncidentKind.BLIND:
            stem = f"cni:{account}:blind"
        case IncidentKind.CHANNEL:
            stem = f"cni:channel:{subject}"
    key = f"{stem}:{number}"
    if len(key) <= KEY_LENGTH:
        return key
    digest = hashlib.sha256(stem.encode()).hexdigest()[:16]
    tail = f"~{digest}:{number}"
    return stem[: KEY_LENGTH - len(tail)] + tail
