"""What the notifier says of its own troubles; they belong to no account."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict, assert_never

from notifier.domain.condition import FAILING, MET, SOUND, VIOLATED, WORKING
from notifier.domain.duration import format_duration
from notifier.domain.incident import AUDIT, OBJECTIVE, Incident, IncidentKind, Subject, incident_key
from notifier.domain.notification import Fact, Kind, Notification
from notifier.domain.objective import Objective, Punctuality, missed, percent
from notifier.domain.status import Severity
from notifier.domain.violation import Violation
from notifier.domain.words.voice import listed, utc

_SHOWN = 20  # violations
_REST = "More violations"
_SINCE = " (since "


def tell_channel_failed(incident: Incident, cause: str, lost: Notification) -> Notification:
    """Say on the other channels that one refuses its messages, and what it did not take (R16)."""
    name = incident.subject
    return Notification(
        kind=Kind.CHANNEL_FAILED,
        severity=incident.severity,
        title=f"channel {name} does not take messages: {cause}",
        lead=f'Not delivered there: "{lost.title}".',
        facts=(("What to do", f"correct channels.{name}, then: notifier test {name}"),),
        status=FAILING,
        before=WORKING,
        **_about(name, incident.key, incident.opened_at),
    )


def tell_channel_works(incident: Incident, at: datetime, *, removed: bool = False) -> Notification:
    """Say that a channel takes messages again, or is no longer configured."""
    name, lasted = incident.subject, format_duration(at - incident.opened_at)
    how = "is no longer configured" if removed else f"takes messages again after {lasted}"
    return Notification(
        kind=Kind.CHANNEL_WORKS,
        severity=Severity.OK,
        title=f"channel {name} {how}",
        lead=f"The channel {name} {how}.",
        status=WORKING,
        before=FAILING,
        **_about(name, incident.key, at),
    )


def tell_stranded(channel: str, keys: Sequence[str], at: datetime, *, replaced: bool = False) -> Notification:
    """Say that a channel holds incidents open and was removed, or `replaced` by another URL: nobody will close them."""
    one = len(keys) == 1
    them = "an incident" if one else f"{len(keys)} incidents"
    removed = f"channel {channel} was removed and still holds {them} open"
    moved = f"channel {channel} has another URL, and {them} {'is' if one else 'are'} still open at the one before"
    return Notification(
        kind=Kind.STRANDED,
        severity=Severity.WARNING,
        title=moved if replaced else removed,
        lead="What is open at a receiver can be closed only while a channel with its URL is configured.",
        facts=(
            ("Held open", listed(keys)),
            ("What to do", "close them at the receiver by hand, or configure that URL again until they have ended"),
        ),
        **_about(channel, None, at),
    )


def tell_audit_failed(violations: Sequence[str], number: int, at: datetime) -> Notification:
    """Say that the notifier's own record doesn't add up; `number` is that of the audit's incident (R28)."""
    count = "1 violation" if len(violations) == 1 else f"{len(violations)} violations"
    return Notification(
        kind=Kind.AUDIT_FAILED,
        severity=Severity.ERROR,
        title=f"the notifier's own record does not add up: {count}",
        lead="Somebody may not have been told of a change: compare with what Cloudflare's dashboard shows.",
        facts=(
            *_shown(violations),
            ("What to do", "notifier deliveries --failed; notifier status; the log around this time"),
        ),
        status=VIOLATED,
        before=SOUND,
        **_about(AUDIT, incident_key(IncidentKind.AUDIT, "", AUDIT, number), at),
    )


def tell_audit_worse(violations: Sequence[str], number: int, at: datetime, last: Notification) -> Notification | None:
    """Say that more does not add up than the `last` words of the incident told; None if nothing is new.

    What is new comes first. Of more than 20 violations the others are known by their number only.
    """
    said = {_what(str(value)) for _, value in last.facts}
    unsaid = [each for each in violations if _what(each) not in said]
    new = len(unsaid) - sum(int(str(value)) for label, value in last.facts if label == _REST)
    if new <= 0:
        return None
    told = tell_audit_failed([*unsaid, *(each for each in violations if each not in unsaid)], number, at)
    status = f"{VIOLATED}, more at {utc(at)}"
    return replace(told, title=f"{told.title}, {new} of them new", status=status, before=last.status)


def _shown(violations: Sequence[str]) -> list[tuple[str, Fact]]:
    shown: list[tuple[str, Fact]] = [(f"Violation {n}", each) for n, each in enumerate(violations[:_SHOWN], start=1)]
    return [*shown, (_REST, len(violations) - _SHOWN)] if len(violations) > _SHOWN else shown


