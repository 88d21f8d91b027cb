"""What a report says, against tables worked by hand."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.availability import Period, Quality, Stretch, totals
from notifier.domain.decision import Change
from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher
from notifier.domain.reporting import (
    LinkRecord,
    Mean,
    Move,
    Planned,
    Times,
    days_of,
    past,
    percent,
    quality_of_site,
    together,
)
from notifier.domain.suppression import Silence
from tests.support.examples import ACCOUNT, seconds
from tests.support.reported import (
    AMSTERDAM,
    DAY,
    NOVEMBER,
    at,
    between,
    born,
    fell,
    incident,
    link,
    move,
    reported,
    rose,
    written,
)

ALL = Matcher()


def times(*moves: Move, gaps: tuple[Period, ...] = (), planned: tuple[Period, ...] = (), **rest: object) -> str:
    """Report one interconnect of the tenth, and write its times."""
    record = link(*moves, gaps=gaps, **rest)  # type: ignore[arg-type]
    found = reported(record, planned=[Planned(ALL, planned)] if planned else [])
    assert found.links[0].times.period == timedelta(days=1)
    return written(found.links[0].times)


# --- One interconnect, one day --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moves", "gaps", "planned", "expected"),
    [
        ((born(),), (), (), "good 24:00:00"),
        ((fell("10 06:00"), rose("10 06:45:30")), (), (), "good 23:14:30 bad 0:45:30"),
        # It was down before the day began, and was up after it ended.
        ((fell("9 20:00"), rose("12")), (), (), "bad 24:00:00"),
        ((fell("9 20:00"), rose("10 01:00")), (), (), "good 23:00:00 bad 1:00:00"),
        # First seen bad in the day, confirmed after it.
        ((born(), fell("10 23:59:50")), (), (), "good 23:59:50 bad 0:00:10"),
        # Nobody looked from 5 to 7, nor from 20:00 until the next day: neither good nor bad.
        (
            (born(), fell("10 06:00"), rose("10 08:00")),
            (between("10 05:00", "10 07:00"), between("10 20:00", "11 03:00")),
            (),
            "good 17:00:00 bad 1:00:00 unobserved 6:00:00",
        ),
        # A window from 4 to 8 over bad (6 to 7), good, and a gap (4:30 to 5): the gap stays a gap.
        (
            (born(), fell("10 06:00"), rose("10 07:00")),
            (between("10 04:30", "10 05:00"),),
            (between("10 04:00", "10 08:00"),),
            "good 20:00:00 maintenance 3:30:00 unobserved 0:30:00",
        ),
        # Windows that overlap, and that begin or end outside the day, count once.
        (
            (born(),),
            (),
            (between("9 22:00", "10 02:00"), between("10 01:00", "10 03:00"), between("10 23:00", "11 01:00")),
            "good 20:00:00 maintenance 4:00:00",
        ),
        # Flapping: 1, 2 and 3 minutes bad, in one incident.
        (
            (
                born(),
                *(fell("10 09:00"), rose("10 09:01"), fell("10 09:05"), rose("10 09:07")),
                *(fell("10 09:10"), rose("10 09:13")),
            ),
            (),
            (),
            "good 23:54:00 bad 0:06:00",
        ),
        # A problem that worsens and eases stays one.
        (
            (fell("10 09:00"), move("10 10:00", Change.WORSENED, "Unhealthy", 1), rose("10 11:00")),
            (),
            (),
            "good 22:00:00 bad 2:00:00",
        ),
        # Added at 6; removed at 18, last listed at 17:55. What was planned at 2 was planned for nobody.
        (
            (born("10 06:00"), move("10 18:00", Change.REMOVED, "Healthy", last="10 17:55")),
            (),
            (between("10 02:00", "10 03:00"),),
            "good 11:55:00 unobserved 12:05:00 unwatched 12:00:00",
        ),
        # Removed while it was down, back in the evening.
        (
            (
                fell("10 03:00"),
                move("10 04:00", Change.REMOVED, "Down", 1, last="10 04:00"),
                born("10 20:00"),
            ),
            (),
            (),
            "good 7:00:00 bad 1:00:00 unobserved 16:00:00 unwatched 16:00:00",
        ),
        # Pending at first is not bad.
        ((born("10 01:00"), move("10 05:00", Change.UP, "Pending")), (), (), (
            "good 23:00:00 unobserved 1:00:00 unwatched 1:00:00"
        )),
    ],
)  # fmt: skip
def test_a_day_of_an_interconnect(
    moves: tuple[Move, ...], gaps: tuple[Period, ...], planned: tuple[Period, ...], expected: str
) -> None:
    assert times(*moves, gaps=gaps, planned=planned) == expected


def test_what_was_not_seen_any_more_is_not_observed_whatever_is_believed() -> None:
    assert times(fell("9"), seen="10 18:00") == "bad 18:00:00 unobserved 6:00:00"


def test_parts_of_a_second_are_cut_before_anything_is_added_up() -> None:
    begin, end = at("10 06:00:00") + seconds(0.9), at("10 06:00:10") + seconds(0.1)
    moves = (
        Move(Change.PROBLEM, "Healthy", begin, begin, begin, 1),
        Move(Change.RECOVERED, "Down", end, end, end, 1),
    )
    assert times(*moves) == "good 23:59:50 bad 0:00:10"


def test_what_was_not_watched_in_the_period_is_not_in_the_report() -> None:
    gone = link(move("9", Change.REMOVED, "Healthy"), name="icon-gone", watched=False)
    to_come = link(born("12"), name="icon-new")
    found = reported(link(born()), gone, to_come, link(name="icon-never", seen=None))
    assert [each.name for each in found.links] == ["icon-ams-01"]
    assert found.sites[0].links == 1


@pytest.mark.parametrize(
    ("period", "hours"),
    [
        (between("2026-03-28T23:00", "2026-03-29T22:00"), 23),  # clocks go forward
        (between("2026-10-24T22:00", "2026-10-25T23:00"), 25),  # and back
    ],
)
def test_a_day_on_which_clocks_are_changed_is_as_long_as_it_was(period: Period, hours: int) -> None:
    down = period.from_at + timedelta(hours=1), period.from_at + timedelta(hours=4)
    moves = [
        Move(change, before, when, when, when, number)
        for change, before, when, number in (
            (Change.BASELINE, None, period.from_at - timedelta(days=9), None),
            (Change.PROBLEM, "Healthy", down[0], 1),
            (Change.RECOVERED, "Down", down[1], 1),
        )
    ]
    found = reported(link(*moves), period=period, zone=AMSTERDAM)
    assert written(found.total) == f"good {hours - 3}:00:00 bad 3:00:00"
    assert [day.length for day, _ in found.days] == [timedelta(hours=hours)]


def test_a_month_is_divided_at_the_midnights_of_its_zone() -> None:
    march = Period(datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC))
    days = days_of(march, AMSTERDAM)
    assert len(days) == 31
    assert sum((day.length for day in days), timedelta()) == march.length
    assert [days[n].length / timedelta(hours=1) for n in (27, 28, 29)] == [24, 23, 24]
    assert days_of(between("10 12:00", "10 13:00"), AMSTERDAM) == (between("10 12:00", "10 13:00"),)


def test_days_add_up_to_what_the_interconnects_were() -> None:
    first = link(born(), fell("10 23:30"), rose("11 00:30"))
    second = link(born("10 06:00"), name="icon-ams-02", gaps=[between("11 01:00", "11 02:00")])
    found = reported(first, second, period=between("10", "12"))
    assert [written(day) for _, day in found.days] == [
        "good 41:30:00 bad 0:30:00 unobserved 6:00:00 unwatched 6:00:00",
        "good 46:30:00 bad 0:30:00 unobserved 1:00:00",
    ]
    assert sum((day for _, day in found.days), Times()) == found.total


# --- Shares ---------------------------------------------------------------------------------------------------


def test_shares_are_of_what_was_there_and_never_rounded_up() -> None:
    found = Times(good=seconds(999_999), bad=seconds(1), maintenance=seconds(1_000_000), unobserved=seconds(2_000_000))
    assert found.availability == 99.9999
    assert found.of_observed == 49.9999
    assert found.observed == 50
    assert percent(seconds(9_999_999), seconds(10_000_000)) == 99.9999
    assert percent(seconds(0), seconds(10)) == 0


def test_where_nothing_was_good_or_bad_there_is_no_availability() -> None:
    dark = Times(unobserved=seconds(60))
    assert (dark.availability, dark.of_observed, dark.observed) == (None, None, 0)
    planned = Times(maintenance=seconds(60))
    assert (planned.availability, planned.of_observed) == (None, 0)
    assert Times().observed is None


# --- Sites ----------------------------------------------------------------------------------------------------

GOOD, BAD, MAINTENANCE, UNOBSERVED = Quality.GOOD, Quality.BAD, Quality.MAINTENANCE, Quality.UNOBSERVED


@pytest.mark.parametrize(
    ("links", "site"),
    [
        ({GOOD}, GOOD),
        ({GOOD, BAD}, GOOD),
        ({GOOD, MAINTENANCE}, GOOD),
        ({GOOD, UNOBSERVED}, GOOD),
        ({GOOD, BAD, MAINTENANCE, UNOBSERVED}, GOOD),
        ({UNOBSERVED}, UNOBSERVED),
        ({UNOBSERVED, BAD}, UNOBSERVED),
        ({UNOBSERVED, MAINTENANCE}, UNOBSERVED),
        ({UNOBSERVED, MAINTENANCE, BAD}, UNOBSERVED),
        ({MAINTENANCE}, MAINTENANCE),
        ({MAINTENANCE, BAD}, MAINTENANCE),
        ({BAD}, BAD),
    ],
)
def test_the_truth_table_of_a_site(links: set[Quality], site: Quality) -> None:
    for numbers in product((1, 2), repeat=len(links)):
        assert quality_of_site(dict.fromkeys(Quality, 0) | dict(zip(links, numbers, strict=True))) is site


def test_a_day_of_a_site_and_of_its_redundancy() -> None:
    #          0      6      8      9     10     12     14     18     24
    # one      good   bad    bad    bad   good   good   gone
    # two      good   good   bad    gap   gap    good   good   good
    # three                  not watched until 12, then bad until 18, then good
    one = link(born(), fell("10 06:00"), rose("10 10:00"), move("10 14:00", Change.REMOVED, "Healthy", last="10 14:00"))
    two = link(born(), fell("10 08:00"), rose("10 12:00"), name="icon-ams-02", gaps=[between("10 09:00", "10 12:00")])
    three = link(move("10 12:00", Change.PROBLEM, None, 1), rose("10 18:00"), name="icon-ams-03")
    found = reported(
        one, two, three, incidents=[incident("10 08:00", "10 10:00", subject="ams-a", kind=IncidentKind.SITE)]
    )
    (site,) = found.sites
    assert (site.name, site.links) == ("ams-a", 3)
    # Lost from 8 to 9; from 9 to 10 nobody can tell, as the second was not seen.
    assert written(site.times) == "good 22:00:00 bad 1:00:00 unobserved 1:00:00"
    assert [(each.left, each.watched, each.length / timedelta(hours=1)) for each in site.left] == [
        (0, 2, 1),  # 8 to 9
        (1, 2, 7),  # 6 to 8; 9 to 10, as the second may have been left; 14 to 18
        (2, 3, 2),  # 12 to 14
    ]
    assert (site.incidents.count, site.incidents.longest) == (1, timedelta(hours=2))


def test_a_window_of_one_interconnect_is_not_one_of_its_site_while_another_is_good() -> None:
    planned = [Planned(Matcher(name=("icon-ams-01",)), (between("10 02:00", "10 04:00"),))]
    two = link(born(), fell("10 03:00"), rose("10 05:00"), name="icon-ams-02")
    found = reported(link(born()), two, planned=planned)
    assert [written(each.times) for each in found.links] == [
        "good 22:00:00 maintenance 2:00:00",
        "good 22:00:00 bad 2:00:00",
    ]
    # From 3 to 4 one is under maintenance and the other bad.
    assert written(found.sites[0].times) == "good 23:00:00 maintenance 1:00:00"


def test_interconnects_of_no_site_are_of_no_site() -> None:
    found = reported(link(born(), site=None), link(born(), name="icon-ams-02", site=None))
    assert found.sites == ()
    assert written(found.total) == "good 48:00:00"


# --- Incidents ------------------------------------------------------------------------------------------------


def test_incidents_of_a_day() -> None:
    record = link(
        *(fell("9 23:00", 1), rose("10 00:30", 1)),
        *(fell("10 06:00", 2), rose("10 06:10", 2)),
        *(fell("10 12:00", 3), rose("10 12:30", 3)),
        *(fell("10 22:00", 4), rose("11 04:00", 4)),
    )
    its = [
        incident("9 23:00", "10 00:30", "9 23:00:20", number=1),
        incident("10 06:00", "10 06:10", "10 06:00:20", number=2),
        incident("10 12:00", "10 12:30", "10 12:01", number=3),
        incident("10 22:00", "11 04:00", number=4),
    ]
    summary = reported(record, incidents=its).links[0].incidents
    assert (summary.count, summary.opened, summary.still_open) == (4, 3, 1)
    assert summary.longest == timedelta(hours=2)  # the last, as far as it lies in the day
    assert summary.notice == Mean(seconds(15), 3)
    assert summary.notice_at_most == Mean(seconds(75), 3)
    assert summary.tell == Mean(seconds(40), 2)
    assert summary.recover == Mean((timedelta(minutes=90) + timedelta(minutes=10) + timedelta(minutes=30)) / 3, 3)


@pytest.mark.parametrize("closed", [None, "13 08:00"])
def test_an_incident_open_at_both_ends_lasts_all_the_period_and_is_noticed_and_over_elsewhen(
    closed: str | None,
) -> None:
    moves = [fell("3 04:00"), *([rose(closed)] if closed else [])]
    found = reported(link(*moves), incidents=[incident("3 04:00", closed, "3 04:01")])
    assert written(found.total) == "bad 24:00:00"
    summary = found.incidents_of_links
    assert (summary.count, summary.opened, summary.still_open, summary.longest) == (1, 0, 1, timedelta(days=1))
    assert summary.notice == summary.tell == summary.recover == Mean(None, 0)
    (listed,) = found.incidents
    assert (listed.within, listed.notice, listed.tell) == (timedelta(days=1), None, None)


def test_while_it_flaps_an_incident_is_one_and_is_noticed_at_its_first_problem() -> None:
    record = link(born(), fell("10 09:00"), rose("10 09:01"), fell("10 09:05"), rose("10 09:07"))
    found = reported(record, incidents=[incident("10 09:00", "10 09:40", "10 09:00:30")])
    summary = found.incidents_of_links
    assert (summary.count, summary.longest) == (1, timedelta(minutes=40))
    assert (summary.notice, summary.recover) == (Mean(seconds(15), 1), Mean(timedelta(minutes=40), 1))
    assert written(found.total) == "good 23:57:00 bad 0:03:00"


def test_an_account_that_was_blind_is_listed_and_counts_only_where_a_link_was_not_seen() -> None:
    blind = incident("10 03:00", "10 05:00", subject=ACCOUNT, kind=IncidentKind.BLIND)
    hidden = link(born(), gaps=[between("10 02:58", "10 05:00")])
    found = reported(hidden, link(born(), name="icon-ams-02"), incidents=[blind])
    assert [written(each.times) for each in found.links] == ["good 21:58:00 unobserved 2:02:00", "good 24:00:00"]
    assert [(each.kind, each.within) for each in found.incidents] == [(IncidentKind.BLIND, timedelta(hours=2))]
    assert found.incidents_of_links.count == 0


def test_a_silence_hides_no_bad_time() -> None:
    silences = [
        Silence(id=n, match=Matcher(site=("ams-*",)), from_at=at(begin), until_at=at(end), by="noc", comment="")
        for n, (begin, end) in enumerate([("10 05:00", "10 07:00"), ("10 06:00", "10 08:00")], 1)
    ]
    elsewhere = link(born(), name="icon-fra-01", site="fra-b")
    found = reported(link(born(), fell("10 06:00"), rose("10 07:00")), elsewhere, silences=silences)
    assert written(found.links[0].times) == "good 23:00:00 bad 1:00:00"
    assert [each.silenced for each in found.links] == [timedelta(hours=3), timedelta()]


def test_only_the_worst_sites_are_kept_to_be_drawn() -> None:
    links = [
        link(
            born(), fell("10 01:00"), rose(f"10 01:{minutes:02}"), name=f"icon-{minutes:02}", site=f"site-{minutes:02}"
        )
        for minutes in range(1, 10)
    ]
    assert [lane.name for lane in reported(*links).lanes] == [
        name for minutes in range(4, 10) for name in (f"site-{minutes:02}", f"icon-{minutes:02}")
    ]


# --- What always holds ----------------------------------------------------------------------------------------

_MICROSECONDS = st.integers(-3 * 10**10, 12 * 10**10).map(lambda number: at("10") + timedelta(microseconds=number))
_SPANS = st.lists(st.tuples(_MICROSECONDS, _MICROSECONDS).map(lambda two: Period(*sorted(two))), max_size=5)


@st.composite
def _links(draw: st.DrawFn) -> LinkRecord:
    moments = sorted(draw(st.lists(_MICROSECONDS, max_size=8)))
    moves, known, bad = [], False, False
    for place, when in enumerate(moments):
        if not known:
            bad = draw(st.booleans())
            change, before, known = Change.PROBLEM if bad else Change.BASELINE, None, True
        elif draw(st.integers(0, 4)) == 0:
            change, before, known = Change.REMOVED, "Down" if bad else "Healthy", False
        else:
            change, before = (Change.RECOVERED, "Down") if bad else (Change.PROBLEM, "Healthy")
            bad = not bad
        moves.append(Move(change, before, moments[place - 1] if place else None, when, when, 1))
    return LinkRecord(
        account=ACCOUNT,
        name=draw(st.sampled_from(["a", "b"])),
        site=draw(st.sampled_from(["ams-a", None])),
        watched=draw(st.booleans()),
        last_seen_at=draw(st.none() | _MICROSECONDS),
        moves=tuple(moves),
        gaps=tuple(draw(_SPANS)),
    )


@given(
    st.lists(_links(), min_size=1, max_size=4),
    _SPANS,
    st.sampled_from([DAY, NOVEMBER, between("10 07:00", "10 07:01")]),
)
def test_the_four_times_add_up_to_the_period_to_the_second(
    links: list[LinkRecord], windows: list[Period], period: Period
) -> None:
    found = reported(*links, period=period, planned=[Planned(Matcher(name=("a",)), tuple(windows))], zone=AMSTERDAM)
    second = timedelta(seconds=1)
    for its in [each.times for each in found.links] + [each.times for each in found.sites]:
        four = (its.good, its.bad, its.maintenance, its.unobserved)
        assert sum(four, timedelta()) == period.length
        assert all(span >= timedelta() and not span % second for span in four)
        assert timedelta() <= its.unwatched <= its.unobserved
    assert found.total.period == len(found.links) * period.length
    by_day = sum((day for _, day in found.days), Times())
    assert by_day == found.total
    for site in found.sites:
        assert all(each.left < each.watched <= site.links and each.length > timedelta() for each in site.left)
        lost = sum((each.length for each in site.left if not each.left), timedelta())
        assert lost == site.times.bad


@given(st.lists(_links(), max_size=3), _SPANS, st.integers(0, 86_399))
def test_at_each_moment_a_site_is_what_its_links_make_of_it(
    links: list[LinkRecord], windows: list[Period], second: int
) -> None:
    tracks = [past(each, DAY, windows) for each in links]
    moment = DAY.from_at + timedelta(seconds=second)
    its = [there for track in tracks if (there := _there(track, moment)) is not None]
    counts = next((counts for begin, end, counts in together(tracks) if begin <= moment < end), None)
    assert (sorted(its) if its else None) == (
        counts and sorted(quality for quality, number in counts.items() for _ in range(number))
    )


def _there(track: tuple[Stretch, ...], at: datetime) -> Quality | None:
    found = [each.quality for each in track if each.period.from_at <= at < each.period.until_at]
    assert len(found) <= 1
    return found[0] if found else None


def test_the_totals_of_a_track_leave_out_what_was_not_watched() -> None:
    track = past(
        link(born("10 06:00"), move("10 07:00", Change.REMOVED, "Healthy", last="10 07:00"), born("10 08:00")), DAY, ()
    )
    assert totals(track) == {GOOD: timedelta(hours=17)}
    assert len(track) == 2
