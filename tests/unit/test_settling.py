"""What follows from a delivery that was refused, and from sending it again (R16, R18)."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.domain.notification import Action, Kind
from notifier.domain.pacing import Storm
from notifier.pipeline.delivery import Deliverer
from notifier.pipeline.retrying import resend
from notifier.pipeline.settling import Settler
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.ports import Answer, Outcome, Refused, TryAgain
from tests.support.bench import INTERVAL, Bench, at_work
from tests.support.examples import LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare, HeldChannel
from tests.support.memory import MemoryDatabase

HOUR = timedelta(minutes=61)
GONE = Refused(cause="404", code=404)
AWAY: list[Answer] = [TryAgain(cause="connection refused", arrived=False)]


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


async def test_r18_a_process_that_was_paused_and_opens_what_is_over_closes_it_again(pager: FakeChannel) -> None:
    database, clock, cloudflare = MemoryDatabase(), FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    paused = HeldChannel("on-call", stateful=True)
    async with at_work(database, clock, cloudflare, pager) as bench:
        await bench.advance(INTERVAL)
        pager.answers = [TryAgain(cause="connection refused", arrived=False)]
        cloudflare.words[LINK.name] = "Down"
        while not pager.tried:
            await bench.advance(seconds(1))
        clock.advance(seconds(5))
        late = asyncio.create_task(another(database, clock, paused).drain())
        await paused.begun.acquire()
        await bench.advance(2 * INTERVAL)
        cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(3 * INTERVAL)
        assert done(pager) == [(Action.OPEN, ":1"), (Action.CLOSE, ":1")]
        paused.gate.set()
        await late
    assert done(paused) == [(Action.OPEN, ":1"), (Action.CLOSE, ":1")]


async def test_r16_what_is_refused_beside_what_is_taken_is_owed_again_and_the_trouble_ends() -> None:
    noc, pager, clock, cloudflare = FakeChannel(), FakeChannel("pager", stateful=True), FakeClock(), FakeCloudflare()
    links = [LINK, replace(LINK, name="icon-fra-01", site="fra-a")]
    for link in links:
        cloudflare.add(link)
    async with at_work(MemoryDatabase(), clock, cloudflare, noc, pager) as bench:
        await bench.advance(3 * INTERVAL)
        pager.answers = [GONE]
        cloudflare.words = {link.name: "Down" for link in links}
        await bench.advance(timedelta(hours=3))
    assert sorted(each.notification.subject for each in pager.taken) == [link.name for link in links]
    trouble = [title for title in noc.titles if "channel pager" in title]
    assert [title.partition(" after ")[0] for title in trouble] == [
        "channel pager does not take messages: 404",
        "channel pager takes messages again",
    ]


def another(database: MemoryDatabase, clock: FakeClock, channel: FakeChannel) -> Deliverer:
    """Make the deliverer of another process."""
    return Deliverer(
        channel=channel,
        database=database,
        clock=clock,
        owner="another",
        chance=lambda: 0.5,
        storm=Storm(),
        settle=Settler(Teller(Rules(channels={channel.name: channel}))).settle,
        committed=lambda: None,
    )


async def told(*story: tuple[str, list[Answer]]) -> list[str | None]:
    """Return what noc took of a link that came to each of these, when the channel answered so."""
    noc, clock, cloudflare = FakeChannel(), FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    async with at_work(MemoryDatabase(), clock, cloudflare, noc) as bench:
        for word, answers in story:
            noc.answers, cloudflare.words[LINK.name] = answers, word
            await bench.advance(3 * INTERVAL, step=seconds(5))
    return [message.notification.status for message in noc.taken]


async def test_what_a_channel_refused_again_and_again_it_never_knew() -> None:
    assert await told(("Healthy", []), ("Down", [GONE]), ("Unhealthy", [GONE]), ("Down", [])) == ["Down"]


async def test_a_message_that_may_have_arrived_before_it_was_refused_is_followed_by_what_came_of_it() -> None:
    lost = TryAgain(cause="connection lost")
    assert await told(("Healthy", []), ("Down", [lost, GONE]), ("Healthy", [])) == ["Healthy"]


# --- What an operator has sent once more --------------------------------------------------------------------


class Retried:
    """A link whose problem a receiver refused; `again` has the last that was abandoned sent once more."""

    def __init__(self, channel: FakeChannel) -> None:
        self.channel = channel
        self.clock, self.cloudflare, self.database = FakeClock(), FakeCloudflare(), MemoryDatabase()
        for link in (LINK, replace(LINK, name="icon-ams-02")):
            self.cloudflare.add(link)

    async def is_(self, bench: Bench, word: str, *answers: Answer, link: str = LINK.name) -> None:
        """Have the link come to this, and the channel answer so."""
        self.channel.answers = list(answers)
        self.cloudflare.words[link] = word
        await bench.advance(2 * INTERVAL, step=seconds(5))

    async def again(self, delivery: int = -1) -> str | None:
        rows = [row for row in self.database.tables.deliveries if row.outcome is Outcome.ABANDONED]
        async with self.database.begin() as work:
            return await resend(work, rows[delivery].id, self.clock.now(), remind=timedelta(hours=4))

    def at_work(self, channel: FakeChannel | None = None) -> AbstractAsyncContextManager[Bench]:
        return at_work(self.database, self.clock, self.cloudflare, channel or self.channel)


async def test_r18_what_is_sent_again_and_is_over_before_it_goes_out_leaves_nothing_open(pager: FakeChannel) -> None:
    case = Retried(pager)
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Down", GONE)
        assert await case.again() is None
        await case.is_(bench, "Healthy", *AWAY * 5)
        await bench.advance(5 * INTERVAL)
    assert done(pager) == [(Action.CLOSE, ":1")]


async def test_r18_what_is_sent_again_and_taken_is_closed_at_its_end_whatever_crashed(pager: FakeChannel) -> None:
    case = Retried(pager)
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Down", GONE)
        await case.again()
        async with case.database.begin() as work:  # a process takes it, and dies before it hears of it
            until = case.clock.now() + seconds(60)
            await work.outbox.claim(pager.name, whole=False, lanes=1, now=case.clock.now(), until=until, owner="dead")
        await case.is_(bench, "Healthy", *AWAY * 3)
        await bench.advance(5 * INTERVAL)
    assert done(pager) == [(Action.CLOSE, ":1")]


@pytest.mark.parametrize("answers", [[], AWAY, [TryAgain(cause="connection lost")]])
async def test_r18_what_is_sent_again_counts_as_told(pager: FakeChannel, answers: list[Answer]) -> None:
    case = Retried(pager)
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Down", GONE)
        await case.again()
        await case.is_(bench, "Down", *answers)
        await bench.advance(HOUR, step=seconds(15))
        assert done(pager) == [(Action.OPEN, ":1")]
        await case.is_(bench, "Healthy")
    assert done(pager) == [(Action.OPEN, ":1"), (Action.CLOSE, ":1")]


async def test_r18_a_worsening_that_is_sent_again_is_over_with_its_incident(pager: FakeChannel) -> None:
    case = Retried(pager)
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Unhealthy")
        await case.is_(bench, "Down", GONE)
        await case.again()
        await case.is_(bench, "Healthy", *AWAY * 5)
        await bench.advance(5 * INTERVAL)
    assert done(pager) == [(Action.OPEN, ":1"), (Action.CLOSE, ":1")]


async def test_r18_a_lost_site_that_is_told_again_is_closed_when_it_is_back(pager: FakeChannel) -> None:
    case = Retried(pager)
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        case.cloudflare.words[LINK.name] = "Down"
        await case.is_(bench, "Down", GONE, GONE, link="icon-ams-02")
        await case.again()
        await case.is_(bench, "Healthy", *AWAY * 5)
        await bench.advance(5 * INTERVAL)
    assert (Action.CLOSE, ":1") in done(pager)
    assert [m.action for m in pager.taken if ":site:" in str(m.notification.incident_key)] == [Action.CLOSE]


async def test_r18_what_is_sent_again_to_a_channel_that_gets_another_name_is_closed_under_that(
    pager: FakeChannel,
) -> None:
    case, renamed = Retried(pager), FakeChannel("night", stateful=True, mark=pager.mark)
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Down", GONE)
        await case.again()
    renamed.answers = AWAY * 5
    async with case.at_work(renamed) as bench:
        case.cloudflare.words[LINK.name] = "Healthy"
        await bench.advance(7 * INTERVAL)
    assert [message.action for message in renamed.taken] == [Action.CLOSE]


async def test_a_message_that_is_sent_again_is_followed_by_what_came_of_it() -> None:
    case = Retried(FakeChannel("noc"))
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Down", GONE)
        await case.is_(bench, "Healthy")
        assert case.channel.titles == []
        assert await case.again() is None
        await bench.advance(INTERVAL)
    [told] = [message.notification for message in case.channel.taken]
    assert (told.status, told.lead.partition(".")[0]) == ("Healthy", "It was over before it could be told")


async def test_of_what_is_sent_again_people_are_reminded() -> None:
    case = Retried(FakeChannel("noc"))
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Down", GONE)
        await case.again()
        await bench.advance(timedelta(hours=5), step=seconds(60))
    assert [message.notification.kind for message in case.channel.taken] == [Kind.PROBLEM, Kind.REMINDER]


@pytest.mark.parametrize("stateful", [False, True])
async def test_what_is_out_of_date_is_not_sent_again(*, stateful: bool) -> None:
    case = Retried(FakeChannel("noc", stateful=stateful))
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Unhealthy", GONE)
        await case.is_(bench, "Down", GONE)
        assert await case.again(0) == "is out of date: it says how icon-ams-01 stood then"
        assert await case.again(1) is None
        assert await case.again(0) == "is out of date: it says how icon-ams-01 stood then"
        await case.is_(bench, "Down")
    assert case.channel.titles[0].startswith("icon-ams-01 is Down")


async def test_r18_an_opening_of_what_has_ended_is_not_sent_again_but_its_close_is(pager: FakeChannel) -> None:
    case = Retried(pager)
    async with case.at_work() as bench:
        await case.is_(bench, "Healthy")
        await case.is_(bench, "Down", TryAgain(cause="connection lost"), GONE)
        await case.is_(bench, "Healthy", GONE)
        opening, close = (row.id for row in case.database.tables.deliveries if row.outcome is Outcome.ABANDONED)
        async with case.database.begin() as work:
            said = [await resend(work, n, case.clock.now(), remind=timedelta(0)) for n in (opening, close, close)]
        assert said[1:] == [None, "was not abandoned"]
        await bench.advance(INTERVAL)
    assert done(pager) == [(Action.CLOSE, ":1")]
