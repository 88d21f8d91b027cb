"""Between domain values and rows."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from notifier.domain.blindness import View
from notifier.domain.condition import Condition
from notifier.domain.incident import Acknowledgement, Incident, IncidentKind, Subject
from notifier.domain.interconnect import Interconnect
from notifier.domain.matching import Matcher
from notifier.domain.notification import Kind, Notification
from notifier.domain.observation import Cause, CauseKind, Observation, Unseen, answer_of
from notifier.domain.site import Member
from notifier.domain.state import Candidate, State
from notifier.domain.status import Severity
from notifier.domain.suppression import Silence
from notifier.domain.telling import Told

Values = dict[str, Any]


def values(flat: Any) -> Values:
    """Return a dataclass's fields by name; its own `asdict` copies what they hold, at ten times the cost."""
    return {field.name: getattr(flat, field.name) for field in fields(flat)}


def from_link(link: Interconnect) -> Values:
    """Make a row of an interconnect."""
    return values(link)


def to_link(row: Row[Any]) -> Interconnect:
    """Read an interconnect."""
    return Interconnect(
        account=row.account,
        name=row.name,
        site=row.site,
        facility=row.facility,
        speed=row.speed,
        type=row.type,
        reservation=row.reservation,
    )


def from_cause(cause: Cause | None) -> Values | None:
    """Make JSON of a cause."""
    if cause is None:
        return None
    retry = cause.retry_after.total_seconds() if cause.retry_after is not None else None
    return {"kind": cause.kind.value, "text": cause.text, "remedy": cause.remedy, "retry_after_s": retry}


def to_cause(json: Values | None) -> Cause | None:
    """Read a cause."""
    if json is None:
        return None
    retry = json["retry_after_s"]
    return Cause(
        kind=CauseKind(json["kind"]),
        text=json["text"],
        remedy=json["remedy"],
        retry_after=None if retry is None else timedelta(seconds=retry),
    )


def from_state(state: State) -> Values:
    """Make a row of a state, one version on."""
    c = state.candidate
    candidate = c and {
        "status": c.status,
        "reason": c.reason,
        "problem": c.problem,
        "sightings": c.sightings,
        "first_seen_at": c.first_seen_at.isoformat(),
        "last_seen_before": c.last_seen_before.isoformat() if c.last_seen_before else None,
        "answers": list(c.answers),
    }
    return {
        "account": state.account,
        "name": state.name,
        "status": state.status,
        "reason": state.reason,
        "since": state.since,
        "was_healthy": state.was_healthy,
        "number": state.number,
        "incidents": state.incidents,
        "incident": state.incident,
        "problem_since": state.problem_since,
        "observed_at": state.observed_at,
        "last_seen_at": state.last_seen_at,
        "candidate": candidate,
        "failed_polls": state.failed_polls,
        "blind": state.blind,
        "cause": from_cause(state.cause),
        "changes": [at.isoformat() for at in state.changes],
        "flapping": state.flapping,
        "version": state.version + 1,
    }


def to_state(row: Row[Any]) -> State:
    """Read a state."""
    found = dict(row._mapping)  # noqa: SLF001 - the documented way to a row's names
    seen, observed = found["last_seen_at"], found["observed_at"]
    # "Last seen" is written by itself for unchanged polls; the last look is never older than it.
    found["observed_at"] = max(filter(None, (seen, observed)), default=None)
    found["candidate"] = to_candidate(found["candidate"])
    found["cause"] = to_cause(found["cause"])
    found["changes"] = tuple(datetime.fromisoformat(at) for at in found["changes"])
    return State(**found)


def to_candidate(json: Values | None) -> Candidate | None:
    """Read a candidate."""
    if json is None:
        return None
    before = json["last_seen_before"]
    return Candidate(
        status=json["status"],
        reason=json["reason"],
        problem=json["problem"],
        sightings=json["sightings"],
        first_seen_at=datetime.fromisoformat(json["first_seen_at"]),
        last_seen_before=datetime.fromisoformat(before) if before else None,
        answers=tuple(json.get("answers", ())),  # an older release kept none
    )


def to_member(row: Any) -> Member:
    """Read what a site is told of one of its links."""
    candidate = to_candidate(row.candidate)
    return Member(
        name=row.name,
        status=row.status,
        problem=row.incident is not None,
        candidate=candidate is not None and candidate.problem,
        reason=row.reason,
    )


def from_view(view: View) -> Values:
    """Make a row of a view, one version on."""
    return {
        "account": view.account,
        "listing_failures": view.listing_failures,
        "listing_cause": from_cause(view.listing_cause),
        "incident": view.incident,
        "incidents": view.incidents,
        "since": view.since,
        "empty_listings": view.empty_listings,
        "version": view.version + 1,
    }


