"""R18, R20-R25 as one comparison: what is owed to a channel that was told this, now that things stand so."""

from dataclasses import replace

import pytest

from notifier.domain.condition import Condition
from notifier.domain.incident import IncidentKind, Subject
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.status import Severity
from notifier.domain.suppression import Kept
from notifier.domain.telling import Heard, Told, Verdict, judge, undelivered
from tests.support.examples import ACCOUNT, LINK, NIGHT, seconds

SUBJECT = Subject(kind=IncidentKind.INTERCONNECT, account=ACCOUNT, name=LINK.name)
NEVER = Told(channel="noc", subject=SUBJECT)
SILENCE = Kept("silence 1", NIGHT + seconds(3600))


def now(status: str, before: str | None = "Healthy", incident: int | None = None) -> Condition:
    """Say how the link stands; a problem belongs to incident 1 unless another is named."""
    problem = status not in {"Healthy", "removed"}
    return Condition(
        subject=SUBJECT,
        status=status,
        before=before,
        problem=problem,
        severity=Severity.CRITICAL if problem else Severity.OK,
        incident=incident or (1 if problem else None),
        changed_at=NIGHT,
        notification=7,
    )


def knows(status: str, incident: int | None = None) -> Told:
    problem = status not in {"Healthy", "removed"}
    return replace(NEVER, status=status, problem=problem, incident=incident or (1 if problem else None), told_at=NIGHT)


def verdict(
    condition: Condition,
    told: Told,
    *,
    stateful: bool,
    why: str | None = "routes[0]",
    kept: Kept | None = None,
    fresh: bool = True,
) -> Verdict:
    return judge(condition, told, stateful=stateful, why=why, kept=kept, fresh=fresh)


MESSAGES = {
    "a problem is told": (now("Down"), NEVER, Action.TELL),
    "the same problem is not told again": (now("Down"), knows("Down"), None),
    "a worse problem is told": (now("Down", "Unhealthy"), knows("Unhealthy"), Action.TELL),
    "an eased problem is told": (now("Unhealthy", "Down"), knows("Down"), Action.TELL),
    "a recovery is told to who knew of the problem": (now("Healthy", "Down"), knows("Down"), Action.TELL),
    "a first observation of a problem is told": (now("Down", None), NEVER, Action.TELL),
    "a link that is up is told": (now("Healthy", "Pending"), NEVER, Action.TELL),
    "a removal is told": (now("removed"), NEVER, Action.TELL),
    "another incident with the status last told is nothing new": (now("Down", incident=2), knows("Down"), None),
    "a problem after a recovery is told": (now("Down", incident=2), knows("Healthy"), Action.TELL),
}

PAGES = {
    "a problem opens": (now("Down"), NEVER, None, Action.OPEN),
    "the same problem does nothing": (now("Down"), knows("Down"), None, None),
    "a worse problem updates": (now("Down", "Unhealthy"), knows("Unhealthy"), None, Action.UPDATE),
    "easing does nothing": (now("Unhealthy", "Down"), knows("Down"), None, None),
    "a recovery closes": (now("Healthy", "Down"), knows("Down"), 1, None),
    "a recovery of what was never opened does nothing": (now("Healthy", "Down"), NEVER, None, None),
    "another incident closes the one before and opens": (now("Down", incident=2), knows("Down"), 1, Action.OPEN),
    "up for the first time is nothing to open": (now("Healthy", "Pending"), NEVER, None, None),
    "a removal closes": (now("removed", "Down"), knows("Down"), 1, None),
    "good while its incident stays open (flapping) does nothing": (
        replace(now("Healthy", "Down"), incident=1, flapping=True),
        knows("Down"),
        None,
        None,
    ),
    "flapping that is not open there opens with the next problem": (
        replace(now("Healthy", "Down"), incident=1, flapping=True),
        NEVER,
        None,
        None,
    ),
}


