"""From what was decided to what is told: transitions and sight become incidents, conditions and words."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import assert_never

from notifier.domain import blindness, words
from notifier.domain.blindness import View
from notifier.domain.condition import BACK, BLIND, LOST, SEEN, Condition
from notifier.domain.decision import Change, Transition
from notifier.domain.incident import Incident, IncidentKind, Subject
from notifier.domain.interconnect import Interconnect
from notifier.domain.notification import Notification
from notifier.domain.site import Site
from notifier.domain.state import State
from notifier.domain.status import KNOWN, Severity, severity
from notifier.domain.words import Voice
from notifier.pipeline.telling import News, Teller
from notifier.ports import UnitOfWork

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A transition with the state it led to; `began_to_flap` with this one."""

    transition: Transition
    state: State
    began_to_flap: bool = False


class Announcer:
    """Keeps the incidents of one account, and has told what becomes of them; always within a unit of work."""

    def __init__(self, *, voice: Voice, teller: Teller, severities: Mapping[str, Severity], quiet: timedelta) -> None:
        """`severities` are the configured ones, by status; `quiet` is how long a link must be calm to flap no more."""
        self._voice = voice
        self._account = voice.account
        self._teller = teller
        self._severities = severities
        self._quiet = quiet

    async def transitions(self, work: UnitOfWork, steps: Sequence[Step], now: datetime) -> None:
        """Record transitions, and tell of them; the states they led to are saved already."""
        if not steps:
            return
        await work.record.transitions([step.transition for step in steps])
        await self._keep_incidents(work, [step.transition for step in steps])
        links = await work.watched.links(self._account, {step.transition.name for step in steps})
        for round_ in _one_of_each(steps):
            found = {
                name: links.get(name) or Interconnect(account=self._account, name=name)
                for name in (step.transition.name for step in round_)
            }
            await self._tell(work, round_, found, now)
        for step in steps:
            _report(step.transition)

    async def _tell(
        self, work: UnitOfWork, steps: Sequence[Step], links: Mapping[str, Interconnect], now: datetime
    ) -> None:
        names = {link.site for link in links.values() if link.site is not None}
        sites = await work.watched.sites(self._account, names) if names else {}
        news: list[News] = []
        notices: list[News] = []
        for step in steps:
            link = links[step.transition.name]
            site = sites.get(link.site or "")
            told = words.tell_transition(step.transition, link, self._voice, site=site, severities=self._severities)
            if told is None:
                continue
            condition = _of_link(step.state, link, told)
            news.append(News(condition, told, told.observed_at))
            if step.began_to_flap:
                flaps = words.tell_flapping(
                    step.transition, step.state, link, self._voice, site=site, quiet=self._quiet
                )
                notices.append(News(condition, flaps))
        # A site is lost, or back, by what was seen of its links.
        seen = {name: [n.notification.observed_at for n in news if n.condition.site == name] for name in sites}
        news += [
            replace(each, sighted_at=min(seen[each.condition.subject.name], default=None))
            for each in await self._look_at(work, sites, now)
        ]
        await self._teller.tell(work, self._account, news, now, notices, sites)

    async def calm(self, work: UnitOfWork, before: State, after: State, link: Interconnect, now: datetime) -> None:
        """Tell that a link flaps no more, and what it has come to (R10). The state is saved already."""
        sites = await work.watched.sites(self._account, [link.site]) if link.site is not None else {}
        site = sites.get(link.site or "")
        notice = words.tell_calm(before, link, self._voice, now, site=site, severities=self._severities)
        subject = Subject(kind=IncidentKind.INTERCONNECT, account=self._account, name=link.name)
        [condition] = await work.ledger.conditions(self._account, [subject], ()) or [_of_link(after, link, notice)]
        news = await self._look_at(work, sites, now)
        if before.incident is not None and after.incident is None:
            over = words.tell_calm_recovery(before, link, self._voice, now, site=site)
            await work.record.close_incidents({over.incident_key or "": now})
            news.insert(0, News(_of_link(after, link, over), over))
        elif condition.notification:
            await work.ledger.save_conditions([replace(condition, flapping=False)])
        await self._teller.tell(work, self._account, news, now, [News(condition, notice)])
        await self._teller.look_again(work, self._account, [subject], now)

    async def removals(self, work: UnitOfWork, transitions: Sequence[Transition], now: datetime) -> None:
        """Record that links are watched no more; what is open of them ends (R9, R18)."""
        await work.record.transitions(transitions)
        await work.record.close_incidents({i.key: now for t in transitions if (i := self._incident(t)) is not None})

    async def membership(
        self,
        work: UnitOfWork,
        told: Sequence[tuple[Interconnect, State, Notification]],
        sites: Mapping[str, Site],
        now: datetime,
    ) -> None:
        """Tell that links were removed or returned, and what that makes of their sites (R9)."""
        news = [News(_of_link(state, link, notification), notification) for link, state, notification in told]
        news += await self._look_at(work, sites, now)
        if news:
            await self._teller.tell(work, self._account, news, now)

    async def sight(self, work: UnitOfWork, before: View, after: View, now: datetime) -> None:
        """Open or close the account's blind incident (R6)."""
        extent = await work.watched.extent(self._account)
        looked, event = blindness.look(after, extent, now)
        if looked != before:
            await work.watched.save_view(looked)
        match event:
            case None:
                return
            case blindness.Event.BLINDED:
                told = words.tell_blind(looked, extent, self._voice, now)
                await work.record.open_incidents([_blind_incident(looked, now)])
            case blindness.Event.SEEN_AGAIN:
                changed = await work.watched.changed(self._account, after.since or now)
                told = words.tell_seen_again(after, changed, self._voice, now)
                await work.record.close_incidents({_blind_incident(after, now).key: now})
            case _:
                assert_never(event)
        condition = Condition(
            subject=Subject(kind=IncidentKind.BLIND, account=self._account, name=self._account),
            status=SEEN if looked.incident is None else BLIND,
            before=BLIND if looked.incident is None else SEEN,
            problem=looked.incident is not None,
            severity=told.severity,
            incident=looked.incident,
            changed_at=now,
        )
        await self._teller.tell(work, self._account, [News(condition, told)], now)
        _log.warning(f"account {event.value}", extra={"fields": {"account": self._voice.name, "title": told.title}})

    async def _look_at(self, work: UnitOfWork, sites: Mapping[str, Site], now: datetime) -> list[News]:
        """Open and close the incidents of sites that are lost, or lost no more (R20)."""
        last = await work.record.last_incidents(IncidentKind.SITE, self._account, sites) if sites else {}
        news: list[News] = []
        for name, site in sites.items():
            before = last.get(name)
            is_open = before is not None and before.closed_at is None
            if site.lost and not is_open:
                number = before.number + 1 if before is not None else 1
                lost = words.tell_site_lost(site, self._voice, now, number)
                await work.record.open_incidents([_site_incident(site, number, now)])
                news.append(News(_of_site(site, number, lost), lost))
            elif before is not None and is_open and not site.lost:
                back = words.tell_site_back(site, self._voice, now, before)
                await work.record.close_incidents({before.key: now})
                news.append(News(_of_site(site, None, back), back))
        return news

    async def _keep_incidents(self, work: UnitOfWork, transitions: Sequence[Transition]) -> None:
        """Open, raise and close the incidents that transitions begin, worsen and end (R3, R10)."""
        kept = await work.record.incidents([i.key for t in transitions if t.flapping and (i := self._incident(t))])
        opened: dict[str, Incident] = {}
        worse: dict[str, Severity] = {}
        ended: dict[str, datetime] = {}
        for t in transitions:
            incident = self._incident(t)
            if incident is None:
                continue
            match t.change:
                case Change.PROBLEM if incident.key not in {*kept, *opened}:
                    opened[incident.key] = incident
                case Change.PROBLEM | Change.WORSENED:
                    worse[incident.key] = incident.severity
                case Change.RECOVERED if not t.flapping:
                    ended[incident.key] = t.first_seen_at
                case Change.REMOVED | Change.BASELINE | Change.EASED | Change.UP | Change.RECOVERED:
                    pass
                case _:
                    assert_never(t.change)
        await work.record.open_incidents(list(opened.values()))
        for key, raised in worse.items():
            await work.record.worsen_incident(key, raised)
        await work.ledger.lapse(worse)
        await work.record.close_incidents(ended)

    def _incident(self, t: Transition) -> Incident | None:
        if t.incident is None:
            return None
        return Incident(
            kind=IncidentKind.INTERCONNECT,
            account=t.account,
            subject=t.name,
            number=t.incident,
            severity=severity(t.after, self._severities),
            opened_at=t.first_seen_at,
        )


