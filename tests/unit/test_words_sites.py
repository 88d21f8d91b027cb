"""What is said of a site, and what is said again later."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.condition import Condition
from notifier.domain.incident import Incident, IncidentKind, Subject
from notifier.domain.notification import Kind
from notifier.domain.status import Severity
from notifier.domain.words import retold, tell_reminder, tell_site_back, tell_site_lost, tell_transition
from tests.support.examples import ACCOUNT, LINK, NIGHT, run, seconds
from tests.support.spoken import DOWN, UP, VOICE, site, told

UNSTEADY = replace(UP, problem=True)
LOST = Incident(
    kind=IncidentKind.SITE,
    account=ACCOUNT,
    subject="ams-a",
    number=3,
    severity=Severity.CRITICAL,
    opened_at=NIGHT,
)


def test_a_lost_site_says_how_each_of_its_links_stands() -> None:
    told = tell_site_lost(site(DOWN, UNSTEADY), VOICE, NIGHT, 3)
    assert told.title == "[production] site ams-a lost: 2 of 2 interconnects have a problem"
    assert told.severity is Severity.CRITICAL
    assert told.facts[1:] == (
        ("icon-ams-01", "Down: Light level too low"),
        ("icon-ams-02", "Healthy at the moment, flapping"),
    )
    assert told.incident_key == LOST.key == f"cni:{ACCOUNT}:site:ams-a:3"


def test_a_site_that_is_back_says_what_still_has_a_problem() -> None:
    told = tell_site_back(site(DOWN, UP), VOICE, NIGHT + seconds(432), LOST)
    assert told.title == "[production] site ams-a is back after 7m 12s: 1 of 2 interconnects Healthy"
    assert told.lead == "Still with a problem, each an incident of its own: icon-ams-01."
    assert (told.severity, told.incident_key) == (Severity.OK, LOST.key)


def test_a_site_that_lost_its_links_is_not_said_to_be_back() -> None:
    one, none = (tell_site_back(left, VOICE, NIGHT + seconds(60), LOST) for left in (site(DOWN), site()))
    assert one.title == "[production] site ams-a is no longer lost after 1m: 0 of 1 interconnects Healthy"
    assert one.lead.startswith("Fewer than two interconnects are watched there now.")
    assert none.lead == "No interconnect is watched at ams-a any more."


def condition(kind: IncidentKind, name: str, status: str) -> Condition:
    return Condition(
        subject=Subject(kind=kind, account=ACCOUNT, name=name),
        status=status,
        before=None,
        problem=True,
        severity=Severity.CRITICAL,
        incident=1,
        changed_at=NIGHT,
    )


def test_a_reminder_says_for_how_long_and_how_to_stop_it() -> None:
    [problem] = told("Healthy Down Down")
    down = condition(IncidentKind.INTERCONNECT, LINK.name, "Down")
    reminder = tell_reminder(down, problem, problem.observed_at + timedelta(hours=4))
    assert reminder.title == "[production] icon-ams-01 is still Down after 4h"
    assert ("What to do", f"notifier ack {problem.incident_key} stops the reminders") in reminder.facts
    assert (reminder.kind, reminder.severity) == (Kind.REMINDER, Severity.CRITICAL)
    assert reminder.before == reminder.status == "Down"


@pytest.mark.parametrize(
    ("kind", "name", "title"),
    [
        (IncidentKind.SITE, "ams-a", "[production] site ams-a is still lost after 4h"),
        (IncidentKind.BLIND, ACCOUNT, "[production] still cannot see interconnects after 4h"),
        (IncidentKind.CHANNEL, "noc", "channel noc still does not take messages after 4h"),
        (IncidentKind.AUDIT, "audit", "the notifier's own record still does not add up after 4h"),
    ],
)
def test_everything_that_goes_on_can_be_reminded_of(kind: IncidentKind, name: str, title: str) -> None:
    original = tell_site_lost(site(DOWN, DOWN), VOICE, NIGHT, 1)
    if not title.startswith("["):
        original = replace(original, account_name="")
    assert tell_reminder(condition(kind, name, "so"), original, NIGHT + timedelta(hours=4)).title == title


def test_what_is_told_later_says_why_and_is_not_late_for_it() -> None:
    [problem] = told("Healthy Down Down")
    at = NIGHT + timedelta(hours=2)
    later = retold(problem, "maintenance no. 5 ended", at)
    assert later.lead == (
        "Told only now because maintenance no.\u00a05 ended. icon-ams-01 changed from Healthy to Down."
    )
    assert (later.recorded_at, later.observed_at) == (at, problem.observed_at)
    again = retold(later, "this channel was added", at)
    assert again.lead == "Told only now because this channel was added. icon-ams-01 changed from Healthy to Down."


def test_what_is_told_again_speaks_of_the_site_as_it_is_now() -> None:
    problem = run("Healthy Down Down")[-1].transition
    assert problem is not None
    original = tell_transition(problem, LINK, VOICE, site=site(DOWN, UP))
    assert original is not None
    down = condition(IncidentKind.INTERCONNECT, LINK.name, "Down")
    for now, expected in ((site(DOWN, DOWN), "0 of 2 Healthy at ams-a"), (None, None)):
        repeats = [retold(original, "so", NIGHT, site=now), tell_reminder(down, original, NIGHT, site=now)]
        assert [dict(each.facts).get("Redundancy") for each in repeats] == [expected] * 2
    lost = tell_site_lost(site(DOWN, UNSTEADY), VOICE, NIGHT, 3)
    assert dict(retold(lost, "so", NIGHT, site=site(DOWN, replace(DOWN, name=UP.name))).facts)[UP.name] == (
        "Down: Light level too low"
    )