@pytest.mark.parametrize(("condition", "told", "does"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_message_channel(condition: Condition, told: Told, does: Action | None) -> None:
    found = verdict(condition, told, stateful=False)
    assert (found.closes, found.does) == (None, does)
    again = verdict(condition, found.told, stateful=False)
    assert again.does is None  # whoever was told is not told again


@pytest.mark.parametrize(("condition", "told", "closes", "does"), PAGES.values(), ids=PAGES.keys())
def test_a_stateful_receiver(condition: Condition, told: Told, closes: int | None, does: Action | None) -> None:
    found = verdict(condition, told, stateful=True)
    assert (found.closes, found.does) == (closes, does)
    again = verdict(condition, found.told, stateful=True)
    assert (again.closes, again.does) == (None, None)


def test_what_is_kept_back_is_told_when_nothing_keeps_it_any_more() -> None:
    kept = verdict(now("Down"), NEVER, stateful=False, kept=SILENCE)
    assert kept.does is None
    assert (kept.told.kept, kept.told.look_at) == ("silence 1", SILENCE.until)
    assert verdict(now("Down"), kept.told, stateful=False, fresh=False).does is Action.TELL


def test_scenario_29_a_problem_that_came_and_went_in_a_window_is_not_told_after_it() -> None:
    kept = verdict(now("Down"), NEVER, stateful=False, kept=SILENCE).told
    over = verdict(now("Healthy", "Down"), kept, stateful=False, kept=SILENCE)
    assert over.does is None
    after = verdict(now("Healthy", "Down"), over.told, stateful=False, fresh=False)
    assert after.does is None
    assert after.told.kept is None


def test_a_first_problem_that_came_and_went_in_a_window_is_not_told_after_it() -> None:
    kept = verdict(now("Down", None), NEVER, stateful=False, kept=SILENCE).told
    over = verdict(now("Healthy", "Down"), kept, stateful=False, kept=SILENCE).told
    assert verdict(now("Healthy", "Down"), over, stateful=False, fresh=False).does is None


def test_scenario_26_what_is_open_at_a_receiver_is_closed_in_a_silence() -> None:
    assert verdict(now("Healthy", "Down"), knows("Down"), stateful=True, kept=SILENCE).closes == 1


def test_a_recovery_in_a_silence_is_told_to_a_message_channel_after_it() -> None:
    kept = verdict(now("Healthy", "Down"), knows("Down"), stateful=False, kept=SILENCE)
    assert kept.does is None
    assert verdict(now("Healthy", "Down"), kept.told, stateful=False, fresh=False).does is Action.TELL


def test_nobody_is_told_where_no_route_leads() -> None:
    for stateful in (False, True):
        found = verdict(now("Down"), NEVER, stateful=stateful, why=None)
        assert (found.does, found.told) == (None, NEVER)


def test_a_recovery_needs_no_route_where_the_problem_was_told() -> None:
    assert verdict(now("Healthy", "Down"), knows("Down"), stateful=False, why=None).does is Action.TELL
    assert verdict(now("Healthy", "Down"), knows("Down"), stateful=True, why=None).closes == 1


def test_scenario_45_a_new_channel_is_told_of_what_is_open_and_of_nothing_else() -> None:
    for stateful, does in ((False, Action.TELL), (True, Action.OPEN)):
        assert verdict(now("Down"), NEVER, stateful=stateful, fresh=False).does is does
        assert verdict(now("Healthy", "Down"), NEVER, stateful=stateful, fresh=False).does is None
        assert verdict(now("Healthy", "Pending"), NEVER, stateful=stateful, fresh=False).does is None


def lost(kind: Kind, status: str, before: str | None, incident: int | None = 1) -> Notification:
    return Notification(
        kind=kind,
        severity=Severity.CRITICAL,
        account=ACCOUNT,
        account_name="production",
        subject=LINK.name,
        title="",
        lead="",
        observed_at=NIGHT,
        recorded_at=NIGHT,
        incident_key=f"cni:{ACCOUNT}:{LINK.name}:{incident}",
        status=status,
        before=before,
    )


def test_an_opening_that_a_receiver_refused_is_owed_to_it_again() -> None:
    told = verdict(now("Down"), NEVER, stateful=True).told
    back = undelivered(told, lost(Kind.PROBLEM, "Down", "Healthy"), Action.OPEN, uncertain=False, heard=None, at=NIGHT)
    assert verdict(now("Down"), back, stateful=True, fresh=False).does is Action.OPEN
    assert verdict(now("Healthy", "Down"), back, stateful=True).closes is None


def test_a_refused_opening_that_may_have_arrived_is_closed_all_the_same_and_else_owed_again() -> None:
    told = verdict(now("Down"), NEVER, stateful=True).told
    back = undelivered(told, lost(Kind.PROBLEM, "Down", "Healthy"), Action.OPEN, uncertain=True, heard=None, at=NIGHT)
    assert verdict(now("Healthy", "Down"), back, stateful=True).closes == 1
    assert verdict(now("Down"), back, stateful=True, fresh=False).does is Action.UPDATE


def test_of_a_refused_worsening_nothing_is_known_not_even_that_its_opening_was_taken() -> None:
    told = verdict(now("Down", "Unhealthy"), knows("Unhealthy"), stateful=True).told
    back = undelivered(
        told, lost(Kind.WORSENED, "Down", "Unhealthy"), Action.UPDATE, uncertain=False, heard=None, at=NIGHT
    )
    assert verdict(now("Unhealthy", "Down"), back, stateful=True).does is Action.UPDATE
    assert verdict(now("Healthy", "Down"), back, stateful=True).closes == 1


PROBLEM, RECOVERY = lost(Kind.PROBLEM, "Down", "Healthy"), lost(Kind.RECOVERED, "Healthy", "Down")
REFUSALS = {
    "a problem is owed again": (PROBLEM, None, "Down", True),
    "a problem that is over is not": (PROBLEM, None, "Healthy", False),
    "a problem that may have arrived is owed an end": (PROBLEM, Heard(PROBLEM, surely=False), "Healthy", True),
    "a recovery is owed again": (RECOVERY, Heard(PROBLEM, surely=True), "Healthy", True),
    "a recovery is owed again though what was told before is forgotten": (RECOVERY, None, "Healthy", True),
    "what it was told before a recovery is nothing new": (RECOVERY, Heard(PROBLEM, surely=True), "Down", False),
    "what it was never told is, whatever was so before": (
        lost(Kind.EASED, "Unhealthy", "Down"),
        Heard(RECOVERY, surely=True),
        "Down",
        True,
    ),
}


@pytest.mark.parametrize(("refused", "heard", "status", "owed"), REFUSALS.values(), ids=REFUSALS.keys())
def test_after_a_refusal_a_channel_knows_what_it_heard(
    refused: Notification,
    heard: Heard | None,
    status: str,
    owed: bool,  # noqa: FBT001 - a table's column
) -> None:
    told = knows(refused.status or "")
    back = undelivered(told, refused, Action.TELL, uncertain=False, heard=heard, at=NIGHT)
    assert (verdict(now(status), back, stateful=False, fresh=False).does is Action.TELL) is owed
