"""What is said in a drill, and of one that failed."""

from datetime import datetime, timedelta

from notifier.domain.condition import FAILED, PASSED
from notifier.domain.drill import drill_key
from notifier.domain.duration import format_duration
from notifier.domain.incident import Incident
from notifier.domain.notification import Kind, Notification
from notifier.domain.status import DOWN, HEALTHY, Severity


def tell_drill(number: int, at: datetime, *, problem: bool) -> Notification:
    """Return what is sent: the marked problem, or its recovery."""
    after, before = (DOWN, HEALTHY) if problem else (f"{HEALTHY} again", DOWN)
    return Notification(
        kind=Kind.PROBLEM if problem else Kind.RECOVERED,
        severity=Severity.CRITICAL if problem else Severity.OK,
        account="",
        account_name="",
        subject=f"drill {number}",
        title=f"[drill] a link is {after} (was {before})",
        lead="This is a drill of cni-notifier. Nothing happened to any interconnect.",
        incident_key=drill_key(number),
        observed_at=at,
        recorded_at=at,
        status=DOWN if problem else HEALTHY,
        before=before,
    )


def tell_drill_failed(incident: Incident, why: str) -> Notification:
    """Say on the other channels that one did not take a drill; `why` says what it did not take."""
    name = incident.subject
    return Notification(
        kind=Kind.DRILL_FAILED,
        severity=incident.severity,
        account="",
        account_name="",
        subject=name,
        title=f"drill failed at channel {name}: {why}",
        lead="What is really wrong may not arrive there either.",
        facts=(("What to do", f"correct channels.{name}, then: notifier test {name} --drill"),),
        incident_key=incident.key,
        observed_at=incident.opened_at,
        recorded_at=incident.opened_at,
        status=FAILED,
        before=PASSED,
    )


def tell_drill_passed(incident: Incident, at: datetime, *, dropped: bool = False) -> Notification:
    """Say that a channel has taken a drill, problem and recovery; or (`dropped`) that no more drills are made there."""
    name, lasted = incident.subject, format_duration(at - incident.opened_at)
    how = f"no more drills at channel {name}" if dropped else f"drill passed at channel {name} after {lasted}"
    return Notification(
        kind=Kind.DRILL_PASSED,
        severity=Severity.OK,
        account="",
        account_name="",
        subject=name,
        title=f"{how}; the last one failed" if dropped else how,
        lead="The configuration names it for drills no more." if dropped else "It took the problem and its recovery.",
        incident_key=incident.key,
        observed_at=at,
        recorded_at=at,
        status=PASSED,
        before=FAILED,
    )


def describe_late(half: str, within: timedelta, cause: str | None) -> str:
    """Say that a half of a drill was not taken in its time, and what the receiver said last."""
    because = f": {cause}" if cause else ""
    return f"the {half} was not accepted within {format_duration(within)}{because}"
