"""What follows from a delivery that was refused (R16, R18)."""

from datetime import timedelta

import pytest

from notifier.domain.notification import Action
from notifier.ports import Refused
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
