"""What is simulated: accounts and their links. Pure: no I/O, no clock."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypedDict, Unpack
from uuid import NAMESPACE_URL, uuid5

from notifier.domain.status import HEALTHY
from notifier.simulator.answers import BAD_REQUEST, Answer, as_json, encoded
from notifier.simulator.faults import Fault, Faults
from notifier.simulator.journal import Journal
from notifier.simulator.limit import Allowance, Limit

ACCOUNT_TOKEN = "cfat_"  # noqa: S105 - how tokens that belong to an account begin, not one of them


class Details(TypedDict, total=False):
    """What a listing tells of a link; one with a `region` is a cloud partner's and has no site or facility.

    `reservation` is the virtual port reservation, by which a link that returns is told from a new one of its name.
    """

    site: str
    facility: str
    speed: str
    type: str
    region: str
    reservation: str | None


class LastPage(StrEnum):
    """How a listing says that there is no further page: the schema allows all three."""

    NULL = "null"
    ABSENT = "absent"
    ZERO = "zero"


class Link:
    """One interconnect."""

    def __init__(self, account: "Account", name: str, details: Details) -> None:
        self.account = account
        self.name = name
        self.faults = Faults()
        self.details = details
        self.alter()
        self.set(HEALTHY)

    @property
    def site(self) -> str:
        """Where it is: its site or region."""
        return self.details.get("region") or self.details["site"]

    def alter(self, **details: Unpack[Details]) -> None:
        """Change what a listing tells of it."""
        self.details = {**self.details, **details}
        self.item = as_json(encoded(_item(self.account.id, self.name, self.details)))

    def set(self, state: str, reason: str | None = None) -> None:
        """Be in this state from now on; any word will do."""
        self.state, self.reason = state, reason
        self.status = as_json(encoded({"state": state} if reason is None else {"state": state, "reason": reason}))

    def fault(self, fault: Fault, times: int | None = None) -> None:
        """Have answers about this link go wrong (see `Faults.add`)."""
        self.faults.add(fault, times)

    def heal(self) -> None:
        """Let no answer about this link go wrong any more."""
        self.faults.clear()

    def remove(self) -> None:
        """Be gone: from the listing, and 404 for its status."""
        self.account.links.pop(self.name, None)


class Account:
    """One account; without `token` or `email` and `key` it lets everybody in."""

    def __init__(self, account_id: str) -> None:
        self.id = account_id
        self.token: str | None = None
        self.email: str | None = None
        self.key: str | None = None
        self.page_size = 100
        self.last_page = LastPage.NULL
        self.links: dict[str, Link] = {}
        self.faults = Faults()
        self.listing = Faults()
        self._made = 0

    def link(self, name: str, **details: Unpack[Details]) -> Link:
        """Return the link of this name, altered by `details`; it is made, and Healthy, if there is none."""
        link = self.links.get(name)
        if link is None:
            self._made += 1
            made: Details = {"reservation": str(uuid5(NAMESPACE_URL, f"{self.id}/{name}/{self._made}"))}
            link = self.links[name] = Link(self, name, {**_USUAL, **made, **details})
        elif details:
            link.alter(**details)
        return link

    def fault(self, fault: Fault, times: int | None = None) -> None:
        """Have all answers for this account go wrong (see `Faults.add`); goes before what its links have."""
        self.faults.add(fault, times)

    def heal(self) -> None:
        """Let nothing in this account go wrong any more: its listing and links neither."""
        for faults in (self.faults, self.listing, *(link.faults for link in self.links.values())):
            faults.clear()

    def credential(self, headers: Mapping[str, str]) -> str | None:
        """Return what a request proves its right with, None if it proves none."""
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        email, key = headers.get("X-Auth-Email"), headers.get("X-Auth-Key")
        if self.token is None and self.email is None:
            return token or email or "nobody"
        if self.token is not None and token == self.token:
            return token
        return email if email is not None and (email, key) == (self.email, self.key) else None

    def page(self, query: Mapping[str, str]) -> Answer:
        """Return the page of the listing that `limit`, `cursor`, `site` and `type` ask for."""
        limit, cursor = query.get("limit") or "0", query.get("cursor") or "0"
        if not (limit.isascii() and limit.isdigit() and cursor.isascii() and cursor.isdigit()):
            return BAD_REQUEST
        start, end = int(cursor), int(cursor) + min(int(limit) or self.page_size, self.page_size)
        matching = [link for link in self.links.values() if _matches(link, query)]
        after = encoded(end) if end < len(matching) else _ENDS[self.last_page]
        items = b",".join(link.item.body for link in matching[start:end])
        return as_json(b'{"items":[%b]%b}' % (items, b',"next":' + after if after else b""))


class World:
    """Everything there is."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.requests = Journal()
        self._limit: Limit | None = None
        self.allowances: dict[str, Allowance] = {}

    @property
    def limit(self) -> Limit | None:
        """How much each credential may ask; None: as much as it likes."""
        return self._limit

    @limit.setter
    def limit(self, limit: Limit | None) -> None:
        self._limit = limit
        self.allowances.clear()

    def account(
        self, account_id: str, *, token: str | None = None, email: str | None = None, key: str | None = None
    ) -> Account:
        """Return the account of this id, made if there is none, with these credentials if any are given."""
        account = self.accounts.setdefault(account_id, Account(account_id))
        if token or email or key:
            account.token, account.email, account.key = token, email, key
        return account

    def links(self) -> Iterable[Link]:
        """Return every link of every account."""
        return (link for account in self.accounts.values() for link in account.links.values())

    def described(self) -> dict[str, Any]:
        """Describe it in plain values, without any credential."""
        limit = None if self.limit is None else str(self.limit)
        return {"rate_limit": limit, "accounts": [_described(account) for account in self.accounts.values()]}


_USUAL: Details = {"site": "ams-a", "facility": "Equinix AM7", "speed": "10G", "type": "direct"}
_ENDS = {LastPage.NULL: b"null", LastPage.ABSENT: b"", LastPage.ZERO: b"0"}


def _matches(link: Link, query: Mapping[str, str]) -> bool:
    site, kind = query.get("site"), query.get("type")
    return site in (None, link.site) and kind in (None, link.details["type"])


def _item(account: str, name: str, details: Details) -> dict[str, Any]:
    item: dict[str, Any] = {
        "account": account,
        "name": name,
        "type": details["type"],
        "speed": details["speed"],
        "owner": None,
    }
    reservation = details["reservation"]
    if reservation is not None:
        item["virtual_port_reservation_id"] = reservation
    if "region" in details:
        return {**item, "region": details["region"]}
    return {
        **item,
        "site": details["site"],
        "facility": {"address": [], "name": details["facility"]},
        "slot_id": str(uuid5(NAMESPACE_URL, f"{account}/{name}/{reservation}")),
        "ccr_device_name": f"ccr.{details['site']}",
    }


def _described(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "page_size": account.page_size,
        "last_page": account.last_page,
        "faults": account.faults.described(),
        "listing_faults": account.listing.described(),
        "links": [
            {
                **_item(account.id, link.name, link.details),
                "state": link.state,
                "reason": link.reason,
                "faults": link.faults.described(),
            }
            for link in account.links.values()
        ],
    }
