"""What those see who show no token, where others may look: states and times, but no words that came from elsewhere."""
# ruff: noqa: ARG002 - the port's parameters, of what is refused

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from notifier.domain.interconnect import Link
from notifier.domain.suppression import Silence
from notifier.errors import NotifierError
from notifier.insight import (
    EVERYTHING,
    AccountNow,
    ActEntry,
    DeliveryEntry,
    EventEntry,
    Feed,
    Filter,
    GapEntry,
    IncidentEntry,
    Insight,
    LinkNow,
    LinkStory,
    ObservationEntry,
    Overview,
    Page,
    Spans,
    Telling,
    TransitionEntry,
)


class NotPublicError(NotifierError):
    """Who asks has to show the token first."""


_SHOW = "this is not shown to everybody: show the token"


class PublicInsight:
    """Keeps `insight.Insight` without reasons, addresses, causes, comments, and names of people or channels."""

    def __init__(self, insight: Insight) -> None:
        self._insight = insight
        self._whole: Overview | None = None
        self._shown: Overview | None = None

    async def overview(self) -> Overview:
        """Return how everything stands; worked out once for all who share it."""
        whole = await self._insight.overview()
        if self._shown is None or whole is not self._whole:
            self._shown = replace(
                whole,
                accounts=tuple(map(_account, whole.accounts)),
                incidents=tuple(map(_incident, whole.incidents)),
            )
            self._whole = whole
        return self._shown

    def refresh(self) -> None:
        """Show nothing any more that was read before."""
        self._insight.refresh()

    async def link(self, account: str, name: str, *, limit: int = 50) -> LinkStory | None:
        """Return what happened to an interconnect, but not what was told of it."""
        story = await self._insight.link(account, name, limit=limit)
        return story and replace(
            story,
            link=_link(story.link),
            transitions=tuple(map(_transition, story.transitions)),
            notices=(),
            acts=(),
            observations=tuple(map(_observation, story.observations)),
            incidents=tuple(map(_incident, story.incidents)),
            channels=(),
        )

    async def history(
        self, account: str, name: str, *, wanted: Filter = EVERYTHING, limit: int = 50, after: str | None = None
    ) -> Page[TransitionEntry | ObservationEntry | GapEntry]:
        """Return what happened to an interconnect."""
        page = await self._insight.history(account, name, wanted=wanted, limit=limit, after=after)
        return replace(page, entries=[_entry(entry) for entry in page.entries])

    async def incidents(
        self, wanted: Filter = EVERYTHING, *, is_open: bool | None = None, limit: int = 50, after: str | None = None
    ) -> Page[IncidentEntry]:
        """Return incidents."""
        page = await self._insight.incidents(wanted, is_open=is_open, limit=limit, after=after)
        return replace(page, entries=[_incident(entry) for entry in page.entries])

    async def incident(self, key: str) -> IncidentEntry | None:
        """Return an incident."""
        found = await self._insight.incident(key)
        return found and _incident(found)

    async def transitions(
        self, wanted: Filter = EVERYTHING, *, limit: int = 50, after: str | None = None
    ) -> Page[TransitionEntry]:
        """Return transitions."""
        page = await self._insight.transitions(wanted, limit=limit, after=after)
        return replace(page, entries=[_transition(entry) for entry in page.entries])

    async def deliveries(
        self, wanted: Filter = EVERYTHING, *, failed: bool = False, limit: int = 50, after: str | None = None
    ) -> Page[DeliveryEntry]:
        """Refuse it."""
        raise NotPublicError(_SHOW)

    async def delivery(self, number: int) -> Telling | None:
        """Refuse it."""
        raise NotPublicError(_SHOW)

    async def silences(
        self, *, ends_after: datetime | None = None, limit: int = 50, after: str | None = None
    ) -> Page[Silence]:
        """Refuse it."""
        raise NotPublicError(_SHOW)

    async def acts(self, *, since: datetime | None = None, limit: int = 50, after: str | None = None) -> Page[ActEntry]:
        """Refuse it."""
        raise NotPublicError(_SHOW)

    async def events(self, after: str | None = None, *, limit: int = 500) -> Feed:
        """Return what happened, but for what was told and done."""
        feed = await self._insight.events(after, limit=limit)
        return replace(feed, events=tuple(filter(None, map(public_event, feed.events))))

    async def spans(self, since: datetime, links: Collection[Link]) -> Spans:
        """Return what happened since a moment."""
        return await self._insight.spans(since, links)


_HAPPENED = {"transition", "incident", "blindness"}
_SHOWN = {"number", "change", "before", "after", "last_seen_before", "first_seen_at", "unobserved", "flapping"}
_SHOWN |= {"incident", "about", "severity", "what", "until"}


def public_event(event: EventEntry) -> EventEntry | None:
    """Return of an event what everybody may see, if anything."""
    if event.kind not in _HAPPENED:
        return None
    return replace(event, content={key: value for key, value in event.content.items() if key in _SHOWN})


def _account(account: AccountNow) -> AccountNow:
    sites = (replace(site, links=tuple(map(_link, site.links))) for site in account.sites)
    return replace(account, cause=None, sites=tuple(sites))


def _link(link: LinkNow) -> LinkNow:
    return replace(link, reason=None, cause=None, facility=None)


def _incident(incident: IncidentEntry) -> IncidentEntry:
    given = incident.acknowledgement
    return replace(incident, tellings=(), acknowledgement=given and replace(given, by=""))


def _transition(transition: TransitionEntry) -> TransitionEntry:
    return replace(transition, reason=None, tellings=())


def _observation(observation: ObservationEntry) -> ObservationEntry:
    return replace(observation, reason=None, cause=None)


def _entry(entry: TransitionEntry | ObservationEntry | GapEntry) -> TransitionEntry | ObservationEntry | GapEntry:
    match entry:
        case TransitionEntry():
            return _transition(entry)
        case ObservationEntry():
            return _observation(entry)
        case GapEntry():
            return entry
