"""What does not add up in the notifier's own record (R28)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from notifier.domain.incident import Subject


class Flaw(StrEnum):
    """What can be wrong, as it is said of a subject."""

    MISSING = "transition #{number} is missing"
    UNRECORDED = "its state follows transition #{number}, which is not the newest on record"
    NO_INCIDENT = "it has a problem and no open incident"
    KEYLESS = "incident {number} is open under a key that will not close it"
    NO_CONDITION = "incident {number} is open, but not what channels are compared with"
    ENDED = "channels are compared with incident {number}, which is not open"
    MISSTATED = "channels are compared with another status than the confirmed one, in incident {number}"
    HELD_OPEN = "channel {channel} still holds incident {number} open"
    STRANDED = "channel {channel} took incident {number} open, and was not told of its end"
    OUTDATED = "channel {channel} was last told of a problem that is over or another, and is promised nothing"
    UNTOLD = "channel {channel} was not told of incident {number}, and nothing says why"
    FORGOTTEN = "what is kept back from channel {channel} is not looked at again"
    OVERDUE = "delivery {number} to channel {channel} is due and not being sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One flaw of one subject, and since when it is one.

    `number` is the transition's, the incident's or the delivery's; a delivery is named without its `subject`.
    """

    flaw: Flaw
    since: datetime | None
    subject: Subject | None = None
    channel: str | None = None
    number: int | None = None
