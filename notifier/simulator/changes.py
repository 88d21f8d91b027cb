"""What can be done to a world, by a script or over HTTP."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from notifier.simulator.faults import Fault
from notifier.simulator.limit import Limit
from notifier.simulator.world import Account, Details, LastPage, Link, World


class Change(Protocol):
    """One thing done to a world."""

    def apply(self, world: World) -> None:
        """Do it; LookupError if what it is for does not exist."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which accounts and links a change is for: names or shell patterns; what is None narrows nothing."""

    account: str | None = None
    link: str | None = None
    site: str | None = None

    @property
    def narrows_links(self) -> bool:
        """Whether it chooses among links rather than whole accounts."""
        return self.link is not None or self.site is not None

    def accounts(self, world: World) -> list[Account]:
        """Return the chosen accounts, at least one."""
        found = [account for account in world.accounts.values() if _fits(account.id, self.account)]
        if not found:
            raise LookupError(f"no such account: {self.account or 'there is none at all'}")
        return found

    def links(self, world: World) -> list[Link]:
        """Return the chosen links, at least one."""
        links = [link for account in self.accounts(world) for link in account.links.values()]
        found = [link for link in links if _fits(link.name, self.link) and _fits(link.site, self.site)]
        if not found:
            wanted = {"link": self.link, "site": self.site, "account": self.account}
            raise LookupError(f"no such link: {', '.join(f'{k} {v}' for k, v in wanted.items() if v) or 'none at all'}")
        return found


def _fits(name: str, pattern: str | None) -> bool:
    return pattern in (None, name) or fnmatchcase(name, pattern or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PutLinks:
    """Make links, or alter those of these names.

    With `count`, `{n}` in the name stands for 1 to `count`, and `sites` are given in turn.
    `account` may be left out where there is but one.
    """

    name: str
    account: str | None = None
    count: int = 1
    sites: tuple[str, ...] = ()
    details: Details
    state: str | None = None
    reason: str | None = None

    def apply(self, world: World) -> None:
        """Do it."""
        account = self._account(world)
        for number in range(1, self.count + 1):
            link = account.link(self.name.replace("{n}", f"{number:0{len(str(self.count))}}"), **self._details(number))
            if self.state is not None:
                link.set(self.state, self.reason)

    def _details(self, number: int) -> Details:
        return {**self.details, "site": self.sites[(number - 1) % len(self.sites)]} if self.sites else self.details

    def _account(self, world: World) -> Account:
        if self.account is None and len(world.accounts) == 1:
            return next(iter(world.accounts.values()))
        if self.account not in world.accounts:
            raise LookupError(f"no such account: {self.account or 'name one, for there are several'}")
        return world.accounts[self.account]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAccount:
    """Make an account, or alter it; what is None stays as it is."""

    id: str
    token: str | None = None
    email: str | None = None
    key: str | None = None
    page_size: int | None = None
    last_page: LastPage | None = None
    links: tuple[PutLinks, ...] = ()

    def apply(self, world: World) -> None:
        """Do it."""
        account = world.account(self.id, token=self.token, email=self.email, key=self.key)
        account.page_size = self.page_size or account.page_size
        account.last_page = self.last_page or account.last_page
        for links in self.links:
            links.apply(world)


@dataclass(frozen=True, slots=True)
class SetState:
    """Put links into a state."""

    choice: Choice
    state: str
    reason: str | None = None

    def apply(self, world: World) -> None:
        """Do it."""
        for link in self.choice.links(world):
            link.set(self.state, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFault:
    """Have answers go wrong: for the chosen links, else for the accounts' listing alone, else for all of them."""

    choice: Choice
    fault: Fault
    listing: bool = False
    times: int | None = None

    def apply(self, world: World) -> None:
        """Do it."""
        if self.choice.narrows_links:
            for link in self.choice.links(world):
                link.faults.add(self.fault, self.times)
            return
        for account in self.choice.accounts(world):
            (account.listing if self.listing else account.faults).add(self.fault, self.times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heal:
    """End faults: of the chosen links, else of the accounts' listing alone, else all of the accounts'."""

    choice: Choice
    listing: bool = False

    def apply(self, world: World) -> None:
        """Do it."""
        if self.choice.narrows_links:
            for link in self.choice.links(world):
                link.heal()
            return
        for account in self.choice.accounts(world):
            if self.listing:
                account.listing.clear()
            else:
                account.heal()


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the chosen links, or whole accounts."""

    choice: Choice

    def apply(self, world: World) -> None:
        """Do it."""
        if self.choice.narrows_links:
            for link in self.choice.links(world):
                link.remove()
            return
        for account in self.choice.accounts(world):
            del world.accounts[account.id]


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Limit what each credential may ask; None lifts it."""

    limit: Limit | None

    def apply(self, world: World) -> None:
        """Do it."""
        world.limit = self.limit