def _one_of_each(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Part steps into rounds in which each link has at most one, in their order."""
    seen: dict[str, int] = {}
    placed: list[tuple[int, Step]] = []
    for step in steps:
        name = step.transition.name
        placed.append((seen.get(name, 0), step))
        seen[name] = seen.get(name, 0) + 1
    for _, round_ in groupby(sorted(placed, key=lambda each: each[0]), key=lambda each: each[0]):
        yield [step for _, step in round_]


def _of_link(state: State, link: Interconnect, told: Notification) -> Condition:
    return Condition(
        subject=Subject(kind=IncidentKind.INTERCONNECT, account=link.account, name=link.name),
        site=link.site,
        status=told.status or "",
        before=told.before,
        problem=state.is_problem,
        severity=told.severity,
        incident=state.incident,
        changed_at=told.recorded_at,
        flapping=state.flapping,
    )


def _of_site(site: Site, incident: int | None, told: Notification) -> Condition:
    return Condition(
        subject=Subject(kind=IncidentKind.SITE, account=site.account, name=site.name),
        site=site.name,
        status=LOST if incident is not None else BACK,
        before=BACK if incident is not None else LOST,
        problem=incident is not None,
        severity=told.severity,
        incident=incident,
        changed_at=told.recorded_at,
    )


def _site_incident(site: Site, number: int, at: datetime) -> Incident:
    return Incident(
        kind=IncidentKind.SITE,
        account=site.account,
        subject=site.name,
        number=number,
        severity=Severity.CRITICAL,
        opened_at=at,
    )


def _blind_incident(view: View, at: datetime) -> Incident:
    return Incident(
        kind=IncidentKind.BLIND,
        account=view.account,
        subject=view.account,
        number=view.incident or view.incidents,
        severity=Severity.WARNING,
        opened_at=view.since or at,
    )


def _report(t: Transition) -> None:
    fields = {"account": t.account, "interconnect": t.name, "number": t.number, "change": t.change.value}
    fields |= {"before": t.before, "after": t.after}
    _log.info("transition", extra={"fields": fields})
    if t.after not in KNOWN:
        _log.warning("unknown status word from Cloudflare", extra={"fields": fields})
