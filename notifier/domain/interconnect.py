"""What is watched."""

from dataclasses import dataclass

Link = tuple[str, str]  # what identifies an interconnect: account, name


@dataclass(frozen=True, slots=True, kw_only=True)
class Interconnect:
    """A link that Cloudflare lists for an account; its identity is (account, name).

    Only `name` is sure to be in a listing; everything else may be None.
    `site` is Cloudflare's site or, for a cloud partner's link, its region.
    `reservation` is the virtual port reservation or slot: it tells a returned name from a returned link (R9).
    """

    account: str
    name: str
    site: str | None = None
    facility: str | None = None
    speed: str | None = None
    type: str | None = None
    reservation: str | None = None
