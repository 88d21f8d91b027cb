"""The messages as the person woken at night reads them."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from notifier.domain.blindness import Extent, View, look
from notifier.domain.decision import Policy, decide
from notifier.domain.incident import Incident, IncidentKind, incident_key
from notifier.domain.notification import Action, Kind, Notification, action
from notifier.domain.status import Severity
from notifier.domain.words import (
    Voice,
    tell_blind,
    tell_channel_failed,
    tell_channel_works,
    tell_seen_again,
    tell_transition,
)
from tests.support.examples import ACCOUNT, FORBIDDEN, LINK, NIGHT, TIMEOUT, observation, run, seconds

VOICE = Voice(account=ACCOUNT, name="production")


def told(words: str) -> list[Notification]:
    every = [tell_transition(d.transition, LINK, VOICE) for d in run(words) if d.transition is not None]
    return [n for n in every if n is not None]


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


def test_blindness_names_cause_and_remedy() -> None:
    extent = Extent(blind=(("icon-ams-01", FORBIDDEN.cause),), failing=1, watched=3)
    view, _ = look(View(account=ACCOUNT), extent, NIGHT)
    blind = tell_blind(view, extent, VOICE, NIGHT)
    assert blind.title == "[production] cannot see interconnects: 403 from Cloudflare"
    assert ("What to do", "give the token Magic WAN Read") in blind.facts
    assert blind.severity is Severity.WARNING
    assert blind.incident_key == f"cni:{ACCOUNT}:blind:1"


def test_partial_blindness_lists_the_blind_ones() -> None:
    extent = Extent(blind=(("icon-ams-01", TIMEOUT.cause),), failing=1, watched=3)
    view, _ = look(View(account=ACCOUNT), extent, NIGHT)
    blind = tell_blind(view, extent, VOICE, NIGHT)
    assert blind.title == "[production] cannot see 1 of 3 interconnects: timed out after 10s"
    assert ("Not seen", "icon-ams-01") in blind.facts


def test_seen_again_says_for_how_long_and_what_differs() -> None:
    view = View(account=ACCOUNT, incident=4, incidents=4, since=NIGHT)
    again = tell_seen_again(view, [("icon-ams-01", "Down")], VOICE, NIGHT + seconds(432))
    assert again.title == "[production] can see interconnects again after 7m 12s"
    assert ("Changed meanwhile", "icon-ams-01 (Down)") in again.facts
    assert again.incident_key == f"cni:{ACCOUNT}:blind:4"


def test_a_refusing_channel_is_told_with_what_it_did_not_take() -> None:
    incident = Incident(
        kind=IncidentKind.CHANNEL, account="", subject="noc", number=1, severity=Severity.WARNING, opened_at=NIGHT
    )
    [problem] = told("Healthy Down Down")
    failed = tell_channel_failed(incident, "401 invalid token", problem)
    assert failed.title == "channel noc does not take messages: 401 invalid token"
    assert problem.title in failed.lead
    works = tell_channel_works(incident, NIGHT + seconds(60))
    assert works.title == "channel noc takes messages again after 1m"
    assert works.incident_key == failed.incident_key == "cni:channel:noc:1"


def test_a_stateful_receiver_is_opened_updated_and_closed() -> None:
    assert [action(kind, stateful=True) for kind in (Kind.PROBLEM, Kind.WORSENED, Kind.RECOVERED)] == [
        Action.OPEN,
        Action.UPDATE,
        Action.CLOSE,
    ]


def test_a_stateful_receiver_is_spared_what_is_no_incident() -> None:
    assert action(Kind.EASED, stateful=True) is None
    assert action(Kind.UP, stateful=True) is None
    assert action(Kind.EASED, stateful=False) is Action.TELL


def test_a_key_is_never_longer_than_a_receiver_takes_and_never_the_same_for_two_links() -> None:
    long = [incident_key(IncidentKind.INTERCONNECT, ACCOUNT, "x" * 400 + end, 12) for end in "ab"]
    assert all(len(key) == 255 and key.endswith(":12") for key in long)
    assert len(set(long)) == 2
