"""In which words a transition or an incident is told. Plain text: channels do the markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TypedDict, assert_never

from notifier.domain.blindness import Extent, View, main_cause
from notifier.domain.decision import Change, Transition
from notifier.domain.duration import format_duration
from notifier.domain.incident import Incident, IncidentKind, incident_key
from notifier.domain.interconnect import Interconnect
from notifier.domain.notification import Fact, Kind, Notification
from notifier.domain.status import Severity, severity

_NAMED = 20  # more names than this make a message unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who speaks of an account: what people call it, and the zone they live in."""

    account: str
    name: str
    zone: tzinfo = UTC

    def moment(self, at: datetime) -> str:
        """Write a moment in UTC, and in the zone if it is another one."""
        utc = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
        local = at.astimezone(self.zone)
        return utc if local.utcoffset() == at.astimezone(UTC).utcoffset() else f"{utc} ({local:%H:%M:%S %Z})"


def tell_transition(transition: Transition, link: Interconnect, voice: Voice) -> Notification | None:
    """Put a transition into words; None for a baseline, of which nobody is told (R4)."""
    t = transition
    match t.change:
        case Change.BASELINE:
            return None
        case Change.PROBLEM:
            kind, level = Kind.PROBLEM, severity(t.after)
        case Change.WORSENED:
            kind, level = Kind.WORSENED, severity(t.after)
        case Change.EASED:
            kind, level = Kind.EASED, severity(t.after)
        case Change.RECOVERED:
            kind, level = Kind.RECOVERED, Severity.OK
        case Change.UP:
            kind, level = Kind.UP, Severity.INFO
        case _:
            assert_never(t.change)
    key = incident_key(IncidentKind.INTERCONNECT, t.account, t.name, t.incident) if t.incident is not None else None
    return Notification(
        kind=kind,
        severity=level,
        account=t.account,
        account_name=voice.name,
        subject=t.name,
        site=link.site,
        title=f"[{voice.name}] {_headline(t)} #{t.number}",
        lead=_lead(t, voice),
        reason=t.reason,
        facts=tuple(_facts(t, link, voice)),
        incident_key=key,
        observed_at=t.first_seen_at,
        recorded_at=t.confirmed_at,
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


def _facts(t: Transition, link: Interconnect, voice: Voice) -> list[tuple[str, Fact]]:
    facts: list[tuple[str, Fact]] = [
        ("Site", link.site),
        ("Facility", link.facility),
        ("Speed", link.speed),
    ]
    if t.last_seen_before is not None:
        seen = f"Last seen {t.before}" if t.before else "Last seen before"
        facts.append((seen, voice.moment(t.last_seen_before)))
    facts.append((f"First seen {t.after}", voice.moment(t.first_seen_at)))
    facts.append(("Confirmed", voice.moment(t.confirmed_at)))
    facts.append(("Sightings", t.sightings))
    if t.problem_since is not None and t.change is not Change.PROBLEM:
        facts.append(("Problem since", voice.moment(t.problem_since)))
    return [(label, value) for label, value in facts if value is not None]


def tell_blind(view: View, extent: Extent, voice: Voice, at: datetime) -> Notification:
    """Say that an account, or some of its links, can't be seen, why, and what to do (R6)."""
    cause = main_cause(view, extent)
    whole = view.listing_cause is not None or extent.everything or cause.blinds_at_once
    what = "interconnects" if whole else f"{len(extent.blind)} of {extent.watched} interconnects"
    facts: list[tuple[str, Fact]] = [("Cause", cause.text)]
    if cause.remedy is not None:
        facts.append(("What to do", cause.remedy))
    if not whole:
        facts.append(("Not seen", _names([name for name, _ in extent.blind])))
    return Notification(
        kind=Kind.BLIND,
        severity=Severity.WARNING,
        title=f"[{voice.name}] cannot see {what}: {cause.text}",
        lead="The last known states are kept; a change can't be noticed until Cloudflare answers again.",
        facts=tuple(facts),
        **_of_sight(view, voice, at),
    )


def tell_seen_again(before: View, differing: Sequence[tuple[str, str]], voice: Voice, at: datetime) -> Notification:
    """Say that the account is seen again; `differing` are links whose status now differs, not yet confirmed."""
    lasted = format_duration(at - before.since) if before.since is not None else "a while"
    facts: list[tuple[str, Fact]] = []
    if before.since is not None:
        facts.append(("Blind since", voice.moment(before.since)))
    if differing:
        facts.append(("Changed meanwhile", _names([f"{name} ({status})" for name, status in differing])))
    return Notification(
        kind=Kind.SEEN_AGAIN,
        severity=Severity.OK,
        title=f"[{voice.name}] can see interconnects again after {lasted}",
        lead=(
            "Every interconnect answers again."
            if not differing
            else "Every interconnect answers again; what differs is being confirmed."
        ),
        facts=tuple(facts),
        **_of_sight(before, voice, at),
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def tell_channel_failed(incident: Incident, cause: str, lost: Notification) -> Notification:
    """Say on the other channels that one refuses its messages, and what it did not take (R16)."""
    return Notification(
        kind=Kind.CHANNEL_FAILED,
        severity=incident.severity,
        title=f"channel {incident.subject} does not take messages: {cause}",
        lead=f'Not delivered there: "{lost.title}".',
        facts=(("What to do", f"correct channels.{incident.subject}, then: notifier test {incident.subject}"),),
        **_of_channel(incident, incident.opened_at),
    )


def tell_channel_works(incident: Incident, at: datetime, *, removed: bool = False) -> Notification:
    """Say that a channel takes messages again, or is no longer configured."""
    lasted = format_duration(at - incident.opened_at)
    how = "is no longer configured" if removed else f"takes messages again after {lasted}"
    return Notification(
        kind=Kind.CHANNEL_WORKS,
        severity=Severity.OK,
        title=f"channel {incident.subject} {how}",
        lead=f"The channel {incident.subject} {how}.",
        **_of_channel(incident, at),
    )


class _About(TypedDict):
    account: str
    account_name: str
    subject: str
    incident_key: str | None
    observed_at: datetime
    recorded_at: datetime


def _of_channel(incident: Incident, at: datetime) -> _About:
    return {
        "account": "",
        "account_name": "",
        "subject": incident.subject,
        "incident_key": incident.key,
        "observed_at": at,
        "recorded_at": at,
    }


def _of_sight(view: View, voice: Voice, at: datetime) -> _About:
    key = None if view.incident is None else incident_key(IncidentKind.BLIND, view.account, view.account, view.incident)
    return {
        "account": view.account,
        "account_name": voice.name,
        "subject": voice.name,
        "incident_key": key,
        "observed_at": at,
        "recorded_at": at,
    }
