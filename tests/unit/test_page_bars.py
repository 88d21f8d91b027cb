"""The past of a link as a bar: what was not good is seen, however short it was, and said in words."""

from datetime import datetime, timedelta

import pytest

from notifier.adapters.web.page.bars import CELLS, CHOICES, DEFAULT, HEIGHT, Bar, Plot, bar, past, period_of, plot
from notifier.domain.availability import Quality
from notifier.insight import Change, LinkNow, Span
from tests.support.board import NOW, change, link

HOUR = timedelta(hours=1)
CELL = DEFAULT.length / CELLS


def drawn(of: LinkNow, *changes: Change, gaps: tuple[tuple[datetime, datetime], ...] = ()) -> Bar:
    period = period_of(DEFAULT, NOW)
    return bar(DEFAULT, period, past(of, Span(changes=changes, gaps=gaps), period))


def plotted(of: LinkNow, *changes: Change) -> Plot:
    period = period_of(DEFAULT, NOW)
    return plot(DEFAULT, period, past(of, Span(changes=changes), period))


def test_a_link_that_was_always_good_is_an_empty_green_bar() -> None:
    assert drawn(link()) == Bar("Last 24 hours: good 1d", ())


def test_a_moment_is_seen_where_it_was() -> None:
    found = drawn(
        link(),
        change("problem", "Healthy", "Down", 12 * HOUR - timedelta(minutes=1)),
        change("recovered", "Down", "Healthy", 12 * HOUR - timedelta(minutes=2)),
    )
    assert found.label == "Last 24 hours: good 23h 59m, bad 1m"
    (run,) = found.runs
    (patch,) = run.patches
    assert (patch.quality, patch.x, patch.width) == (Quality.BAD, 50.0, 2.083)
    assert patch.height >= HEIGHT / 3
    assert patch.y + patch.height == HEIGHT
    assert run.title == "21 Jan 15:12 to 21 Jan 15:42 UTC: good 29m, bad 1m"


def test_neighbours_that_were_the_same_are_drawn_as_one() -> None:
    found = drawn(link(status="Down"), change("problem", "Healthy", "Down", 6 * CELL))
    (run,) = found.runs
    (patch,) = run.patches
    assert (patch.x, patch.width, patch.height) == (87.5, 12.5, HEIGHT)
    assert run.title.endswith("UTC: bad 3h")


def test_what_was_before_the_link_is_unobserved() -> None:
    found = drawn(link(), change("baseline", None, "Healthy", 6 * HOUR))
    assert found.label == "Last 24 hours: good 6h, not observed 18h"


def test_a_link_whose_first_look_came_late_is_known_from_its_state_alone() -> None:
    assert drawn(link(since=NOW - 6 * HOUR)).label == "Last 24 hours: good 6h, not observed 18h"


def test_a_link_never_seen_and_one_watched_no_more_are_unobserved() -> None:
    assert drawn(link(status=None)).label == "Last 24 hours: not observed 1d"
    assert drawn(link(watched=False)).label == "Last 24 hours: not observed 1d"


def test_a_blind_link_is_unobserved_since_it_was_last_seen_down_or_not() -> None:
    for status, word in (("Healthy", "good"), ("Down", "bad")):
        found = drawn(link(status=status, blind=True, last_seen_at=NOW - 2 * HOUR))
        assert found.label == f"Last 24 hours: {word} 22h, not observed 2h"


def test_a_gap_is_unobserved() -> None:
    found = drawn(link(), gaps=((NOW - 3 * HOUR, NOW - 2 * HOUR),))
    assert found.label == "Last 24 hours: good 23h, not observed 1h"


@pytest.mark.parametrize("minutes", [1, 10, 15, 20, 29])
def test_in_a_cell_of_both_both_are_seen(minutes: int) -> None:
    found = drawn(
        link(status="Down", blind=True, last_seen_at=NOW - timedelta(minutes=minutes)),
        change("problem", "Healthy", "Down", CELL),
    )
    (run,) = found.runs
    assert [patch.quality for patch in run.patches] == [Quality.BAD, Quality.UNOBSERVED]
    assert sum(patch.height for patch in run.patches) == HEIGHT
    assert min(patch.height for patch in run.patches) >= HEIGHT / 3


def test_a_plot_shows_each_stretch_as_long_as_it_was() -> None:
    found = plotted(
        link(),
        change("problem", "Healthy", "Down", 12 * HOUR),
        change("recovered", "Down", "Healthy", 6 * HOUR),
        change("problem", "Healthy", "Down", timedelta(seconds=1)),
    )
    long, brief = found.patches
    assert (long.x, long.width) == (50.0, 25.0)
    assert long.title.endswith("UTC: bad 6h")
    assert brief.width > 0.1  # a second of a day would not be seen
    assert found.label == "Last 24 hours: good 17h 59m, bad 6h"


def test_each_choice_reaches_as_far_back_as_it_says() -> None:
    lengths = {name: choice.length / timedelta(days=1) for name, choice in CHOICES.items()}
    assert lengths == {"24h": 1, "7d": 7, "30d": 30}