def to_view(row: Row[Any]) -> View:
    """Read a view."""
    found = dict(row._mapping)  # noqa: SLF001 - the documented way to a row's names
    return View(**found | {"listing_cause": to_cause(found["listing_cause"])})


def from_observation(seen: Observation) -> Values:
    """Make a row of an observation."""
    answer, answer_hash = answer_of(seen.sight) or (None, None)
    row: Values = {"account": seen.account, "name": seen.name, "at": seen.at}
    row |= {"answer": answer, "answer_hash": answer_hash}
    if isinstance(seen.sight, Unseen):
        return row | {"status": None, "reason": None, "cause": from_cause(seen.sight.cause)}
    return row | {"status": seen.sight.status, "reason": seen.sight.reason, "cause": None}


def from_incident(incident: Incident) -> Values:
    """Make a row of a new incident."""
    row = values(incident) | {"key": incident.key}
    del row["acknowledgement"]
    return row


def to_incident(row: Row[Any]) -> Incident:
    """Read an incident."""
    acknowledgement = None
    if row.acknowledged_by is not None:
        acknowledgement = Acknowledgement(
            by=row.acknowledged_by, at=row.acknowledged_at, until=row.acknowledged_until, sticky=row.sticky
        )
    return Incident(
        kind=IncidentKind(row.kind),
        account=row.account,
        subject=row.subject,
        number=row.number,
        severity=Severity(row.severity),
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        acknowledgement=acknowledgement,
    )


def to_subject(row: Any) -> Subject:
    """Read a subject."""
    return Subject(kind=IncidentKind(row.kind), account=row.account, name=row.subject)


def from_condition(condition: Condition) -> Values:
    """Make a row of a condition."""
    return _about(condition.subject) | {
        "site": condition.site,
        "status": condition.status,
        "before": condition.before,
        "problem": condition.problem,
        "severity": condition.severity,
        "incident": condition.incident,
        "flapping": condition.flapping,
        "changed_at": condition.changed_at,
        "notification": condition.notification,
    }


def to_condition(row: Row[Any]) -> Condition:
    """Read a condition."""
    return Condition(
        subject=to_subject(row),
        site=row.site,
        status=row.status,
        before=row.before,
        problem=row.problem,
        severity=Severity(row.severity),
        incident=row.incident,
        flapping=row.flapping,
        changed_at=row.changed_at,
        notification=row.notification,
    )


def from_told(told: Told) -> Values:
    """Make a row of what a channel knows."""
    return _about(told.subject) | {
        "channel": told.channel,
        "status": told.status,
        "problem": told.problem,
        "incident": told.incident,
        "notification": told.notification,
        "told_at": told.told_at,
        "kept": told.kept,
        "look_at": told.look_at,
        "remind_at": told.remind_at,
    }


def to_told(row: Row[Any]) -> Told:
    """Read what a channel knows."""
    return Told(
        channel=row.channel,
        subject=to_subject(row),
        status=row.status,
        problem=row.problem,
        incident=row.incident,
        notification=row.notification,
        told_at=row.told_at,
        kept=row.kept,
        look_at=row.look_at,
        remind_at=row.remind_at,
    )


def _about(subject: Subject) -> Values:
    return {"kind": subject.kind, "account": subject.account, "subject": subject.name}


def from_silence(silence: Silence) -> Values:
    """Make a row of a silence, but for its id."""
    return {
        "accounts": list(silence.match.account),
        "names": list(silence.match.name),
        "sites": list(silence.match.site),
        "from_at": silence.from_at,
        "until_at": silence.until_at,
        "set_by": silence.by,
        "comment": silence.comment,
    }


def to_silence(row: Row[Any]) -> Silence:
    """Read a silence."""
    match = Matcher(account=tuple(row.accounts), name=tuple(row.names), site=tuple(row.sites))
    return Silence(
        id=row.id, match=match, from_at=row.from_at, until_at=row.until_at, by=row.set_by, comment=row.comment
    )


def from_notification(told: Notification) -> Values:
    """Make a row of a notification; the words go into one JSON document."""
    content = values(told) | {
        "observed_at": told.observed_at.isoformat(),
        "recorded_at": told.recorded_at.isoformat(),
    }
    return {
        "kind": told.kind,
        "account": told.account,
        "subject": told.subject,
        "incident_key": told.incident_key,
        "content": content,
        "recorded_at": told.recorded_at,
    }


def to_notification(content: Values) -> Notification:
    """Read a notification."""
    return Notification(
        **content
        | {
            "kind": Kind(content["kind"]),
            "severity": Severity(content["severity"]),
            "facts": tuple((label, value) for label, value in content["facts"]),
            "observed_at": datetime.fromisoformat(content["observed_at"]),
            "recorded_at": datetime.fromisoformat(content["recorded_at"]),
        }
    )
