"""What a request proves its right with; never printed (R33)."""

import hashlib
from dataclasses import dataclass, field

from notifier.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Token:
    """An API token, of a user or of an account."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        _check(self.secret)

    def headers(self) -> dict[str, str]:
        """Return the headers that prove it."""
        return {"Authorization": f"Bearer {self.secret}"}

    @property
    def mark(self) -> str:
        """A text that is the same for the same token, and does not give it away: tokens can't be guessed."""
        return _mark(self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A user's e-mail address and global API key: the old way."""

    email: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        _check(self.email)
        _check(self.secret)

    def headers(self) -> dict[str, str]:
        """Return the headers that prove it."""
        return {"X-Auth-Email": self.email, "X-Auth-Key": self.secret}

    @property
    def mark(self) -> str:
        """A text that is the same for the same user, and does not give the key away."""
        return _mark(self.email)


Credential = Token | Key


def _mark(value: str) -> str:
    return hashlib.sha256(f"cni-notifier credential {value}".encode()).hexdigest()[:32]


def _check(value: str) -> None:
    """Refuse what no header can carry, before a library does so in an error that quotes it."""
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(
            ["Cloudflare credential: expected printable ASCII without blanks, found something else"]
        )
