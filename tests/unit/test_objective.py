"""How soon changes are to be told, and whether enough of them were."""

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.objective import Count, Objective, Punctuality, percent

NINES = Objective(notify_within=timedelta(seconds=90), share=Fraction(99, 100), over=timedelta(days=28))


@pytest.mark.parametrize(
    ("in_time", "late", "met"), [(0, 0, True), (99, 1, True), (98, 1, False), (9, 1, False), (0, 1, False)]
)
def test_enough_is_enough_to_the_last_notification(in_time: int, late: int, *, met: bool) -> None:
    assert Punctuality({"noc": Count(in_time, late)}).meets(NINES) is met


def test_all_channels_count_together() -> None:
    found = Punctuality({"noc": Count(100, 0), "mail": Count(98, 2)})
    assert (found.whole, found.share, found.meets(NINES)) == (Count(198, 2), Fraction(198, 200), True)


def test_where_nothing_was_to_be_told_there_is_no_share() -> None:
    assert Punctuality().share is None


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.fractions(Fraction(1, 10_000), Fraction(9_999, 10_000)))
def test_a_share_that_is_missed_never_reads_as_enough(in_time: int, late: int, share: Fraction) -> None:
    found = Punctuality({"noc": Count(in_time, late)})
    wanted = Objective(notify_within=NINES.notify_within, share=Fraction(int(share * 10_000), 10_000), over=NINES.over)
    assert found.share is not None
    if not found.meets(wanted):
        assert Fraction(percent(found.share).removesuffix("%")) / 100 < wanted.share


def test_an_objective_says_itself_in_words() -> None:
    assert str(NINES) == "99% within 1m 30s, over 28d"
    assert [percent(Fraction(*each)) for each in ((1, 1), (39, 40), (2, 3), (0, 1))] == [
        "100%",
        "97.5%",
        "66.66%",
        "0%",
    ]
