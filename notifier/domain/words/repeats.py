"""Words that were said before: reminders, and what is told later to one channel than to others (R21, R24, R25)."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from notifier.domain.condition import Condition
from notifier.domain.duration import format_duration
from notifier.domain.incident import IncidentKind
from notifier.domain.notification import Fact, Kind, Notification
from notifier.domain.site import Site
from notifier.domain.words.sites import REDUNDANCY, left, members

_TOLD_NOW = "Told only now because "


def tell_reminder(
    condition: Condition, original: Notification, at: datetime, *, site: Site | None = None
) -> Notification:
    """Remind of a problem that nobody has acknowledged; `original` told how it stands, `site` how its site does now."""
    account = f"[{original.account_name}] " if original.account_name else ""
    lasted = format_duration(at - original.observed_at)
    facts = _as_of_now(original, site)
    if condition.key is not None:
        facts = (*facts, ("What to do", f"notifier ack {condition.key} stops the reminders"))
    return replace(
        original,
        kind=Kind.REMINDER,
        severity=condition.severity,
        title=f"{account}{_still(condition)} after {lasted}",
        lead="Nobody has acknowledged it yet.",
        facts=facts,
        incident_key=condition.key,
        recorded_at=at,
        status=condition.status,
        before=condition.status,
    )


def _still(condition: Condition) -> str:
    name = condition.subject.name
    match condition.subject.kind:
        case IncidentKind.INTERCONNECT:
            return f"{name} is still {condition.status}"
        case IncidentKind.SITE:
            return f"site {name} is still lost"
        case IncidentKind.BLIND:
            return "still cannot see interconnects"
        case IncidentKind.CHANNEL:
            return f"channel {name} still does not take messages"
        case IncidentKind.AUDIT:
            return "the notifier's own record still does not add up"
        case IncidentKind.OBJECTIVE:
            return "the objective is still missed"
        case IncidentKind.DRILL:
            return f"no drill has passed yet at {name}"
        case _:
            assert_never(condition.subject.kind)


def retold(original: Notification, why: str, at: datetime, *, site: Site | None = None) -> Notification:
    """Tell the same to a channel that hears it later: `why` goes on after "Told only now because".

    Late is what is sent long after `at`. `site` is how its site stands now.
    """
    lead = original.lead
    if lead.startswith(_TOLD_NOW):
        lead = lead.partition(". ")[2]
    because = why.replace(". ", ".\u00a0")  # a full stop within a name must not look like the end of the sentence
    facts = _as_of_now(original, site)
    return replace(original, lead=f"{_TOLD_NOW}{because}. {lead}", facts=facts, recorded_at=at)


def _as_of_now(original: Notification, site: Site | None) -> tuple[tuple[str, Fact], ...]:
    """Bring what was said of the site up to date: how much is left there may have changed since."""
    now = {} if site is None else dict([*left(site), *members(site)])
    facts = ((label, now.get(label, value)) for label, value in original.facts)
    return tuple((label, value) for label, value in facts if label != REDUNDANCY or label in now)
