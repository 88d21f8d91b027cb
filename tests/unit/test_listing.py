"""R9: removed only after complete listings without it; another reservation is another link."""

from collections.abc import Iterable
from dataclasses import replace

from notifier.domain.interconnect import Interconnect
from notifier.domain.listing import REPLACED, UNLISTED, UNWATCHED, Known, Roll, call_roll
from tests.support.examples import LINK

ONE = replace(LINK, reservation="r1")
TWO = replace(LINK, name="icon-ams-02", reservation="r2")


def called(known: Iterable[Known], *listed: Interconnect, without: str = "") -> Roll:
    by_name = {each.link.name: each for each in known}
    return call_roll(by_name, listed, takes=lambda name: name != without, removed_after=3)


def listing_after_listing(known: list[Known], times: int) -> list[Roll]:
    """List the account without anything in it but TWO, so many times."""
    rolls: list[Roll] = []
    for _ in range(times):
        rolls.append(called(known, TWO))
        known = [Known(link=link, missing=missing) for link, missing in rolls[-1].watched]
    return rolls


def test_a_new_link_is_watched_from_its_first_listing_on() -> None:
    assert called([], ONE) == Roll(watched=((ONE, 0),), returned=(), renewed=(), removed={})


def test_a_link_is_removed_by_the_third_listing_without_it() -> None:
    rolls = listing_after_listing([Known(link=ONE), Known(link=TWO)], 3)
    assert [dict(roll.removed) for roll in rolls] == [{}, {}, {ONE.name: UNLISTED}]
    assert [roll.watched for roll in rolls] == [((TWO, 0), (ONE, 1)), ((TWO, 0), (ONE, 2)), ((TWO, 0),)]


def test_one_listing_with_it_starts_the_count_anew_and_is_no_return() -> None:
    roll = called([Known(link=ONE, missing=2)], ONE)
    assert (roll.watched, roll.returned) == (((ONE, 0),), ())


def test_a_link_that_returns_is_the_same_or_another_by_its_reservation() -> None:
    gone = Known(link=ONE, missing=3, watched=False)
    same = called([gone], ONE)
    assert (same.returned, same.renewed) == ((ONE,), ())
    other = replace(ONE, reservation="r9")
    assert (called([gone], other).returned, called([gone], other).renewed) == ((other,), (other,))


def test_a_removed_link_that_stays_away_is_removed_once() -> None:
    assert called([Known(link=ONE, missing=3, watched=False)], TWO).removed == {}


def test_another_link_under_the_name_of_a_watched_one_ends_the_old_one() -> None:
    other = replace(ONE, reservation="r9")
    roll = called([Known(link=ONE)], other)
    assert (roll.renewed, roll.removed, roll.watched) == ((other,), {ONE.name: REPLACED}, ((other, 0),))


def test_a_reservation_that_is_left_out_proves_nothing_and_is_not_forgotten() -> None:
    silent = replace(ONE, reservation=None)
    roll = called([Known(link=ONE)], silent)
    assert (roll.renewed, roll.watched) == ((), ((ONE, 0),))
    assert called([Known(link=silent)], ONE).renewed == ()


def test_other_details_make_no_other_link() -> None:
    faster = replace(ONE, speed="100G")
    roll = called([Known(link=ONE)], faster)
    assert (roll.renewed, roll.removed, roll.watched) == ((), {}, ((faster, 0),))


def test_what_is_left_out_by_configuration_is_removed_at_once_listed_or_not() -> None:
    known = [Known(link=ONE), Known(link=TWO)]
    for listed in ([ONE, TWO], [TWO]):
        roll = called(known, *listed, without=ONE.name)
        assert (roll.removed, roll.watched) == ({ONE.name: UNWATCHED}, ((TWO, 0),))
