"""What time alone causes, on the bench."""

from datetime import timedelta

from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence
from notifier.ports import Database
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import LINK
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase


async def silence(database: Database, clock: FakeClock, span: timedelta) -> None:
    now = clock.now()
    given = Silence(id=0, match=Matcher(), from_at=now, until_at=now + span, by="ada", comment="")
    async with database.begin() as work:
        await work.ledger.add_silence(given)


async def test_what_is_kept_back_from_a_channel_that_is_gone_is_looked_at_once_and_told_if_it_comes_back() -> None:
    database, clock, cloudflare = MemoryDatabase(), FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    noc, pager = FakeChannel("noc"), FakeChannel("pager", stateful=True)
    async with at_work(database, clock, cloudflare, noc, pager) as bench:
        await silence(database, clock, timedelta(minutes=10))
        await bench.advance(INTERVAL)
        cloudflare.words[LINK.name] = "Down"
        await bench.advance(3 * INTERVAL)
    async with at_work(database, clock, cloudflare, noc) as bench:
        await bench.advance(10 * INTERVAL)
        async with database.begin() as work:
            assert await work.ledger.due(clock.now()) == []
    async with at_work(database, clock, cloudflare, noc, pager) as bench:
        await bench.advance(INTERVAL)
    assert pager.titles == noc.titles == ["icon-ams-01 is Down (was Healthy) #2"]
