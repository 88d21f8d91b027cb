"""What is said of a site, and of what is left there (R20)."""

from dataclasses import replace
from datetime import datetime

from notifier.domain.condition import BACK, LOST
from notifier.domain.duration import format_duration
from notifier.domain.incident import Incident, IncidentKind, incident_key
from notifier.domain.notification import Fact, Kind, Notification
from notifier.domain.site import Member, Site, redundancy
from notifier.domain.status import HEALTHY, Severity
from notifier.domain.words.voice import Voice, listed

REDUNDANCY = "Redundancy"


def left(site: Site | None) -> list[tuple[str, Fact]]:
    """Say how many of a site's links are left, as a fact; nothing where there is no site."""
    return [(REDUNDANCY, f"{redundancy(site)} at {site.name}")] if site is not None and site.watched else []


def members(site: Site) -> list[tuple[str, Fact]]:
    """Say how each of a site's links stands."""
    return [(member.name, _standing(member)) for member in site.members]


def tell_site_lost(site: Site, voice: Voice, at: datetime, number: int) -> Notification:
    """Say that every interconnect of a site has a problem; `number` is that of the site's incident."""
    return Notification(
        kind=Kind.SITE_LOST,
        severity=Severity.CRITICAL,
        account=site.account,
        account_name=voice.name,
        subject=site.name,
        site=site.name,
        title=f"[{voice.name}] site {site.name} lost: {site.watched} of {site.watched} interconnects have a problem",
        lead=f"Every interconnect at {site.name} has a problem; none can be relied on.",
        facts=(*left(site), *members(site), *voice.see()),
        incident_key=incident_key(IncidentKind.SITE, site.account, site.name, number),
        observed_at=at,
        recorded_at=at,
        status=LOST,
        before=BACK,
    )


def tell_site_back(site: Site, voice: Voice, at: datetime, lost: Incident) -> Notification:
    """Say that a site is no longer `lost`, and which of its interconnects still have a problem."""
    how = "back" if site.healthy else "no longer lost"
    lasted = format_duration(at - lost.opened_at)
    return Notification(
        kind=Kind.SITE_BACK,
        severity=Severity.OK,
        account=site.account,
        account_name=voice.name,
        subject=site.name,
        site=site.name,
        title=(
            f"[{voice.name}] site {site.name} is {how} after {lasted}: "
            f"{site.healthy} of {site.watched} interconnects Healthy"
        ),
        lead=_what_remains(site),
        facts=(*left(site), *members(site), ("Lost since", voice.moment(lost.opened_at))),
        incident_key=lost.key,
        observed_at=at,
        recorded_at=at,
        status=BACK,
        before=LOST,
    )


def as_it_stands(told: Notification, left_now: str) -> Notification:
    """Bring what was told of a site, or of one of its links, up to date with what is left there now.

    `left_now` is the newest fact of that sort; the rest of what was told of a site that is back may be out of date.
    """
    if dict(told.facts).get(REDUNDANCY, left_now) == left_now:
        return told
    now = replace(told, facts=tuple((label, left_now if label == REDUNDANCY else value) for label, value in told.facts))
    if told.kind is not Kind.SITE_BACK:
        return now
    figures = " ".join(left_now.split()[:3])
    title = f"{told.title.rpartition(': ')[0]}: {figures} interconnects Healthy"
    return replace(now, title=title, lead=f"Now {left_now}.")


def _what_remains(site: Site) -> str:
    if not site.watched:
        return f"No interconnect is watched at {site.name} any more."
    troubled = [member.name for member in site.members if member.problem]
    if not troubled:
        return f"No interconnect at {site.name} has a problem."
    still = f"Still with a problem, each an incident of its own: {listed(troubled)}."
    return still if site.watched > 1 else f"Fewer than two interconnects are watched there now. {still}"


def _standing(member: Member) -> str:
    status = member.status or "not known yet"
    if member.problem and member.status == HEALTHY:
        return f"{status} at the moment, flapping"
    return status if member.reason is None else f"{status}: {member.reason}"
