"""Several notifications in one message: what leads, and that nothing is left out (R17, R20, R27)."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.bundling import bundle
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.notification import Kind, Notification
from notifier.domain.site import Member
from notifier.domain.status import Severity
from notifier.domain.words import tell_site_back
from tests.support.examples import NIGHT, seconds
from tests.support.messages import DOWN, HEALTHY, KEY, about
from tests.support.spoken import UP, VOICE, site

OTHER = about("icon-ams-02", after=3)
LOST = replace(
    DOWN,
    kind=Kind.SITE_LOST,
    subject="ams-a",
    title="[production] site ams-a lost: 2 of 2 interconnects have a problem",
    lead="Every interconnect at ams-a has a problem.",
    reason=None,
    facts=(),
    incident_key="cni:a:site:ams-a:1",
    recorded_at=NIGHT + seconds(20),
)
DEGRADED = replace(about("icon-ams-03", after=9), kind=Kind.EASED, severity=Severity.WARNING)


def test_one_is_told_as_it_is() -> None:
    assert bundle([DOWN]) is DOWN


def test_of_two_links_the_newer_leads_and_the_other_has_a_line() -> None:
    both = bundle([DOWN, OTHER])
    assert both.title == "[production] icon-ams-02 is Down (was Healthy) #42 and 1 more"
    assert (both.kind, both.severity, both.lead) == (OTHER.kind, OTHER.severity, OTHER.lead)
    assert both.facts == (
        ("icon-ams-01", 'Down (was Healthy) #42 "Port down", 03:12:04Z'),
        ("Speed (icon-ams-02)", "10G"),
        ("Sightings (icon-ams-02)", 2),
        ("Redundant (icon-ams-02)", False),
    )
    assert (both.site, both.incident_key) == ("ams-a", None)
    assert (both.observed_at, both.recorded_at) == (DOWN.observed_at, DOWN.recorded_at)


def test_what_was_promised_last_is_how_it_stands_whatever_its_time_says() -> None:
    ahead = replace(DOWN, recorded_at=HEALTHY.recorded_at + timedelta(hours=1))
    assert bundle([ahead, HEALTHY]).title == HEALTHY.title


def test_the_worst_leads_whatever_came_last() -> None:
    assert bundle([DOWN, OTHER, DEGRADED]).title == "[production] icon-ams-02 is Down (was Healthy) #42 and 2 more"


def test_a_lost_site_leads_and_speaks_for_its_links() -> None:
    lost = bundle([DOWN, LOST, about("icon-ams-02", after=60)])
    assert (lost.kind, lost.title, lost.lead) == (Kind.SITE_LOST, LOST.title, LOST.lead)
    assert [label for label, _ in lost.facts] == ["icon-ams-01", "icon-ams-02"]
    elsewhere = replace(about("icon-fra-01"), site="fra-a")
    assert bundle([LOST, DOWN, elsewhere]).title == f"{LOST.title} and 1 more"


def test_a_site_says_nothing_twice_of_its_links() -> None:
    facts = (("Redundancy", "0 of 2 Healthy"), ("icon-ams-01", "Down: Port down"), ("icon-ams-02", "Pending"))
    lost = bundle([DOWN, replace(LOST, facts=facts)])
    assert lost.facts == (
        ("icon-ams-01", 'Down (was Healthy) #42 "Port down", 03:12:04Z'),
        ("Redundancy", "0 of 2 Healthy"),
        ("icon-ams-02", "Pending"),
    )
    assert lost.incident_key == LOST.incident_key


def test_a_site_that_is_back_speaks_for_the_link_that_is() -> None:
    back = replace(LOST, kind=Kind.SITE_BACK, severity=Severity.OK, title="back", recorded_at=HEALTHY.recorded_at)
    assert bundle([HEALTHY, back]).title == "back"


def test_a_site_that_is_still_lost_speaks_for_its_links() -> None:
    still = replace(LOST, kind=Kind.REMINDER, title="still lost")
    later = replace(about("icon-ams-02", after=60), kind=Kind.REMINDER)
    assert bundle([replace(DOWN, kind=Kind.REMINDER), still, later]).title == "still lost"


def test_a_site_that_is_back_already_does_not_lead_as_lost() -> None:
    back = replace(LOST, kind=Kind.SITE_BACK, severity=Severity.OK, title="back", recorded_at=NIGHT + seconds(90))
    assert bundle([LOST, back]).title == "back"


ONE = replace(UP, name="icon-ams-01")
FELL = replace(UP, status="Down", problem=True)


def back(*members: Member, after: float) -> Notification:
    """Tell that the site is back, so long after its loss."""
    lost = Incident(
        kind=IncidentKind.SITE,
        account=DOWN.account,
        subject="ams-a",
        number=1,
        severity=Severity.CRITICAL,
        opened_at=NIGHT,
    )
    return tell_site_back(site(*members), VOICE, NIGHT + seconds(after), lost)


def recovery(name: str, left: str, after: float) -> Notification:
    told = about(name, after=after)
    title = told.title.replace("Down (was Healthy)", "Healthy again after 9m (was Down)")
    facts = (("Redundancy", left),)
    return replace(told, kind=Kind.RECOVERED, severity=Severity.OK, title=title, reason=None, facts=facts)


def test_a_site_that_is_back_leads_with_how_many_of_its_links_are_healthy_by_now() -> None:
    told = bundle([back(ONE, FELL, after=60), recovery("icon-ams-02", "2 of 2 Healthy at ams-a", after=90)])
    assert told.title == "[production] site ams-a is back after 1m: 2 of 2 interconnects Healthy"
    assert told.lead == "Now 2 of 2 Healthy at ams-a."
    assert dict(told.facts)["Redundancy"] == "2 of 2 Healthy at ams-a"
    assert "1 of 2" not in str(told)


def test_a_site_that_is_back_step_by_step_says_what_is_left_by_now() -> None:
    links = [recovery("icon-ams-01", "1 of 3 still Healthy at ams-a", after=60)]
    links.append(recovery("icon-ams-02", "2 of 3 still Healthy at ams-a", after=90))
    told = bundle([back(ONE, FELL, replace(FELL, name="icon-ams-03"), after=60), *links])
    assert told.title == "[production] site ams-a is back after 1m: 2 of 3 interconnects Healthy"
    assert told.lead == "Now 2 of 3 still Healthy at ams-a."


def test_a_site_that_is_back_keeps_its_own_words_while_they_are_true() -> None:
    site_back = back(ONE, FELL, after=60)
    told = bundle([recovery("icon-ams-01", "1 of 2 still Healthy at ams-a", after=61), site_back])
    assert (told.title, told.lead) == (site_back.title, site_back.lead)


def test_a_link_that_leads_says_what_is_left_at_its_site_by_now_and_nothing_of_another() -> None:
    fell = replace(about("icon-ams-02"), facts=(("Redundancy", "1 of 3 still Healthy at ams-a"),))
    recovered = recovery("icon-ams-01", "2 of 3 still Healthy at ams-a", after=60)
    elsewhere = replace(recovery("icon-fra-01", "1 of 1 Healthy at fra-a", after=90), site="fra-a")
    told = bundle([fell, recovered, elsewhere])
    assert told.title == "[production] icon-ams-02 is Down (was Healthy) #42 and 2 more"
    assert dict(told.facts)["Redundancy (icon-ams-02)"] == "2 of 3 still Healthy at ams-a"


def test_r17_a_problem_and_its_end_say_that_it_was_over_before_it_was_told() -> None:
    merged = bundle([DOWN, HEALTHY])
    assert (merged.kind, merged.severity, merged.title) == (Kind.RECOVERED, Severity.OK, HEALTHY.title)
    assert merged.lead == "It was over before it could be told. icon-ams-01 changed from Down to Healthy."
    assert merged.facts == (("icon-ams-01", 'Down (was Healthy) #42 "Port down", 03:12:04Z'), *HEALTHY.facts)
    assert (merged.incident_key, merged.recorded_at) == (KEY, DOWN.recorded_at)


def test_what_is_over_does_not_lead_while_something_is_wrong() -> None:
    merged = bundle([DOWN, OTHER, HEALTHY])
    assert merged.title == "[production] icon-ams-02 is Down (was Healthy) #42 and 1 more"
    assert merged.lead == "Over before it could be told: icon-ams-01. icon-ams-02 changed from Healthy to Down."
    assert merged.facts[0] == (
        "icon-ams-01",
        'Down (was Healthy) #42 "Port down", 03:12:04Z; then Healthy again after 7m 12s (was Down) #44, 03:12:04Z',
    )


def test_a_recovery_of_what_was_told_before_is_no_surprise() -> None:
    assert bundle([HEALTHY, OTHER]).lead == OTHER.lead


def test_cloudflares_reason_stays_on_one_line() -> None:
    both = bundle([replace(DOWN, reason="no light\r\n  on port 3\n"), OTHER])
    assert both.facts[0] == ("icon-ams-01", 'Down (was Healthy) #42 "no light on port 3", 03:12:04Z')


def test_another_day_is_named() -> None:
    both = bundle([DOWN, about("icon-ams-02", after=86_400)])
    assert both.facts[0] == ("icon-ams-01", 'Down (was Healthy) #42 "Port down", 2026-11-23 03:12:04Z')


def test_links_of_several_accounts_say_whose_they_are() -> None:
    both = bundle([replace(OTHER, account="2", account_name="lab"), DOWN])
    assert both.title.endswith("icon-ams-02 is Down (was Healthy) #42 and 1 more")
    assert both.facts[0][0] == "[production] icon-ams-01"


def test_five_hundred_links_are_twenty_lines_and_the_names_of_the_others_as_far_as_they_fit() -> None:
    storm = bundle([about(f"icon-{number:03}", after=number / 10) for number in range(500)])
    assert storm.title == "[production] icon-499 is Down (was Healthy) #42 and 499 more"
    lines = [label for label, _ in storm.facts[:20]]
    assert lines == [f"icon-{number:03}" for number in range(20)]
    label, names = storm.facts[20]
    assert label == "And 479 more"
    assert str(names).startswith("icon-020 (problem), icon-021 (problem), ")
    shown = str(names).count("(problem)")
    assert str(names).endswith(f" and {479 - shown} more")
    assert 2_500 < len(str(names)) < 3_000


@given(
    st.lists(st.tuples(st.sampled_from([f"link-{n}" for n in range(30)]), st.sampled_from(list(Severity))), min_size=2)
)
def test_every_subject_and_every_title_is_told(plan: list[tuple[str, Severity]]) -> None:
    told = [
        replace(about(name, after=n, number=1000 + n), severity=severity) for n, (name, severity) in enumerate(plan)
    ]
    one = bundle(told)
    names = {name for name, _ in plan}
    text = " ".join([one.title, *(f"{label}: {value}" for label, value in one.facts)])
    assert all(name in text for name in names)
    if len(names) <= 20:
        assert all(f"#{1000 + n}" in text for n in range(len(told)))
    assert one.title.endswith(f" and {len(names) - 1} more") == (len(names) > 1)
    assert one.recorded_at == min(each.recorded_at for each in told)
