"""What can be seen of one account: an account is blind while any of its links, or its listing, is (R6)."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from notifier.domain.observation import Cause, CauseKind


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What we can see of one account, beside the states of its links.

    `listing_failures` counts failed listings in a row; `listing_cause` says why, while the listing is blind.
    `empty_listings` counts those in a row that held nothing, though interconnects were known (R9).
    `incident` is the number of the open blind incident, `since` when it began; `incidents` counts them from 1.
    `version` is the stored record's (R14); 0 means never stored.
    """

    account: str
    listing_failures: int = 0
    listing_cause: Cause | None = None
    empty_listings: int = 0
    incident: int | None = None
    incidents: int = 0
    since: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of an account can't be seen now.

    `blind` are the blind links with their causes; `failing` counts the links whose last poll failed, blind or not.
    """

    blind: tuple[tuple[str, Cause], ...]
    failing: int
    watched: int

    @property
    def everything(self) -> bool:
        """Whether not one link answers."""
        return self.failing >= self.watched


class Event(StrEnum):
    """What became of an account's sight."""

    BLINDED = "blinded"
    SEEN_AGAIN = "seen again"


def listing_failed(view: View, cause: Cause, blind_after: int) -> View:
    """Count a failed listing; it is blind after `blind_after` of them in a row, at once when refused."""
    failures = min(view.listing_failures + 1, blind_after)
    blind = view.listing_cause is not None or cause.blinds_at_once or failures >= blind_after
    return replace(view, listing_failures=failures, listing_cause=cause if blind else None)


def listing_worked(view: View) -> View:
    """Forget the failed and the empty listings."""
    return replace(view, listing_failures=0, listing_cause=None, empty_listings=0)


def empty_listing(view: View, known: int, *, blind_after: int, removed_after: int) -> tuple[View, bool]:
    """Count a complete listing without any interconnect; the answer says whether it is to be believed (R9).

    While interconnects are `known`, the first `removed_after` in a row are a failure of the listing, which is blind
    with the last of them at the latest; as many again are believed: then everything known is removed.
    """
    empty = view.empty_listings + 1
    if not known or empty >= 2 * removed_after:
        return listing_worked(view), True
    them = "1 was known" if known == 1 else f"{known} were known"
    cause = Cause(
        kind=CauseKind.EMPTY_LISTING,
        text=f"Cloudflare lists no interconnects, {them}",
        remedy="see whether they were deleted or moved to another account: if it stays so, they are taken for removed",
    )
    failed = listing_failed(view, cause, min(blind_after, removed_after))
    return replace(failed, empty_listings=empty), False


def look(view: View, extent: Extent, at: datetime) -> tuple[View, Event | None]:
    """Open the account's blind incident when something is blind, close it when nothing is any more."""
    blind = view.listing_cause is not None or bool(extent.blind)
    if blind and view.incident is None:
        number = view.incidents + 1
        return replace(view, incident=number, incidents=number, since=at), Event.BLINDED
    if not blind and view.incident is not None:
        return replace(view, incident=None, since=None), Event.SEEN_AGAIN
    return view, None


def main_cause(view: View, extent: Extent) -> Cause:
    """Pick the cause to name: the listing's, else the one most of the blind links share."""
    if view.listing_cause is not None:
        return view.listing_cause
    kinds = Counter(cause.kind for _, cause in extent.blind)
    most = kinds.most_common(1)[0][0]
    return next(cause for _, cause in extent.blind if cause.kind is most)
