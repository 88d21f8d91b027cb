"""What is recorded together: a batch of one link's observations, on each database."""

from datetime import timedelta

from notifier.domain.decision import Policy
from notifier.domain.incident import IncidentKind
from notifier.ports import Database
from tests.support.bench import at_work
from tests.support.examples import LINK, observation, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare

AT_FIRST_SIGHT = Policy(confirm=1, recover=1, recover_for=timedelta())


async def test_r10_a_link_that_begins_to_flap_within_one_batch_keeps_the_incident_it_opened_there(
    database: Database,
) -> None:
    clock, api, noc = FakeClock(), FakeCloudflare(), FakeChannel("noc")
    api.add(LINK)
    async with at_work(database, clock, api, noc, policy=AT_FIRST_SIGHT) as bench:
        words = 3 * ["Down", "Healthy"] + ["Down"]
        seen = [observation(word, clock.now() + seconds(number)) for number, word in enumerate(words)]
        clock.advance(seconds(10))
        await bench.recorder.record(seen)
    async with database.begin() as work:
        [still_open] = await work.record.open_incidents_of(IncidentKind.INTERCONNECT)
    assert still_open.number == 2
