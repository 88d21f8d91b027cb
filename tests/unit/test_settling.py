"""What follows from a delivery that was refused, and from sending it again (R16, R18)."""

from datetime import timedelta

import pytest

from notifier.domain.notification import Action
from notifier.ports import Refused, TryAgain
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase

HOUR = timedelta(minutes=61)


@pytest.fixture
def pager() -> FakeChannel:
    return FakeChannel("on-call", stateful=True)


def done(pager: FakeChannel) -> list[tuple[Action, str]]:
    return [(m.action, (m.notification.incident_key or "")[-2:]) for m in pager.taken]


async def test_an_end_that_was_refused_is_tried_again_though_the_next_incident_has_come(pager: FakeChannel) -> None:
    clock, cloudflare = FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    async with at_work(MemoryDatabase(), clock, cloudflare, pager) as bench:
        for word, answers in (("Healthy", []), ("Down", []), ("Healthy", [404]), ("Down", [404, 404])):
            pager.answers = [Refused(cause="no such key", code=code) for code in answers]
            cloudflare.words[LINK.name] = word
            await bench.advance(3 * INTERVAL, step=seconds(5))
        assert done(pager) == [(Action.OPEN, ":1")]
        pager.answers = []
        await bench.advance(HOUR, step=seconds(15))
    assert sorted(done(pager)) == [(Action.CLOSE, ":1"), (Action.OPEN, ":1"), (Action.OPEN, ":2")]


async def test_an_opening_that_may_have_arrived_before_it_was_refused_is_closed_whatever_became_of_the_next(
    pager: FakeChannel,
) -> None:
    clock, cloudflare = FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    async with at_work(MemoryDatabase(), clock, cloudflare, pager) as bench:
        await bench.advance(INTERVAL)
        pager.answers = [TryAgain(cause="connection lost"), Refused(cause="404")]
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(3 * INTERVAL)
        pager.answers = [TryAgain(cause="connection refused", arrived=False)] * 20
        await bench.advance(HOUR, step=seconds(15))
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(3 * INTERVAL)
        pager.answers = []
        await bench.advance(5 * INTERVAL)
    assert done(pager) == [(Action.CLOSE, ":1")]


async def test_a_worsening_that_was_over_before_it_could_be_told_raises_nothing(pager: FakeChannel) -> None:
    clock, cloudflare = FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    async with at_work(MemoryDatabase(), clock, cloudflare, pager) as bench:
        for word, answers in (("Healthy", []), ("Unhealthy", []), ("Down", [503] * 6), ("Healthy", [])):
            pager.answers = [*pager.answers, *(TryAgain(cause="busy", code=code, arrived=False) for code in answers)]
            cloudflare.words[LINK.name] = word
            await bench.advance(3 * INTERVAL, step=seconds(5))
        pager.answers = []
        await bench.advance(5 * INTERVAL)
    assert done(pager) == [(Action.OPEN, ":1"), (Action.CLOSE, ":1")]


async def test_an_opening_that_was_refused_with_the_worsening_after_it_is_owed_again_though_it_has_eased(
    pager: FakeChannel,
) -> None:
    clock, cloudflare = FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    async with at_work(MemoryDatabase(), clock, cloudflare, pager) as bench:
        await bench.advance(INTERVAL)
        pager.answers = [*[TryAgain(cause="busy", arrived=False)] * 5, Refused(cause="404"), Refused(cause="404")]
        for word, minutes in (("Unhealthy", 2), ("Down", 4), ("Unhealthy", 2)):
            cloudflare.words[LINK.name] = word
            await bench.advance(minutes * INTERVAL, step=seconds(5))
    assert done(pager) == [(Action.UPDATE, ":1")]
