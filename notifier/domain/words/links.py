"""What is said of an interconnect."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypedDict, assert_never

from notifier.domain.condition import LISTED, REMOVED
from notifier.domain.decision import Change, Transition
from notifier.domain.duration import format_duration
from notifier.domain.flapping import FLAPPING
from notifier.domain.incident import IncidentKind, incident_key
from notifier.domain.interconnect import Interconnect
from notifier.domain.notification import Fact, Kind, Notification
from notifier.domain.site import Site
from notifier.domain.state import State
from notifier.domain.status import Severity, severity
from notifier.domain.words.sites import left
from notifier.domain.words.voice import Voice


def tell_transition(
    transition: Transition,
    link: Interconnect,
    voice: Voice,
    *,
    site: Site | None = None,
    severities: Mapping[str, Severity] | None = None,
) -> Notification | None:
    """Put a transition into words; None for a baseline, of which nobody is told (R4).

    `site` is the link's, as it is after the transition. `severities` are an operator's own, by status.
    """
    t = transition
    level = severity(t.after, severities)
    match t.change:
        case Change.BASELINE:
            return None
        case Change.REMOVED:
            return tell_removed(t, link, voice, site=site)
        case Change.PROBLEM:
            kind = Kind.PROBLEM
        case Change.WORSENED:
            kind = Kind.WORSENED
        case Change.EASED:
            kind = Kind.EASED
        case Change.RECOVERED:
            kind, level = Kind.RECOVERED, Severity.OK
        case Change.UP:
            kind, level = Kind.UP, Severity.INFO
        case _:
            assert_never(t.change)
    return Notification(
        kind=kind,
        severity=level,
        title=f"[{voice.name}] {_headline(t)} #{t.number}",
        lead=_lead(t, voice),
        reason=t.reason,
        facts=(*_place(link, site), *_bounds(t, voice), *voice.see("interconnects", t.account, t.name)),
        observed_at=t.first_seen_at,
        recorded_at=t.confirmed_at,
        status=t.after,
        before=t.before,
        **_about(link, voice, t.incident),
    )


def _headline(t: Transition) -> str:
    if t.before is None:
        return f"{t.name} is {t.after} (first observation)"
    if t.change is Change.UP:
        return f"{t.name} is up (was {t.before})"
    if t.change is Change.RECOVERED and t.problem_since is not None:
        lasted = format_duration(t.first_seen_at - t.problem_since)
        return f"{t.name} is {t.after} again after {lasted} (was {t.before})"
    return f"{t.name} is {t.after} (was {t.before})"


def _lead(t: Transition, voice: Voice) -> str:
    if t.before is None:
        return f"{t.name} was {t.after} when it was first observed."
    sentence = f"{t.name} changed from {t.before} to {t.after}."
    if t.unobserved and t.last_seen_before is not None:
        between = f"{voice.moment(t.last_seen_before)} and {voice.moment(t.first_seen_at)}"
        sentence += f" It changed between {between}, not observed in between."
    return sentence


def _place(link: Interconnect, site: Site | None) -> list[tuple[str, Fact]]:
    facts = (("Site", link.site), ("Facility", link.facility), ("Speed", link.speed))
    return [*((label, value) for label, value in facts if value is not None), *left(site)]


def _bounds(t: Transition, voice: Voice) -> list[tuple[str, Fact]]:
    facts: list[tuple[str, Fact]] = []
    if t.last_seen_before is not None:
        seen = f"Last seen {t.before}" if t.before else "Last seen before"
        facts.append((seen, voice.moment(t.last_seen_before)))
    facts.append((f"First seen {t.after}", voice.moment(t.first_seen_at)))
    facts.append(("Confirmed", voice.moment(t.confirmed_at)))
    facts.append(("Sightings", t.sightings))
    if t.problem_since is not None and t.change is not Change.PROBLEM:
        facts.append(("Problem since", voice.moment(t.problem_since)))
    return facts


def tell_flapping(
    transition: Transition,
    state: State,
    link: Interconnect,
    voice: Voice,
    *,
    site: Site | None = None,
    quiet: timedelta | None = None,
) -> Notification:
    """Say that a link flaps since this transition, which led to `state`; it is calm after `quiet` (R10)."""
    t = transition
    count, span = len(state.changes), format_duration(state.changes[-1] - state.changes[0])
    calm = "it is calm" if quiet is None else f"it has been calm for {format_duration(quiet)}"
    return Notification(
        kind=Kind.FLAPPING,
        severity=Severity.WARNING,
        title=f"[{voice.name}] {t.name} is flapping: {count} changes in {span} #{t.number}",
        lead=f"{t.name} changed {count} times in {span}, now to {t.after}. Its changes are not told until {calm}.",
        reason=t.reason,
        facts=(*_place(link, site), *_bounds(t, voice)),
        observed_at=t.first_seen_at,
        recorded_at=t.confirmed_at,
        status=t.after,
        before=t.before,
        **_about(link, voice, t.incident),
    )


def tell_calm(
    state: State,
    link: Interconnect,
    voice: Voice,
    at: datetime,
    *,
    site: Site | None = None,
    severities: Mapping[str, Severity] | None = None,
) -> Notification:
    """Say that a link flaps no more, and what it has come to; `state` is its last one of flapping (R10)."""
    status, since = state.status or "", state.since or at
    return Notification(
        kind=Kind.CALM,
        severity=severity(status, severities) if state.is_problem else Severity.OK,
        title=f"[{voice.name}] {link.name} stopped flapping: {status} for {format_duration(at - since)}",
        lead=f"{link.name} has been {status} since {voice.moment(since)}; its changes are told again.",
        reason=state.reason,
        facts=tuple(_place(link, site)),
        observed_at=at,
        recorded_at=at,
        status=status,
        before=FLAPPING,
        **_about(link, voice, state.incident),
    )


def tell_calm_recovery(
    before: State, link: Interconnect, voice: Voice, at: datetime, *, site: Site | None = None
) -> Notification:
    """Say that a link has recovered: it flapped, as it did in the state `before`, and became calm in a good state."""
    status, since = before.status or "", before.since or at
    began = before.problem_since or since
    return Notification(
        kind=Kind.RECOVERED,
        severity=Severity.OK,
        title=(
            f"[{voice.name}] {link.name} is {status} again after {format_duration(since - began)} "
            f"(was flapping) #{before.number}"
        ),
        lead=f"{link.name} flapped, and has been {status} for {format_duration(at - since)} now.",
        reason=before.reason,
        facts=(
            *_place(link, site),
            (f"{status} since", voice.moment(since)),
            ("Problem since", voice.moment(began)),
        ),
        observed_at=since,
        recorded_at=at,
        status=status,
        before=FLAPPING,
        **_about(link, voice, before.incident),
    )


def tell_removed(transition: Transition, link: Interconnect, voice: Voice, *, site: Site | None = None) -> Notification:
    """Say that a link is watched no more, and that its incident ends with that; `site` is without it (R9)."""
    t = transition
    ends = "." if t.incident is None else ", and its incident is closed as removed."
    seen = [] if t.last_seen_before is None else [("Last seen", voice.moment(t.last_seen_before))]
    closed = [] if t.incident is None else [("Incident closed", REMOVED)]
    return Notification(
        kind=Kind.REMOVED,
        severity=Severity.WARNING,
        title=f"[{voice.name}] {t.name} removed: {t.reason} (was {t.before}) #{t.number}",
        lead=f"{t.name} was {t.before} when last seen{ends}",
        facts=(*_place(link, site), *seen, ("Removed", voice.moment(t.confirmed_at)), *closed),
        observed_at=t.first_seen_at,
        recorded_at=t.confirmed_at,
        status=REMOVED,
        before=t.before,
        **_about(link, voice, t.incident),
    )


def tell_returned(
    link: Interconnect, voice: Voice, at: datetime, *, same: bool, site: Site | None = None
) -> Notification:
    """Say that a link is watched again after it was removed: the `same` one, or another under its name (R9)."""
    how = "watched again" if same else "watched as a new link"
    known = "It is the link it was before" if same else "It has another reservation than the link of that name before"
    return Notification(
        kind=Kind.RETURNED,
        severity=Severity.INFO,
        title=f"[{voice.name}] {link.name} is back: {how}",
        lead=f"{known}; a problem is told as soon as it is confirmed.",
        facts=tuple(_place(link, site)),
        observed_at=at,
        recorded_at=at,
        status=LISTED,
        before=REMOVED,
        **_about(link, voice, None),
    )


class _About(TypedDict):
    account: str
    account_name: str
    subject: str
    site: str | None
    incident_key: str | None


def _about(link: Interconnect, voice: Voice, incident: int | None) -> _About:
    key = None if incident is None else incident_key(IncidentKind.INTERCONNECT, link.account, link.name, incident)
    return {
        "account": link.account,
        "account_name": voice.name,
        "subject": link.name,
        "site": link.site,
        "incident_key": key,
    }
