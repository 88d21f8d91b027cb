"""What one poll saw, and when; not being able to see is an observation too (R6)."""

import hashlib
from dataclasses import dataclass, field
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
    """Cloudflare's word for the link, verbatim, and its reason if it gave one; `answer` is all it said, where known."""

    status: str
    reason: str | None = None
    answer: bytes | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unseen:
    """We asked and learned nothing; says nothing about the link. `answer` is what came instead, if anything did."""

    cause: Cause
    answer: bytes | None = field(default=None, compare=False, repr=False)


Sight = Seen | Unseen


def answer_of(sight: Sight) -> tuple[str, str] | None:
    """Return the answer that a sight comes from, as the text that is kept, and that text's SHA-256 in hex.

    What is no UTF-8, and the zero byte, which PostgreSQL takes in no text, become U+FFFD.
    """
    if sight.answer is None:
        return None
    text = sight.answer.decode(errors="replace").replace("\0", "\ufffd")
    return text, hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one poll of one interconnect saw at a moment (aware UTC)."""

    account: str
    name: str
    at: datetime
    sight: Sight
