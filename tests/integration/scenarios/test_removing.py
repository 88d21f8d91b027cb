"""A link is removed when complete listings say so often enough (R9)."""

import pytest

from notifier.simulator.answers import as_json
from notifier.simulator.faults import Fault
from tests.support.examples import ACCOUNT
from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import DOWN, KEY, NAME, PAGER, bodies, down, heal, key, noc, paged, titles
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

NOT_SEEN = "cannot see 1 of 2 interconnects: 404 from Cloudflare"
SEEN = "can see interconnects again after …"
REMOVED = "icon-ams-01 removed: Cloudflare lists it no more (was Down) #3"
BLIND_KEY = f"cni:{ACCOUNT}:blind:1"
EMPTY = Fault(name="empty", spoil=lambda _: as_json(b'{"items":[],"next":null}'))


@pytest.fixture(autouse=True)
def other(stage: Stage) -> None:
    """Have a link elsewhere that stays."""
    stage.link("icon-fra-01", site="fra-a")


async def listings(stage: Stage, count: int) -> None:
    """Let so many listings pass that work."""
    await stage.advance(count * 600, step=60)


async def test_r9_a_link_is_removed_after_three_listings_without_it_and_its_incident_is_closed(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        stage.link().remove()
        await listings(stage, 2)
        assert titles(http_receiver) == [DOWN, NOT_SEEN]
        assert paged(fixed_hosts) == [("trigger", KEY), ("trigger", BLIND_KEY)]
        await listings(stage, 1)
        assert titles(http_receiver) == [DOWN, NOT_SEEN, REMOVED, SEEN]
        assert "Incident closed: removed" in bodies(http_receiver)[2]
        assert sorted(paged(fixed_hosts)[2:]) == [("resolve", BLIND_KEY), ("resolve", KEY)]
        await listings(stage, 3)
    assert len(titles(http_receiver)) == 4


async def test_r9_a_link_that_two_listings_leave_out_is_not_removed(stage: Stage, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        link = stage.account.links.pop(NAME)
        await listings(stage, 2)
        stage.account.links[NAME] = link
        await listings(stage, 4)
    assert titles(http_receiver) == [DOWN, NOT_SEEN, SEEN]


async def test_r9_a_link_that_returns_is_told_and_its_numbers_go_on(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        link = stage.account.links.pop(NAME)
        await listings(stage, 3)
        link.set("Healthy")
        stage.account.links[NAME] = link
        await listings(stage, 1)
        assert titles(http_receiver)[4:] == ["icon-ams-01 is back: watched again"]
        link.set("Down")
        await stage.advance(120)
    assert titles(http_receiver)[5:] == ["icon-ams-01 is Down (was Healthy) #5"]
    assert paged(fixed_hosts)[-1] == ("trigger", key(NAME, 2))


async def test_r9_another_link_under_an_old_name_is_told_by_its_reservation(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        stage.link().alter(reservation="another")
        await listings(stage, 1)
        assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY), ("trigger", key(NAME, 2))]
        await heal(stage)
    assert titles(http_receiver) == [
        DOWN,
        "icon-ams-01 removed: Cloudflare lists another link under its name (was Down) #3",
        "icon-ams-01 is Down (first observation) #4",
        "icon-ams-01 is Healthy again after … (was Down) #5",
    ]


async def test_r9_an_empty_listing_is_blindness_and_believed_only_when_it_stays(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    empty = "cannot see interconnects: Cloudflare lists no interconnects, 2 were known"
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        stage.account.listing.add(EMPTY)
        await stage.advance(600 + 2 * 60, step=30)
        assert titles(http_receiver) == [DOWN, empty]
        stage.account.heal()
        await stage.advance(60, step=30)
        assert titles(http_receiver) == [DOWN, empty, SEEN]
        assert paged(fixed_hosts) == [("trigger", KEY), ("trigger", BLIND_KEY), ("resolve", BLIND_KEY)]
        stage.account.listing.add(EMPTY)
        await stage.advance(600 + 6 * 60, step=30)
    assert titles(http_receiver)[3] == empty
    assert sorted(titles(http_receiver)[4:]) == [
        SEEN,
        "icon-ams-01 removed: Cloudflare lists it no more (was Down) #3",
        "icon-fra-01 removed: Cloudflare lists it no more (was Healthy) #2",
    ]
    assert ("resolve", KEY) in paged(fixed_hosts)
