"""Who asks, as far as pages differ by that."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """What may be seen and done: `public` sees no reasons, addresses and acts, whoever `acts` needs the `csrf` token.

    `leaves`: has logged in, and can log out. `enters`: can log in.
    """

    public: bool
    acts: bool
    csrf: str
    leaves: bool = False
    enters: bool = False
