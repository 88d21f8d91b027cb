"""Which channels are told, why, and after how long (R16, R23)."""

from datetime import timedelta

import pytest

from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher
from notifier.domain.routing import Escalation, Reach, Route, reached
from notifier.domain.status import Severity
from tests.support.conditions import about, down

_DOWN = down("icon-ams-01", site="ams-a")
_CHANNELS = ("noc", "on-call", "mail")
_AMS, _FRA = Matcher(site=("ams-*",)), Matcher(site=("fra-*",))
_EVERYWHERE = "the notifier's own trouble: told everywhere"


def _after(minutes: float, *channels: str) -> Escalation:
    return Escalation(after=timedelta(minutes=minutes), channels=channels)


def test_without_routes_everything_goes_to_every_channel() -> None:
    why = "no routes: everything to every channel"
    assert reached((), _DOWN, _CHANNELS) == dict.fromkeys(_CHANNELS, Reach(why, None))


def test_every_route_that_fits_counts_and_the_first_says_why() -> None:
    routes = (
        Route(channels=("noc",), match=_AMS),
        Route(channels=("on-call",), match=_FRA),
        Route(channels=("mail", "noc")),
    )
    assert reached(routes, _DOWN, _CHANNELS) == {"noc": Reach("routes[0]", None), "mail": Reach("routes[2]", None)}


def test_what_no_route_takes_reaches_nobody() -> None:
    assert reached((Route(channels=("noc",), match=_FRA),), _DOWN, _CHANNELS) == {}


def test_the_soonest_escalation_counts() -> None:
    routes = (
        Route(channels=("noc",), escalate=_after(30, "mail")),
        Route(channels=("noc",), escalate=_after(15, "mail")),
        Route(channels=("noc",), match=_FRA, escalate=_after(5, "mail")),
    )
    assert reached(routes, _DOWN, _CHANNELS) == {
        "noc": Reach("routes[0]", None),
        "mail": Reach("escalation of routes[1]", timedelta(minutes=15)),
    }


def test_who_is_told_at_once_is_not_told_later() -> None:
    routes = (Route(channels=("noc",), escalate=_after(15, "mail", "noc")), Route(channels=("mail",)))
    assert reached(routes, _DOWN, _CHANNELS) == {"noc": Reach("routes[0]", None), "mail": Reach("routes[1]", None)}


def test_a_channel_that_is_not_there_is_not_reached() -> None:
    assert reached((Route(channels=("gone", "noc")),), _DOWN, _CHANNELS) == {"noc": Reach("routes[0]", None)}


@pytest.mark.parametrize(
    "routes",
    [
        (Route(channels=("noc",), match=Matcher(severity=frozenset({Severity.CRITICAL}))),),
        (Route(channels=("noc",), match=_AMS),),
        (Route(channels=("on-call",)),),
        (Route(channels=("on-call",), escalate=_after(15, "mail")),),
    ],
    ids=["other severities", "other sites", "the failing channel alone", "others only later"],
)
def test_a_failing_channel_is_told_on_all_others_where_no_route_tells_one_at_once(routes: tuple[Route, ...]) -> None:
    condition = about(IncidentKind.CHANNEL, "on-call")
    assert reached(routes, condition, _CHANNELS) == dict.fromkeys(("noc", "mail"), Reach(_EVERYWHERE, None))


def test_a_failing_channel_is_told_where_a_route_says_and_never_on_itself() -> None:
    condition = about(IncidentKind.CHANNEL, "on-call")
    routes = (Route(channels=("on-call", "mail")),)
    assert reached(routes, condition, _CHANNELS) == {"mail": Reach("routes[0]", None)}
    assert set(reached((), condition, _CHANNELS)) == {"noc", "mail"}


def test_an_audit_that_fails_is_told_somewhere() -> None:
    condition = about(IncidentKind.AUDIT, "audit")
    routes = (Route(channels=("noc",), match=_AMS),)
    assert reached(routes, condition, _CHANNELS) == dict.fromkeys(_CHANNELS, Reach(_EVERYWHERE, None))


def test_a_blind_account_is_routed_like_anything_else() -> None:
    assert reached((Route(channels=("noc",), match=_AMS),), about(IncidentKind.BLIND, "id"), _CHANNELS) == {}
