"""What one poll saw, and when; not being able to see is an observation too (R6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class CauseKind(StrEnum):
    """Why nothing could be seen."""

    REFUSED = "refused"  # 401, 403: the credential or its permission
    WRONG_ACCOUNT = "wrong account"  # 7003: no route for this account id
    RATE_LIMITED = "rate limited"  # 429, or a pause after one
    OVER_BUDGET = "over budget"  # our own cap on requests (R32)
    NOT_FOUND = "not found"
    REDIRECTED = "redirected"
    SERVER_ERROR = "server error"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    EMPTY_LISTING = "empty listing"  # though interconnects were known (R9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why nothing could be seen, in words a person can act on.

    `text` fits after "cannot see interconnects: " ("403 from Cloudflare").
    `remedy` says what to do, where something can be done. Neither holds a secret.
    `retry_after` is how long Cloudflare wants not to be asked (429).
    """

    kind: CauseKind
    text: str
    remedy: str | None = None
    retry_after: timedelta | None = None

    @property
    def blinds_at_once(self) -> bool:
        """A refusal won't heal by asking again: the account is blind at the first one (R6)."""
        return self.kind is CauseKind.REFUSED


@dataclass(frozen=True, slots=True)
class Seen:
    """Cloudflare's word for the link, verbatim, and its reason if it gave one."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Unseen:
    """We asked and learned nothing; says nothing about the link."""

    cause: Cause


Sight = Seen | Unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one poll of one interconnect saw at a moment (aware UTC)."""

    account: str
    name: str
    at: datetime
    sight: Sight
