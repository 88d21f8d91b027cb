"""Who may see and do what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says of access: the `token` that has to be shown, if any; whether others may look, too.

    `url` is where people reach it, if not where it listens.
    """

    token: str | None = None
    public: bool = False
    url: str | None = None
