"""What keeps messages back, until when, and what it never keeps back (R24)."""

from datetime import datetime, timedelta

import pytest

from notifier.adapters.cron import fixed
from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Kept, Silence, Window, suppressed
from tests.support.conditions import about, down
from tests.support.examples import ACCOUNT, NIGHT

_DOWN = down("icon-ams-01", site="ams-a")
_BLIND = about(IncidentKind.BLIND, ACCOUNT)
_AMS, _FRA = Matcher(site=("ams-*",)), Matcher(site=("fra-*",))


def _in(minutes: float) -> datetime:
    return NIGHT + timedelta(minutes=minutes)


def _silence(until: float, match: Matcher = _AMS, number: int = 3) -> Silence:
    return Silence(id=number, match=match, from_at=NIGHT, until_at=_in(until), by="ops", comment="")


def _window(until: float, match: Matcher = _AMS, name: str = "patching") -> Window:
    return Window(name=name, match=match, until=fixed(NIGHT, _in(until)))


def test_a_silence_keeps_back_what_it_is_about() -> None:
    assert suppressed(_DOWN, [_silence(60)], [], _in(5)) == Kept("silence 3", _in(60))
    assert suppressed(_DOWN, [_silence(60, _FRA)], [], _in(5)) is None


def test_a_window_keeps_back_what_it_is_about() -> None:
    assert suppressed(_DOWN, [], [_window(60)], _in(5)) == Kept("maintenance patching", _in(60))
    assert suppressed(_DOWN, [], [_window(60, _FRA)], _in(5)) is None


@pytest.mark.parametrize("first_moment", [True, False])
def test_it_begins_at_its_first_moment_and_has_ended_at_its_last(*, first_moment: bool) -> None:
    at = NIGHT if first_moment else _in(60)
    assert (suppressed(_DOWN, [_silence(60)], [], at) is not None) is first_moment
    assert (suppressed(_DOWN, [], [_window(60)], at) is not None) is first_moment
    assert suppressed(_DOWN, [_silence(60)], [_window(60)], NIGHT - timedelta(microseconds=1)) is None


def test_of_several_the_one_that_ends_last_counts() -> None:
    silences = [_silence(60), _silence(90, number=4), _silence(999, _FRA, number=5)]
    assert suppressed(_DOWN, silences, [_window(75)], _in(5)) == Kept("silence 4", _in(90))
    assert suppressed(_DOWN, silences, [_window(120)], _in(5)) == Kept("maintenance patching", _in(120))


@pytest.mark.parametrize(
    ("match", "covered"),
    [
        (Matcher(), True),
        (Matcher(account=(ACCOUNT,)), True),
        (Matcher(site=("*",)), False),
        (Matcher(account=(ACCOUNT,), name=("*",)), False),
    ],
)
def test_an_account_s_blindness_is_kept_back_with_the_account_not_with_its_links(
    match: Matcher, *, covered: bool
) -> None:
    assert (suppressed(_BLIND, [_silence(60, match)], [], _in(5)) is not None) is covered


@pytest.mark.parametrize("kind", [IncidentKind.CHANNEL, IncidentKind.AUDIT])
def test_the_notifier_s_own_trouble_is_never_kept_back(kind: IncidentKind) -> None:
    assert suppressed(about(kind, "noc"), [_silence(60, Matcher())], [_window(60, Matcher())], _in(5)) is None
