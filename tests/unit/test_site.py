"""R20: interconnects of one site back each other up."""

from dataclasses import replace

from notifier.domain.site import Member, Site, redundancy
from tests.support.examples import ACCOUNT

UP = Member(name="icon-ams-01", status="Healthy", problem=False)
DOWN = Member(name="icon-ams-02", status="Down", problem=True)
FLAPPING = Member(name="icon-ams-03", status="Healthy", problem=True)
FALLING = Member(name="icon-ams-04", status="Healthy", problem=False, candidate=True)
WORSENING = replace(DOWN, candidate=True)
NEW = Member(name="icon-ams-05", status=None, problem=False)


def site(*members: Member) -> Site:
    return Site(account=ACCOUNT, name="ams-a", members=members)


def test_a_site_is_lost_when_every_one_of_two_or_more_has_a_problem() -> None:
    assert site(DOWN, DOWN).lost
    assert not site(UP, DOWN).lost
    assert not site(DOWN).lost
    assert not site().lost
    assert not site(NEW, DOWN).lost


def test_a_flapping_link_is_no_help() -> None:
    assert site(FLAPPING, DOWN).lost


def test_another_links_unconfirmed_problem_is_a_doubt() -> None:
    assert site(DOWN, FALLING).doubtful(but=DOWN.name)
    assert not site(DOWN, FALLING).doubtful(but=FALLING.name)
    assert not site(UP, WORSENING).doubtful(but=UP.name)


def test_the_rest_is_counted() -> None:
    assert redundancy(site(UP, DOWN)) == "1 of 2 still Healthy"
    assert redundancy(site(DOWN, DOWN)) == "0 of 2 Healthy"
    assert redundancy(site(UP, UP)) == "2 of 2 Healthy"
    assert redundancy(site(NEW, FLAPPING, DOWN)) == "1 of 3 still Healthy"
