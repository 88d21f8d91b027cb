"""What is said of blindness, and of the notifier's own troubles."""

from notifier.domain.blindness import Extent, View, empty_listing, look
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.notification import Notification
from notifier.domain.status import Severity
from notifier.domain.words import (
    tell_audit_failed,
    tell_audit_passed,
    tell_audit_worse,
    tell_blind,
    tell_channel_failed,
    tell_channel_works,
    tell_seen_again,
    tell_stranded,
)
from tests.support.examples import ACCOUNT, FORBIDDEN, NIGHT, TIMEOUT, seconds
from tests.support.spoken import VOICE, told


def blind(extent: Extent, view: View | None = None) -> Notification:
    looked, _ = look(view or View(account=ACCOUNT), extent, NIGHT)
    return tell_blind(looked, extent, VOICE, NIGHT)


def test_blindness_names_cause_and_remedy() -> None:
    told = blind(Extent(blind=(("icon-ams-01", FORBIDDEN.cause),), failing=1, watched=3))
    assert told.title == "[production] cannot see interconnects: 403 from Cloudflare"
    assert told.facts == (("Cause", "403 from Cloudflare"), ("What to do", "give the token Magic WAN Read"))
    assert told.severity is Severity.WARNING
    assert told.incident_key == f"cni:{ACCOUNT}:blind:1"
    assert (told.before, told.status) == ("seen", "blind")


def test_partial_blindness_lists_the_blind_ones() -> None:
    told = blind(Extent(blind=(("icon-ams-01", TIMEOUT.cause),), failing=1, watched=3))
    assert told.title == "[production] cannot see 1 of 3 interconnects: timed out after 10s"
    assert ("Not seen", "icon-ams-01") in told.facts
    assert "other interconnects still answer" in told.lead


def test_a_listing_that_fails_beside_links_that_answer_says_so() -> None:
    view, _ = empty_listing(View(account=ACCOUNT), 12, blind_after=1, removed_after=3)
    told = blind(Extent(blind=(), failing=0, watched=12), view)
    assert told.title == "[production] cannot see interconnects: Cloudflare lists no interconnects, 12 were known"
    assert "all that are known still answer" in told.lead


def test_a_listing_that_fails_beside_some_blind_links_lists_these() -> None:
    extent = Extent(blind=(("icon-ams-01", TIMEOUT.cause),), failing=1, watched=3)
    told = blind(extent, View(account=ACCOUNT, listing_cause=TIMEOUT.cause))
    assert ("Not seen", "icon-ams-01") in told.facts


def test_seen_again_says_for_how_long_and_what_changed() -> None:
    view = View(account=ACCOUNT, incident=4, incidents=4, since=NIGHT)
    changed = [("icon-ams-01", "Down", True), ("icon-ams-02", "Unhealthy", False)]
    again = tell_seen_again(view, changed, VOICE, NIGHT + seconds(432))
    assert again.title == "[production] can see interconnects again after 7m 12s"
    assert ("Changed meanwhile", "icon-ams-01 (Down), icon-ams-02 (Unhealthy, being confirmed)") in again.facts
    assert again.lead.endswith("2 have changed meanwhile.")
    assert again.incident_key == f"cni:{ACCOUNT}:blind:4"
    assert (again.before, again.status) == ("blind", "seen")


def test_seen_again_without_a_change_says_that_too() -> None:
    again = tell_seen_again(View(account=ACCOUNT, incident=4, since=NIGHT), [], VOICE, NIGHT + seconds(432))
    assert again.lead.endswith("none has changed meanwhile.")
    assert [label for label, _ in again.facts] == ["Blind since"]


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
    assert (failed.before, failed.status) == (works.status, works.before) == ("working", "failing")


def test_a_removed_channel_names_what_it_holds_open() -> None:
    told = tell_stranded("on-call", ["cni:a:b:1", "cni:a:c:2"], NIGHT)
    assert told.title == "channel on-call was removed and still holds 2 incidents open"
    assert ("Held open", "cni:a:b:1, cni:a:c:2") in told.facts
    assert (told.severity, told.account, told.subject) == (Severity.WARNING, "", "on-call")


def test_of_many_names_the_first_are_shown_and_the_rest_are_counted() -> None:
    told = tell_stranded("on-call", [f"key-{n}" for n in range(25)], NIGHT)
    assert str(dict(told.facts)["Held open"]).endswith("key-18, key-19 and 5 more")


def test_an_audit_that_fails_names_its_violations_and_passes_under_the_same_key() -> None:
    failed = tell_audit_failed(["icon-ams-01 #4 is owed to noc"], 2, NIGHT)
    assert failed.title == "the notifier's own record does not add up: 1 violation"
    assert failed.facts[0] == ("Violation 1", "icon-ams-01 #4 is owed to noc")
    passed = tell_audit_passed(2, NIGHT, NIGHT + seconds(90))
    assert passed.title == "the notifier's own record adds up again after 1m 30s"
    assert failed.incident_key == passed.incident_key == "cni:audit:2"
    assert (failed.severity, passed.severity) == (Severity.ERROR, Severity.OK)
    assert (failed.before, failed.status) == (passed.status, passed.before) == ("sound", "violated")


def test_of_a_failed_audit_only_what_is_new_is_told_and_comes_first() -> None:
    failed = tell_audit_failed(["a (since 03:12)", "b"], 2, NIGHT)
    assert tell_audit_worse(["b"], 2, NIGHT, failed) is None
    assert tell_audit_worse(["a (since 03:13)", "b"], 2, NIGHT, failed) is None  # the same, which a poll has moved
    worse = tell_audit_worse(["b", "c"], 2, NIGHT + seconds(60), failed)
    assert worse is not None
    assert worse.title == "the notifier's own record does not add up: 2 violations, 1 of them new"
    assert worse.facts[:2] == (("Violation 1", "c"), ("Violation 2", "b"))
    assert (worse.before, worse.status) == ("violated", "violated, more at 2026-11-23 03:13:04Z")


def test_of_more_violations_than_are_shown_the_others_are_known_by_their_number() -> None:
    failed = tell_audit_failed([str(n) for n in range(25)], 2, NIGHT)
    assert failed.facts[20] == ("More violations", 5)
    assert tell_audit_worse([str(n) for n in range(25)], 2, NIGHT, failed) is None
    worse = tell_audit_worse([str(n) for n in range(26)], 2, NIGHT, failed)
    assert worse is not None
    assert worse.title.endswith("26 violations, 1 of them new")
