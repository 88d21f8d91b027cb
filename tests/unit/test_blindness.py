"""R6: blind is not Down; one incident for an account, however many of its links can't be seen."""

from notifier.domain.blindness import Event, Extent, View, listing_failed, listing_worked, look, main_cause
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
