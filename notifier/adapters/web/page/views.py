"""What the templates show, made of what the database answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from urllib.parse import quote

from notifier.adapters.web.page.bars import DEFAULT, Bar, Choice, Plot, bar, in_words, past, period_of, plot
from notifier.domain.availability import Quality, quality_after, totals
from notifier.domain.condition import REMOVED
from notifier.domain.decision import Change
from notifier.domain.health import Vital
from notifier.domain.incident import IncidentKind
from notifier.domain.site import redundancy
from notifier.domain.status import DOWN, HEALTHY, PENDING, UNHEALTHY, Severity
from notifier.domain.suppression import Silence
from notifier.insight import (
    AccountNow,
    ActEntry,
    GapEntry,
    IncidentEntry,
    LinkNow,
    LinkStory,
    Overview,
    SiteNow,
    Span,
    Spans,
    Telling,
    TransitionEntry,
)
from notifier.ports import Outcome

CARDS = 50  # incidents that are shown on the status page, the worst
SMALL = 200  # interconnects of which every one is shown; of more only those of sites in trouble, as many


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: a shape, a colour and a word, so that none has to tell it alone."""

    icon: str
    tone: str
    word: str


_GOOD = Look("good", "good", HEALTHY)
_LOOKS = {
    HEALTHY: _GOOD,
    DOWN: Look("down", "bad", DOWN),
    UNHEALTHY: Look("unhealthy", "bad", UNHEALTHY),
    None: Look("none", "none", "not seen yet"),
}
_TONES = {Severity.CRITICAL: "bad", Severity.ERROR: "warn", Severity.WARNING: "warn"}


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One interconnect in a list."""

    now: LinkNow
    href: str
    look: Look
    bar: Bar


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One site; `links` are there if they are shown."""

    name: str
    account: str
    nameless: bool
    href: str
    look: Look
    healthy: int
    watched: int
    lost: bool
    blind: int
    links: tuple[LinkRow, ...]

    @property
    def quiet(self) -> bool:
        """Whether nothing is wrong there."""
        return self.look.tone in {"good", "none"}


