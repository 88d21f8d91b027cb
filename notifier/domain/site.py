"""The interconnects that back each other up, and how much of that is left (R20)."""

from dataclasses import dataclass

from notifier.domain.status import HEALTHY


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One watched interconnect of a site.

    `status` is the confirmed one, None if nothing was confirmed yet; `reason` Cloudflare's, verbatim.
    `problem`: it has an open incident; a link that flaps keeps it, Healthy or not (R10).
    `candidate`: a problem was seen that is not confirmed yet (R1).
    """

    name: str
    status: str | None
    problem: bool
    candidate: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site of one account with all interconnects that are watched there."""

    account: str
    name: str
    members: tuple[Member, ...]

    @property
    def watched(self) -> int:
        """How many interconnects are watched there."""
        return len(self.members)

    @property
    def healthy(self) -> int:
        """How many of them are Healthy."""
        return sum(member.status == HEALTHY for member in self.members)

    @property
    def lost(self) -> bool:
        """Whether nothing backs anything up any more: two or more interconnects, all with a problem."""
        return self.watched > 1 and all(member.problem for member in self.members)

    def doubtful(self, but: str) -> bool:
        """Whether another interconnect than `but` may have a problem, as yet unconfirmed."""
        return any(m.candidate and not m.problem for m in self.members if m.name != but)


def redundancy(site: Site) -> str:
    """Say how many of a site's interconnects are left: `1 of 2 still Healthy`."""
    still = "still " if 0 < site.healthy < site.watched else ""
    return f"{site.healthy} of {site.watched} {still}{HEALTHY}"
