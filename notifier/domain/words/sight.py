"""What is said of not being able to see (R6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from notifier.domain.blindness import Extent, View, main_cause
from notifier.domain.condition import BLIND, SEEN
from notifier.domain.duration import format_duration
from notifier.domain.incident import IncidentKind, incident_key
from notifier.domain.notification import Fact, Kind, Notification
from notifier.domain.status import Severity
from notifier.domain.words.voice import Voice, listed


def tell_blind(view: View, extent: Extent, voice: Voice, at: datetime) -> Notification:
    """Say that an account, or some of its links, can't be seen, why, and what to do."""
    cause = main_cause(view, extent)
    whole = extent.everything or cause.blinds_at_once
    some = f"{len(extent.blind)} of {extent.watched} interconnects"
    what = "interconnects" if whole or view.listing_cause is not None else some
    facts: list[tuple[str, Fact]] = [("Cause", cause.text)]
    if cause.remedy is not None:
        facts.append(("What to do", cause.remedy))
    if extent.blind and not whole:
        facts.append(("Not seen", listed([name for name, _ in extent.blind])))
    facts += voice.see()
    return Notification(
        kind=Kind.BLIND,
        severity=Severity.WARNING,
        title=f"[{voice.name}] cannot see {what}: {cause.text}",
        lead=_what_is_missed(extent, whole=whole),
        facts=tuple(facts),
        status=BLIND,
        before=SEEN,
        **_about(view, voice, at),
    )


def _what_is_missed(extent: Extent, *, whole: bool) -> str:
    if whole:
        return "The last known states are kept; a change can't be noticed until Cloudflare answers again."
    if extent.blind:
        return "The last known states are kept; other interconnects still answer."
    return "The listing fails, so an interconnect that comes or goes is not noticed; all that are known still answer."


def tell_seen_again(before: View, changed: Sequence[tuple[str, str, bool]], voice: Voice, at: datetime) -> Notification:
    """Say that the account is seen again, and what changed meanwhile: name, status, whether that is confirmed."""
    lasted = format_duration(at - before.since) if before.since is not None else "a while"
    facts: list[tuple[str, Fact]] = []
    if before.since is not None:
        facts.append(("Blind since", voice.moment(before.since)))
    if changed:
        facts.append(("Changed meanwhile", listed([_change(each) for each in changed])))
    return Notification(
        kind=Kind.SEEN_AGAIN,
        severity=Severity.OK,
        title=f"[{voice.name}] can see interconnects again after {lasted}",
        lead=f"Cloudflare answers for every interconnect again; {_what_changed(changed)}.",
        facts=tuple(facts),
        status=SEEN,
        before=BLIND,
        **_about(before, voice, at),
    )


def _change(change: tuple[str, str, bool]) -> str:
    name, status, confirmed = change
    return f"{name} ({status})" if confirmed else f"{name} ({status}, being confirmed)"


def _what_changed(changed: Sequence[tuple[str, str, bool]]) -> str:
    if not changed:
        return "none has changed meanwhile"
    if len(changed) == 1:
        return f"{changed[0][0]} has changed meanwhile"
    return f"{len(changed)} have changed meanwhile"


class _About(TypedDict):
    account: str
    account_name: str
    subject: str
    incident_key: str | None
    observed_at: datetime
    recorded_at: datetime


def _about(view: View, voice: Voice, at: datetime) -> _About:
    key = None if view.incident is None else incident_key(IncidentKind.BLIND, view.account, view.account, view.incident)
    return {
        "account": view.account,
        "account_name": voice.name,
        "subject": voice.name,
        "incident_key": key,
        "observed_at": at,
        "recorded_at": at,
    }
