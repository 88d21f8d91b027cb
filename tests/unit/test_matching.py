"""What a route, a silence or a window is about, and what it isn't."""

from dataclasses import replace

import pytest

from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher
from notifier.domain.status import Severity
from tests.support.conditions import about, down

_DOWN = down("icon-ams-01", site="ams-a")
_BLIND = about(IncidentKind.BLIND, _DOWN.subject.account)
_SITE = about(IncidentKind.SITE, "ams-a", site="ams-a")


def test_where_nothing_is_given_everything_fits() -> None:
    assert all(Matcher().takes(condition) for condition in (_DOWN, _BLIND, _SITE))


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(account=("023e*",)),
        Matcher(name=("icon-ams-0?",)),
        Matcher(site=("fra-*", "ams-*")),
        Matcher(severity=frozenset({Severity.ERROR, Severity.CRITICAL})),
        Matcher(status=("D*",)),
        Matcher(name=("icon-*",), site=("ams-a",), status=("Down",)),
    ],
)
def test_it_takes_what_fits(matcher: Matcher) -> None:
    assert matcher.takes(_DOWN)


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(account=("other",)),
        Matcher(name=("ams",)),
        Matcher(name=("ICON-*",)),
        Matcher(site=("fra-*",)),
        Matcher(severity=frozenset({Severity.WARNING})),
        Matcher(status=("down",)),
        Matcher(name=("icon-*",), site=("fra-*",)),
    ],
)
def test_it_takes_nothing_that_fits_only_in_part_or_in_another_case(matcher: Matcher) -> None:
    assert not matcher.takes(_DOWN)


def test_only_interconnects_have_a_name_and_not_everything_has_a_site() -> None:
    assert not Matcher(name=("*",)).takes(_SITE)
    assert not Matcher(name=("*",)).takes(_BLIND)
    assert not Matcher(site=("*",)).takes(_BLIND)
    assert not Matcher(site=("*",)).takes(replace(_DOWN, site=None))
    assert Matcher(site=("ams-*",)).takes(_SITE)