# Of each account in turn: its sites, the worst first, each with those of its interconnects that are shown.
Outline = Sequence[Sequence[tuple[SiteRow, Sequence[LinkNow]]]]


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account: what can be seen of it; the sites that are shown, the troubled ones first; and all others."""

    id: str
    name: str
    watched: int
    sites: int
    blind_since: datetime | None
    wholly: bool
    cause: str | None
    shown: tuple[SiteRow, ...]
    quiet: tuple[SiteRow, ...]


@dataclass(frozen=True, slots=True)
class ToldView:
    """What became of telling one channel one thing."""

    telling: Telling
    look: Look


@dataclass(frozen=True, slots=True)
class StoryView:
    """What was told by one notification, and to whom."""

    title: str
    told: tuple[ToldView, ...]


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident, and who was told of it, the newest first."""

    entry: IncidentEntry
    title: str
    tone: str
    href: str | None
    reason: str | None
    account: str
    stories: tuple[StoryView, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The status page."""

    at: datetime
    choice: Choice
    look: Look
    headline: str
    counts: tuple[tuple[int, str], ...]
    ailments: Mapping[Vital, str]
    incidents: tuple[IncidentView, ...]
    unshown: int
    accounts: tuple[AccountView, ...]

    @property
    def here(self) -> str:
        """Its own address."""
        return "/" if self.choice is DEFAULT else f"/?period={self.choice.name}"

    @property
    def title(self) -> str:
        """The headline in brief, for a tab."""
        return self.headline.partition(" interconnect")[0] if self.look.tone == "bad" else self.headline

    @property
    def blind(self) -> tuple[AccountView, ...]:
        """The accounts that can't be seen, wholly or in part, and whose incident is not shown."""
        shown = {card.entry.account for card in self.incidents if card.entry.kind is IncidentKind.BLIND}
        return tuple(each for each in self.accounts if each.blind_since is not None and each.id not in shown)

    @property
    def bars(self) -> bool:
        """Whether any interconnect is shown, with its past."""
        return any(site.links for account in self.accounts for site in account.shown)


@dataclass(frozen=True, slots=True)
class TransitionView:
    """A transition, and who was told of it."""

    entry: TransitionEntry
    look: Look
    told: tuple[ToldView, ...]


@dataclass(frozen=True, slots=True)
class LinkView:
    """The page of one interconnect."""

    at: datetime
    choice: Choice
    link: LinkNow
    look: Look
    account: str
    site_href: str
    redundancy: str | None
    plot: Plot
    words: str
    open: tuple[IncidentView, ...]
    transitions: tuple[TransitionView, ...]
    deliveries: tuple[ToldView, ...]
    incidents: tuple[IncidentEntry, ...]
    gaps: tuple[GapEntry, ...]
    acts: tuple[ActEntry, ...]


@dataclass(frozen=True, slots=True)
class SilenceView:
    """A silence that holds or is to come; `what` says of what."""

    id: int
    what: str
    from_at: datetime
    until_at: datetime
    by: str
    comment: str


def link_href(account: str, name: str) -> str:
    """Return where an interconnect is shown."""
    return f"/interconnects/{quote(account, safe='')}/{quote(name, safe='')}"


def site_href(account: str, site: str | None) -> str:
    """Return where a site is shown."""
    return f"/sites/{quote(account, safe='')}/{quote(site or '', safe='')}"


def look_of(link: LinkNow) -> Look:
    """Say how an interconnect is shown."""
    if not link.watched:
        return Look("none", "none", "not watched any more")
    if link.status == PENDING:
        return Look("pending", "warn" if link.problem else "none", PENDING)
    return _LOOKS.get(link.status) or Look("unknown", "warn", link.status or "")


def told_view(telling: Telling) -> ToldView:
    """Say what became of a delivery, or of what was not promised."""
    match telling.outcome:
        case Outcome.SENT:
            look = Look("good", "good", "accepted")
        case Outcome.PENDING:
            look = Look("pending", "warn", "still trying") if telling.attempts else Look("pending", "none", "waiting")
        case Outcome.ABANDONED:
            look = Look("down", "bad", "given up")
        case Outcome.MOOT:
            look = Look("none", "none", "not sent, it was over")
        case _:
            look = Look("none", "none", "not told")
    return ToldView(telling, look)


class Viewer:
    """Makes what is shown; `names` are what the accounts are called, `public` that channels are named to nobody."""

    def __init__(self, names: Mapping[str, str], *, public: bool) -> None:
        self._names = names
        self._public = public

    def name(self, account: str) -> str:
        """Return what an account is called."""
        return self._names.get(account, account)

    def outline(self, seen: Overview) -> Outline:
        """Choose what is on the status page: all of a few interconnects, of many those at sites in trouble."""
        few = sum(site.standing.watched for account in seen.accounts for site in account.sites) <= SMALL
        left = SMALL
        accounts = []
        for account in seen.accounts:
            places = []
            for row, site in sorted(((self._site(each), each) for each in account.sites), key=_worst_first):
                fits = (few or not row.quiet) and row.watched <= left
                left -= row.watched if fits else 0
                places.append((row, site.links if fits else ()))
            accounts.append(places)
        return accounts

    def board(
        self, seen: Overview, outline: Outline, spans: Spans, ailments: Mapping[Vital, str], choice: Choice
    ) -> Board:
        """Make the status page; `spans` are of the interconnects that are in the outline."""
        accounts = tuple(
            self._account(
                account, [replace(row, links=self.links(links, spans, choice, seen.at)) for row, links in places]
            )
            for account, places in zip(seen.accounts, outline, strict=True)
        )
        look, headline, counts = _headline(seen, ailments)
        incidents = tuple(self.incident(each, seen) for each in seen.incidents[:CARDS])
        return Board(
            at=seen.at,
            choice=choice,
            look=look,
            headline=headline,
            counts=counts,
            ailments=ailments,
            incidents=incidents,
            unshown=seen.open_incidents - len(incidents),
            accounts=accounts,
        )

    def site(self, site: SiteNow, spans: Spans, choice: Choice, at: datetime) -> SiteRow:
        """Make one site with all its interconnects."""
        return replace(self._site(site), links=self.links(site.links, spans, choice, at))

    def links(self, links: Sequence[LinkNow], spans: Spans, choice: Choice, at: datetime) -> tuple[LinkRow, ...]:
        """Make rows of interconnects, each with its bar."""
        return tuple(self._row(link, spans, choice, at) for link in links)

    def story(self, story: LinkStory, seen: Overview, span: Span | None, choice: Choice) -> LinkView:
        """Make the page of one interconnect; `seen` is how everything stands beside it."""
        link, period = story.link, period_of(choice, story.at)
        found = past(link, span, period)
        tellings = [each for transition in story.transitions for each in transition.tellings]
        tellings += [each for notice in story.notices for each in notice.tellings]
        tellings.sort(key=lambda each: (each.at, each.notification), reverse=True)
        standing = next(
            (
                site.standing
                for account in seen.accounts
                if account.account == link.account
                for site in account.sites
                if site.name == link.site
            ),
            None,
        )
        mine = [each for each in story.incidents if each.closed_at is None]
        told = {each.key: each for each in seen.incidents}
        return LinkView(
            at=story.at,
            choice=choice,
            link=link,
            look=look_of(link),
            account=self.name(link.account),
            site_href=site_href(link.account, link.site),
            redundancy=redundancy(standing) if standing is not None else None,
            plot=plot(choice, period, found),
            words=in_words(totals(found)),
            open=tuple(self.incident(told.get(each.key, each), seen) for each in mine),
            transitions=tuple(self._transition(each) for each in story.transitions),
            deliveries=tuple(told_view(each) for each in tellings),
            incidents=story.incidents,
            gaps=story.gaps,
            acts=story.acts,
        )

    def silence(self, silence: Silence) -> SilenceView:
        """Say what a silence is about."""
        match = silence.match
        what = [
            f"{word}{', '.join(map(name, patterns))}"
            for word, patterns, name in (
                ("", match.name, str),
                ("site ", match.site, str),
                ("account ", match.account, self.name),
            )
            if patterns
        ]
        return SilenceView(
            id=silence.id,
            what=", ".join(what) or "everything",
            from_at=silence.from_at,
            until_at=silence.until_at,
            by=silence.by,
            comment=silence.comment,
        )

    def _transition(self, entry: TransitionEntry) -> TransitionView:
        look = _LOOKS.get(entry.after)
        if look is None:
            tone = {Quality.GOOD: "none", Quality.BAD: "warn", Quality.UNOBSERVED: "none"}[
                quality_after(Change(entry.change))
            ]
            icon = {PENDING: "pending", REMOVED: "none"}.get(entry.after, "unknown")
            look = Look(icon, tone, entry.after)
        return TransitionView(entry, look, tuple(told_view(each) for each in entry.tellings))

    def incident(self, entry: IncidentEntry, seen: Overview | None = None) -> IncidentView:
        """Make an incident's card; `seen` is how everything stands beside it."""
        link = _link_of(entry, seen) if seen is not None else None
        account = _account_of(entry, seen) if seen is not None else None
        reason = link.reason if link is not None else None
        href = None
        if entry.kind is IncidentKind.INTERCONNECT:
            href = link_href(entry.account, entry.subject)
        elif entry.kind is IncidentKind.SITE:
            href = site_href(entry.account, entry.subject)
        if entry.kind is IncidentKind.BLIND and account is not None:
            reason = _main_cause(account)
        return IncidentView(
            entry=entry,
            title=self._title(entry, link, account),
            tone="blind" if entry.kind is IncidentKind.BLIND else _TONES.get(entry.severity, "none"),
            href=href,
            reason=reason,
            account=self.name(entry.account) if entry.account else "",
            stories=_stories(entry.tellings),
        )

    def _title(self, entry: IncidentEntry, link: LinkNow | None, account: AccountNow | None) -> str:
        match entry.kind:
            case IncidentKind.INTERCONNECT if link is not None and link.flapping:
                return f"{entry.subject} is flapping, {link.status} now"
            case IncidentKind.INTERCONNECT if link is not None and link.status is not None:
                return f"{entry.subject} is {link.status}"
            case IncidentKind.INTERCONNECT:
                return f"{entry.subject} has a problem"
            case IncidentKind.SITE:
                return f"Site {entry.subject} is lost: every interconnect there has a problem"
            case IncidentKind.BLIND:
                part = "" if account is None or _wholly(account) else " in part"
                return f"{self.name(entry.account)} can't be seen{part}"
            case IncidentKind.CHANNEL:
                return "A channel does not take messages" if self._public else f"Channel {entry.subject} fails"
            case IncidentKind.AUDIT:
                return "The notifier's own record does not add up"
            case IncidentKind.OBJECTIVE:
                return "Changes are told later than the objective allows"
            case IncidentKind.DRILL:
                return "A drill failed" if self._public else f"A drill failed at {entry.subject}"

    def _account(self, account: AccountNow, rows: Sequence[SiteRow]) -> AccountView:
        links = [link for site in account.sites for link in site.links]
        return AccountView(
            id=account.account,
            name=self.name(account.account),
            watched=len(links),
            sites=len(account.sites),
            blind_since=account.blind_since,
            wholly=_wholly(account),
            cause=_main_cause(account),
            shown=tuple(row for row in rows if row.links or not row.quiet),
            quiet=tuple(row for row in rows if row.quiet and not row.links),
        )

    def _site(self, site: SiteNow) -> SiteRow:
        standing, healthy = site.standing, site.standing.healthy
        blind = sum(link.blind for link in site.links)
        kinds = {(link.watched, link.status, link.problem): link for link in site.links}  # few, of many links
        worst = max(map(look_of, kinds.values()), key=lambda look: _ORDER[look.tone], default=_GOOD)
        if blind and _ORDER[worst.tone] < _ORDER["blind"]:
            worst = Look("blind", "blind", "")
        if _ORDER[worst.tone] < _ORDER["warn"] and any(link.flapping for link in site.links):
            worst = Look("unhealthy", "warn", "")
        if worst.tone == "good" and healthy < standing.watched:
            worst = Look("none", "none", "")
        word = "lost" if standing.lost else f"{healthy} of {standing.watched} Healthy"
        return SiteRow(
            name=site.name or "no site",
            account=standing.account,
            nameless=site.name is None,
            href=site_href(standing.account, site.name),
            look=replace(worst, word=word),
            healthy=healthy,
            watched=standing.watched,
            lost=standing.lost,
            blind=blind,
            links=(),
        )

    def _row(self, link: LinkNow, spans: Spans, choice: Choice, at: datetime) -> LinkRow:
        period = period_of(choice, at)
        drawn = bar(choice, period, past(link, spans.get((link.account, link.name)), period))
        return LinkRow(link, link_href(link.account, link.name), look_of(link), drawn)


_ORDER = {"none": 0, "good": 1, "blind": 2, "warn": 3, "bad": 4}


def _worst_first(place: tuple[SiteRow, SiteNow]) -> tuple[bool, int, str]:
    row, _ = place
    return not row.lost, -_ORDER[row.look.tone] if not row.quiet else 0, row.name


def _stories(tellings: Sequence[Telling]) -> tuple[StoryView, ...]:
    ordered = sorted(tellings, key=lambda each: each.notification, reverse=True)
    return tuple(
        StoryView(its[0].title, tuple(map(told_view, its)))
        for its in (list(group) for _, group in groupby(ordered, key=lambda each: each.notification))
    )


def _account_of(entry: IncidentEntry, seen: Overview) -> AccountNow | None:
    return next((each for each in seen.accounts if each.account == entry.account), None)


def _wholly(account: AccountNow) -> bool:
    return all(link.blind for site in account.sites for link in site.links)


def _main_cause(account: AccountNow) -> str | None:
    """Name the listing's cause, else the one that most of the blind links share."""
    causes = Counter(link.cause for site in account.sites for link in site.links if link.blind and link.cause)
    return account.cause or next((cause for cause, _ in causes.most_common(1)), None)


def _link_of(entry: IncidentEntry, seen: Overview) -> LinkNow | None:
    if entry.kind is not IncidentKind.INTERCONNECT:
        return None
    return next(
        (
            link
            for account in seen.accounts
            if account.account == entry.account
            for site in account.sites
            for link in site.links
            if link.name == entry.subject
        ),
        None,
    )


def _headline(seen: Overview, ailments: Mapping[Vital, str]) -> tuple[Look, str, tuple[tuple[int, str], ...]]:
    """Say in one sentence how everything is: what is worst first, the notifier's own troubles included."""
    links = [link for account in seen.accounts for site in account.sites for link in site.links]
    problems, blind = sum(link.problem for link in links), sum(link.blind for link in links)
    lost = sum(site.standing.lost for account in seen.accounts for site in account.sites)
    unlisted = sum(account.blind_since is not None for account in seen.accounts)
    counts = tuple(
        (count, word)
        for count, word in (
            (sum(link.status == HEALTHY for link in links), HEALTHY),
            (problems, "with a problem"),
            (blind, "not seen now"),
            (sum(link.status is None for link in links), "not seen yet"),
            (sum(link.status == PENDING and not link.problem for link in links), "pending"),
        )
        if count
    )
    if problems:
        sites = f", {_number(lost, 'site')} lost" if lost else ""
        return (
            Look("down", "bad", "problem"),
            f"{problems} of {_number(len(links), 'interconnect')} {_have(problems)} a problem{sites}",
            counts,
        )
    if blind or unlisted:
        what = _number(blind, "interconnect") if blind else _number(unlisted, "account")
        return Look("blind", "blind", "blind"), f"{what} can't be seen", counts
    if ailments:
        return Look("unhealthy", "warn", "trouble"), "The notifier itself is in trouble", counts
    if not links:
        return Look("none", "none", "nothing"), "No interconnects are known yet", counts
    if any(link.status is None for link in links):
        return Look("pending", "none", "waiting"), "Waiting for the first look", counts
    return _GOOD, "No problem at any interconnect", counts


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
