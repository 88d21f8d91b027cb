"""R6: blind is not Down; one incident for an account, however many of its links can't be seen."""

from notifier.domain.blindness import (
    Event,
    Extent,
    View,
    empty_listing,
    listing_failed,
    listing_worked,
    look,
    main_cause,
)
from notifier.domain.observation import Cause, CauseKind
from tests.support.examples import ACCOUNT, FORBIDDEN, NIGHT, TIMEOUT, seconds

ALL_SEEN = Extent(blind=(), failing=0, watched=3)
ONE_BLIND = Extent(blind=(("icon-ams-01", TIMEOUT.cause),), failing=1, watched=3)


def test_one_blind_link_opens_the_accounts_incident_and_a_second_one_no_other() -> None:
    view, event = look(View(account=ACCOUNT), ONE_BLIND, NIGHT)
    assert (event, view.incident, view.since) == (Event.BLINDED, 1, NIGHT)
    both = Extent(blind=(*ONE_BLIND.blind, ("icon-ams-02", TIMEOUT.cause)), failing=2, watched=3)
    assert look(view, both, NIGHT + seconds(60)) == (view, None)


def test_it_closes_when_the_last_link_is_seen_and_the_next_one_has_another_number() -> None:
    blind, _ = look(View(account=ACCOUNT), ONE_BLIND, NIGHT)
    seen, event = look(blind, ALL_SEEN, NIGHT + seconds(60))
    assert (event, seen.incident) == (Event.SEEN_AGAIN, None)
    again, _ = look(seen, ONE_BLIND, NIGHT + seconds(120))
    assert again.incident == 2


def test_nothing_happens_while_everything_is_seen() -> None:
    assert look(View(account=ACCOUNT), ALL_SEEN, NIGHT) == (View(account=ACCOUNT), None)


def test_a_listing_is_blind_after_three_failures_in_a_row() -> None:
    view = View(account=ACCOUNT)
    for failures in (1, 2):
        view = listing_failed(view, TIMEOUT.cause, 3)
        assert (view.listing_failures, view.listing_cause) == (failures, None)
    assert listing_failed(view, TIMEOUT.cause, 3).listing_cause == TIMEOUT.cause
    assert listing_failed(listing_worked(view), TIMEOUT.cause, 3).listing_cause is None


def test_a_refused_listing_is_blind_at_once() -> None:
    assert listing_failed(View(account=ACCOUNT), FORBIDDEN.cause, 3).listing_cause == FORBIDDEN.cause


def test_the_cause_that_most_blind_links_share_is_named() -> None:
    gone = Cause(kind=CauseKind.NOT_FOUND, text="404 from Cloudflare")
    blind = (("a", gone), ("b", TIMEOUT.cause), ("c", TIMEOUT.cause))
    extent = Extent(blind=blind, failing=3, watched=9)
    assert main_cause(View(account=ACCOUNT), extent) == TIMEOUT.cause
    assert not extent.everything


def empty_listings(times: int, *, blind_after: int = 3, removed_after: int = 3) -> list[tuple[bool, bool]]:
    """List an account of 12 links as empty so many times: whether it is blind then, and whether it is believed."""
    view, found = View(account=ACCOUNT), []
    for _ in range(times):
        view, believed = empty_listing(view, 12, blind_after=blind_after, removed_after=removed_after)
        found.append((view.listing_cause is not None, believed))
    return found


def test_an_empty_listing_is_blind_at_the_third_and_believed_at_the_sixth() -> None:
    unheard, blind, believed = (False, False), (True, False), (False, True)
    assert empty_listings(6) == [unheard, unheard, blind, blind, blind, believed]


def test_an_empty_listing_is_always_told_as_blind_before_it_is_believed() -> None:
    blind, believed = (True, False), (False, True)
    assert empty_listings(2, blind_after=9, removed_after=1) == [blind, believed]


def test_an_empty_listing_says_how_many_were_known() -> None:
    view, _ = empty_listing(View(account=ACCOUNT), 12, blind_after=1, removed_after=3)
    assert view.listing_cause is not None
    assert view.listing_cause.kind is CauseKind.EMPTY_LISTING
    assert view.listing_cause.text == "Cloudflare lists no interconnects, 12 were known"


def test_a_failed_listing_between_empty_ones_is_no_listing_and_a_full_one_starts_anew() -> None:
    view, _ = empty_listing(View(account=ACCOUNT), 12, blind_after=3, removed_after=3)
    assert listing_failed(view, TIMEOUT.cause, 3).empty_listings == 1
    assert listing_worked(view) == View(account=ACCOUNT)


def test_an_account_without_interconnects_is_believed_at_once() -> None:
    assert empty_listing(View(account=ACCOUNT), 0, blind_after=3, removed_after=3) == (View(account=ACCOUNT), True)
