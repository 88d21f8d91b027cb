"""From the transition into a problem to the one out of it; what a stateful receiver keeps (R18, R19)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from notifier.domain.status import Severity

NOBODYS = ""  # the account of what belongs to none
AUDIT = "audit"  # the name of the audit among subjects
OBJECTIVE = "objective"  # and that of the objective
KEY_LENGTH = 255  # what PagerDuty's dedup_key takes


class IncidentKind(StrEnum):
    """What is in trouble."""

    INTERCONNECT = "interconnect"
    SITE = "site"  # all interconnects of a site have a problem
    BLIND = "blind"  # the account can't be seen, wholly or in part
    CHANNEL = "channel"  # a channel refuses what it is sent
    AUDIT = "audit"  # the notifier's own record doesn't add up
    OBJECTIVE = "objective"  # changes are told later than they are to be
    DRILL = "drill"  # a channel did not take a drill


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a message is about; everything told of it is one story.

    `name` is the interconnect's, the site's or the channel's; the account id for blindness, `audit` for the audit,
    `objective` for the objective. Channels, drills, the audit and the objective belong to no account: theirs is empty.
    """

    kind: IncidentKind
    account: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Somebody has an incident in hand: reminders and escalation stop (R22).

    A worsening ends it, unless it is `sticky`; so does `until`, if given.
    """

    by: str
    at: datetime
    until: datetime | None = None
    sticky: bool = False

    def holds(self, now: datetime) -> bool:
        """Whether it has not run out."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident; `number` counts those of the same subject from 1.

    `subject` is the name of its `Subject`.
    """

    kind: IncidentKind
    account: str
    subject: str
    number: int
    severity: Severity
    opened_at: datetime
    closed_at: datetime | None = None
    acknowledgement: Acknowledgement | None = None

    @property
    def key(self) -> str:
        """The key that opens it at a stateful receiver, and closes it (R19)."""
        return incident_key(self.kind, self.account, self.subject, self.number)


def incident_key(kind: IncidentKind, account: str, subject: str, number: int) -> str:
    """Name an incident for the world outside: the same for ever, at most 255 characters (R19)."""
    match kind:
        case IncidentKind.INTERCONNECT:
            stem = f"cni:{account}:{subject}"
        case IncidentKind.SITE:
            stem = f"cni:{account}:site:{subject}"
        case IncidentKind.BLIND:
            stem = f"cni:{account}:blind"
        case IncidentKind.CHANNEL:
            stem = f"cni:channel:{subject}"
        case IncidentKind.AUDIT:
            stem = "cni:audit"
        case IncidentKind.OBJECTIVE:
            stem = "cni:objective"
        case IncidentKind.DRILL:
            stem = f"cni:drill:{subject}"
    key = f"{stem}:{number}"
    if len(key) <= KEY_LENGTH:
        return key
    digest = hashlib.sha256(stem.encode()).hexdigest()[:16]
    tail = f"~{digest}:{number}"
    return stem[: KEY_LENGTH - len(tail)] + tail


def key_of(subject: Subject, number: int) -> str:
    """Name a subject's incident (R19)."""
    return incident_key(subject.kind, subject.account, subject.name, number)


def number_in(key: str | None) -> int | None:
    """Read an incident's number from its key."""
    number = (key or "").rpartition(":")[2]
    return int(number) if number.isdigit() else None
