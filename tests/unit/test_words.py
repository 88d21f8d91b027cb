"""What is said of an interconnect, as the person woken at night reads it."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from notifier.domain.decision import Policy, decide, removed
from notifier.domain.incident import IncidentKind, incident_key
from notifier.domain.listing import UNLISTED, UNWATCHED
from notifier.domain.notification import Kind, Notification
from notifier.domain.status import Severity
from notifier.domain.words import tell_calm, tell_calm_recovery, tell_flapping, tell_returned, tell_transition
from tests.support.examples import ACCOUNT, LINK, NIGHT, observation, run
from tests.support.spoken import DOWN, UP, VOICE, site, told


def test_a_problem_names_link_states_and_number() -> None:
    [problem] = told("Healthy Down Down")
    assert problem.title == "[production] icon-ams-01 is Down (was Healthy) #2"
    assert problem.lead == "icon-ams-01 changed from Healthy to Down."
    assert problem.reason == "reason of Down"
    assert problem.severity is Severity.CRITICAL
    assert problem.incident_key == f"cni:{ACCOUNT}:icon-ams-01:1"
    assert problem.facts == (
        ("Site", "ams-a"),
        ("Facility", "Equinix AM5"),
        ("Speed", "10G"),
        ("Last seen Healthy", "2026-11-23 03:12:04Z"),
        ("First seen Down", "2026-11-23 03:12:19Z"),
        ("Confirmed", "2026-11-23 03:12:34Z"),
        ("Sightings", 2),
    )


def test_where_the_status_page_has_an_address_a_message_leads_there() -> None:
    voice = replace(VOICE, page=lambda *path: "/".join(["https://status.test", *path]))
    [problem] = told("Healthy Down Down", voice)
    assert problem.facts[-1] == ("Status page", f"https://status.test/interconnects/{ACCOUNT}/icon-ams-01")


def test_a_problem_at_first_sight_says_so() -> None:
    [problem] = told("Down Down")
    assert problem.title == "[production] icon-ams-01 is Down (first observation) #1"
    assert problem.lead == "icon-ams-01 was Down when it was first observed."


def test_a_recovery_says_how_long_it_took() -> None:
    problem, recovery = told("Healthy Down Down Down Healthy Healthy Healthy")
    assert recovery.title == "[production] icon-ams-01 is Healthy again after 45s (was Down) #3"
    assert recovery.kind is Kind.RECOVERED
    assert recovery.severity is Severity.OK
    assert recovery.incident_key == problem.incident_key


def test_worse_and_better_keep_the_incident() -> None:
    titles = [n.title for n in told("Healthy Unhealthy Unhealthy Down Unhealthy Unhealthy")]
    assert titles == [
        "[production] icon-ams-01 is Unhealthy (was Healthy) #2",
        "[production] icon-ams-01 is Down (was Unhealthy) #3",
        "[production] icon-ams-01 is Unhealthy (was Down) #4",
    ]


def test_a_link_that_comes_up_is_information() -> None:
    [up] = told("Pending Healthy Healthy Healthy")
    assert up.title == "[production] icon-ams-01 is up (was Pending) #2"
    assert up.severity is Severity.INFO
    assert up.incident_key is None


def test_a_change_in_a_gap_says_that_nobody_looked() -> None:
    state = run("Healthy")[-1].state
    first = decide(state, observation("Down", NIGHT + timedelta(hours=1)), Policy())
    second = decide(first.state, observation("Down", NIGHT + timedelta(hours=1, seconds=15)), Policy())
    assert second.transition is not None
    problem = tell_transition(second.transition, LINK, VOICE)
    assert problem is not None
    assert problem.lead == (
        "icon-ams-01 changed from Healthy to Down. It changed between 2026-11-23 03:12:04Z and "
        "2026-11-23 04:12:04Z, not observed in between."
    )


def test_moments_are_given_in_utc_and_in_the_zone() -> None:
    voice = replace(VOICE, zone=ZoneInfo("Europe/Amsterdam"))
    assert voice.moment(NIGHT) == "2026-11-23 03:12:04Z (04:12:04 CET)"


def test_every_message_says_how_much_of_the_site_is_left() -> None:
    problem = run("Healthy Down Down")[-1].transition
    assert problem is not None
    told = tell_transition(problem, LINK, VOICE, site=site(DOWN, UP))
    assert told is not None
    assert ("Redundancy", "1 of 2 still Healthy at ams-a") in told.facts


def test_an_operators_severity_counts_for_a_problem_and_not_for_its_end() -> None:
    decisions = run("Healthy Unhealthy Unhealthy Healthy Healthy Healthy")
    severities = {"Unhealthy": Severity.ERROR, "Healthy": Severity.CRITICAL}
    every = [tell_transition(d.transition, LINK, VOICE, severities=severities) for d in decisions if d.transition]
    assert [told.severity for told in every if told is not None] == [Severity.ERROR, Severity.OK]


def test_a_message_says_what_was_and_what_is() -> None:
    assert [(n.before, n.status) for n in told("Down Unhealthy Healthy Healthy Healthy")] == [
        (None, "Unhealthy"),
        ("Unhealthy", "Healthy"),
    ]


AT_ONCE = Policy(confirm=1, recover=1, recover_for=timedelta())


def test_flapping_says_how_often_it_changed_and_when_it_is_told_again() -> None:
    decision = run("Healthy Down Healthy Down Healthy", AT_ONCE, every=440)[-1]
    assert decision.transition is not None
    told = tell_flapping(decision.transition, decision.state, LINK, VOICE, quiet=timedelta(minutes=30))
    assert told.title == "[production] icon-ams-01 is flapping: 4 changes in 22m #5"
    assert told.lead == (
        "icon-ams-01 changed 4 times in 22m, now to Healthy. Its changes are not told until it has been calm for 30m."
    )
    assert told.severity is Severity.WARNING
    assert told.incident_key == f"cni:{ACCOUNT}:icon-ams-01:2"


def test_calm_in_a_good_state_is_good_news_and_a_recovery_of_one_incident() -> None:
    before = run("Healthy Down Healthy Down Healthy", AT_ONCE, every=440)[-1].state
    now = before.changes[-1] + timedelta(minutes=30)
    told = tell_calm(before, LINK, VOICE, now)
    assert told.title == "[production] icon-ams-01 stopped flapping: Healthy for 30m"
    assert (told.severity, told.status) == (Severity.OK, "Healthy")
    over = tell_calm_recovery(before, LINK, VOICE, now)
    assert over.title == "[production] icon-ams-01 is Healthy again after 7m 20s (was flapping) #5"
    assert (over.kind, over.severity) == (Kind.RECOVERED, Severity.OK)
    assert told.incident_key == over.incident_key == f"cni:{ACCOUNT}:icon-ams-01:2"


def test_calm_in_a_problem_is_as_severe_as_the_problem() -> None:
    before = run("Healthy Down Healthy Down Healthy Down", AT_ONCE, every=440)[-1].state
    now = before.changes[-1] + timedelta(minutes=31)
    told = tell_calm(before, LINK, VOICE, now, severities={"Down": Severity.ERROR})
    assert told.title == "[production] icon-ams-01 stopped flapping: Down for 31m"
    assert (told.severity, told.reason) == (Severity.ERROR, "reason of Down")
    assert told.incident_key == f"cni:{ACCOUNT}:icon-ams-01:2"


def gone(words: str, why: str) -> Notification:
    at = NIGHT + timedelta(minutes=30)
    _, transition = removed(run(words)[-1].state, at, last_listed_at=None, why=why)
    assert transition is not None
    told = tell_transition(transition, LINK, VOICE)
    assert told is not None
    return told


def test_a_removal_says_why_and_closes_the_incident() -> None:
    told = gone("Healthy Down Down", UNLISTED)
    assert told.title == "[production] icon-ams-01 removed: Cloudflare lists it no more (was Down) #3"
    assert told.lead == "icon-ams-01 was Down when last seen, and its incident is closed as removed."
    assert ("Incident closed", "removed") in told.facts
    assert (told.kind, told.severity, told.reason) == (Kind.REMOVED, Severity.WARNING, None)
    assert told.incident_key == f"cni:{ACCOUNT}:icon-ams-01:1"


def test_the_removal_of_a_good_link_speaks_of_no_incident() -> None:
    told = gone("Healthy", UNWATCHED)
    assert told.title == "[production] icon-ams-01 removed: no longer watched (was Healthy) #2"
    assert "incident" not in told.lead
    assert told.incident_key is None


def test_a_link_that_returns_is_said_to_be_the_same_or_another() -> None:
    same, other = (tell_returned(LINK, VOICE, NIGHT, same=same) for same in (True, False))
    assert same.title == "[production] icon-ams-01 is back: watched again"
    assert other.title == "[production] icon-ams-01 is back: watched as a new link"
    assert "another reservation" in other.lead
    assert {same.severity, other.severity} == {Severity.INFO}


def test_a_key_is_never_longer_than_a_receiver_takes_and_never_the_same_for_two_links() -> None:
    long = [incident_key(IncidentKind.INTERCONNECT, ACCOUNT, "x" * 400 + end, 12) for end in "ab"]
    assert all(len(key) == 255 and key.endswith(":12") for key in long)
    assert len(set(long)) == 2
