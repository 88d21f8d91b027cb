"""What the settings say of telling, as values of the domain."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from fractions import Fraction
from zoneinfo import ZoneInfo

from notifier.adapters.cron import fixed, occurrences, recurring
from notifier.domain.availability import Period
from notifier.domain.drill import GRACE, Plan
from notifier.domain.matching import Matcher
from notifier.domain.objective import Objective
from notifier.domain.reporting import Planned
from notifier.domain.routing import Escalation, Route
from notifier.domain.suppression import Window
from notifier.errors import ConfigurationError
from notifier.settings.model import AccountSettings, MaintenanceSettings, MatchSettings, RouteSettings, Settings
from notifier.settings.moments import parse_moment


def matcher_of(match: MatchSettings, accounts: Sequence[AccountSettings]) -> Matcher:
    """Return the matcher; its account patterns may also be names, which stand for the ids of `accounts`."""
    named = (account.id for account in accounts if any(fnmatchcase(account.name, pattern) for pattern in match.account))
    return Matcher(
        account=(*match.account, *named),
        name=match.name,
        site=match.site,
        severity=frozenset(match.severity),
        status=match.status,
    )


def routes_of(settings: Settings) -> tuple[Route, ...]:
    """Return the routes, in their order."""
    return tuple(_route(route, settings.accounts) for route in settings.routes)


def _route(route: RouteSettings, accounts: Sequence[AccountSettings]) -> Route:
    further = route.escalate
    return Route(
        channels=route.channels,
        match=matcher_of(route.match, accounts),
        escalate=Escalation(after=further.after, channels=further.channels) if further is not None else None,
    )


def objective_of(settings: Settings) -> Objective | None:
    """Return how soon changes are to be told, if that was asked for."""
    given = settings.objective
    if given is None:
        return None
    return Objective(
        notify_within=given.notify_within, share=Fraction(given.for_.removesuffix("%")) / 100, over=given.over
    )


def plan_of(settings: Settings) -> Plan | None:
    """Return when drills are made, if that was asked for."""
    given = settings.drill
    if given is None:
        return None
    until = recurring(given.cron, GRACE, ZoneInfo(given.timezone or settings.timezone))

    def due(at: datetime) -> datetime | None:
        end = until(at)
        return None if end is None else end - GRACE

    return Plan(due=due, channels=given.channels, within=given.within)


def windows_of(settings: Settings) -> tuple[Window, ...]:
    """Return the maintenance windows, in their order."""
    return tuple(
        Window(name=window.name, match=matcher_of(window.match, settings.accounts), until=_until(window, settings))
        for window in settings.maintenance
    )


def _until(window: MaintenanceSettings, settings: Settings) -> Callable[[datetime], datetime | None]:
    zone = ZoneInfo(window.timezone or settings.timezone)
    if window.cron is not None and window.for_ is not None:
        return recurring(window.cron, window.for_, zone)
    if window.from_ is not None and window.until is not None:
        return fixed(parse_moment(window.from_, zone), parse_moment(window.until, zone))
    raise ConfigurationError([f"maintenance: {window.name}: expected cron and for, or from and until"])


def planned_of(settings: Settings, period: Period) -> tuple[Planned, ...]:
    """Return when maintenance is planned in a period.

    Left out are windows that keep back only some messages (`severity`, `status`): they plan nothing of a link.
    """
    return tuple(
        Planned(matcher_of(window.match, settings.accounts), tuple(_periods(window, settings, period)))
        for window in settings.maintenance
        if not is_partial(window)
    )


def is_partial(window: MaintenanceSettings) -> bool:
    """Whether a window keeps back only some messages about what it covers."""
    return bool(window.match.severity or window.match.status)


def _periods(window: MaintenanceSettings, settings: Settings, period: Period) -> Iterator[Period]:
    zone = ZoneInfo(window.timezone or settings.timezone)
    if window.cron is not None and window.for_ is not None:
        for begin, end in occurrences(window.cron, window.for_, zone, period.from_at, period.until_at):
            yield Period(begin, end)
    elif window.from_ is not None and window.until is not None:
        yield Period(parse_moment(window.from_, zone), parse_moment(window.until, zone))