def tell_audit_passed(number: int, since: datetime, at: datetime) -> Notification:
    """Say that the record adds up again."""
    return Notification(
        kind=Kind.AUDIT_PASSED,
        severity=Severity.OK,
        title=f"the notifier's own record adds up again after {format_duration(at - since)}",
        lead="Every change has been delivered to every channel that is owed it.",
        status=SOUND,
        before=VIOLATED,
        **_about(AUDIT, incident_key(IncidentKind.AUDIT, "", AUDIT, number), at),
    )


def tell_objective_missed(incident: Incident, objective: Objective, found: Punctuality) -> Notification:
    """Say that changes are told later than they are to be, and on which channels."""
    return Notification(
        kind=Kind.OBJECTIVE_MISSED,
        severity=incident.severity,
        title=f"objective missed: {_kept(objective, found)}",
        lead=_told_in_time(objective, found),
        facts=(
            *(
                (f"Late at {name}", f"{each.late} of {each.all}")
                for name, each in sorted(found.channels.items())
                if each.late
            ),
            ("What to do", "notifier deliveries shows what each took, and why; notifier status"),
        ),
        status=missed(objective),
        before=MET,
        **_about(OBJECTIVE, incident.key, incident.opened_at),
    )


def tell_objective_met(incident: Incident, objective: Objective, found: Punctuality, at: datetime) -> Notification:
    """Say that enough changes are told in time again."""
    lasted = format_duration(at - incident.opened_at)
    return Notification(
        kind=Kind.OBJECTIVE_MET,
        severity=Severity.OK,
        title=f"objective met again after {lasted}: {_kept(objective, found)}",
        lead=_told_in_time(objective, found),
        status=MET,
        before=missed(objective),
        **_about(OBJECTIVE, incident.key, at),
    )


def tell_objective_dropped(incident: Incident, why: str, at: datetime) -> Notification:
    """Say that nobody asks any more for what was missed; `why` goes on after "the objective"."""
    return Notification(
        kind=Kind.OBJECTIVE_MET,
        severity=Severity.OK,
        title=f"the objective {why}; it was missed",
        lead=f"The objective {why}, {format_duration(at - incident.opened_at)} after it was missed.",
        status=MET,
        before=None,
        **_about(OBJECTIVE, incident.key, at),
    )


def _kept(objective: Objective, found: Punctuality) -> str:
    within, wanted = format_duration(objective.notify_within), percent(objective.share)
    share = found.share
    told = "nothing to tell" if share is None else f"{percent(share)} told within {within}"
    return f"{told}, {wanted} wanted"


def _told_in_time(objective: Objective, found: Punctuality) -> str:
    whole, within = found.whole, format_duration(objective.notify_within)
    late = "none was" if not whole.late else "1 was" if whole.late == 1 else f"{whole.late} were"
    return (
        f"In the last {format_duration(objective.over)} channels took {whole.in_time} of {whole.all} notifications of "
        f"confirmed changes within {within} of the first sighting; {late} late, or did not arrive."
    )


def describe(violation: Violation, names: Mapping[str, str]) -> str:
    """Say what does not add up, of what, and since when; `names` are what people call the accounts."""
    v = violation
    flaw = v.flaw.format(number=v.number, channel=v.channel)
    who = f"{_who(v.subject, names.get(v.subject.account, v.subject.account))}: " if v.subject is not None else ""
    return who + flaw + (f"{_SINCE}{utc(v.since)})" if v.since is not None else "")


def _what(described: str) -> str:
    """Return a violation without its time, which a poll may move."""
    return described.partition(_SINCE)[0]


def _who(subject: Subject, account: str) -> str:
    match subject.kind:
        case IncidentKind.INTERCONNECT:
            return f"[{account}] {subject.name}"
        case IncidentKind.SITE:
            return f"[{account}] site {subject.name}"
        case IncidentKind.BLIND:
            return f"[{account}] sight of its interconnects"
        case IncidentKind.CHANNEL:
            return f"channel {subject.name}"
        case IncidentKind.AUDIT:
            return "the audit"
        case IncidentKind.OBJECTIVE:
            return "the objective"
        case IncidentKind.DRILL:
            return f"drill at {subject.name}"
        case _:
            assert_never(subject.kind)


class _About(TypedDict):
    account: str
    account_name: str
    subject: str
    incident_key: str | None
    observed_at: datetime
    recorded_at: datetime


def _about(subject: str, key: str | None, at: datetime) -> _About:
    return {
        "account": "",
        "account_name": "",
        "subject": subject,
        "incident_key": key,
        "observed_at": at,
        "recorded_at": at,
    }
