"""How a subject stands now, as far as telling goes: one row, whatever kind of subject it is."""

from dataclasses import dataclass
from datetime import datetime

from notifier.domain.incident import IncidentKind, Subject, key_of
from notifier.domain.status import Severity

LOST, BACK = "lost", "back"
BLIND, SEEN = "blind", "seen"
FAILING, WORKING = "failing", "working"
VIOLATED, SOUND = "violated", "sound"
MET = "met"  # of an objective; which one is missed is said with it
FAILED, PASSED = "failed", "passed"
REMOVED, LISTED = "removed", "listed again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is to be known of a subject now; every change of it makes one notification, and one of these.

    `status` is Cloudflare's word for an interconnect, one of the words above for everything else (with a moment, if
    the audit found more; with the objective that is missed); `before` is what it was. `problem` says whether it is as
    it should not be. `incident` is the open incident's number: while a link flaps it stays open, whatever the status.
    `site` is where it lies, if anywhere. `changed_at` is when this was recorded, `notification` the id of the words
    that tell it (0: not stored yet).
    """

    subject: Subject
    status: str
    before: str | None
    problem: bool
    severity: Severity
    incident: int | None
    changed_at: datetime
    site: str | None = None
    flapping: bool = False
    notification: int = 0

    @property
    def key(self) -> str | None:
        """The open incident's key."""
        return None if self.incident is None else key_of(self.subject, self.incident)

    @property
    def link(self) -> str | None:
        """The interconnect's name, if it is one."""
        return self.subject.name if self.subject.kind is IncidentKind.INTERCONNECT else None

    @property
    def own(self) -> bool:
        """Whether it is the notifier's own trouble, which belongs to no account."""
        return not self.subject.account
