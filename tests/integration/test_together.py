"""Three processes over one database, all at the same step in the same second: everything is done once (R29)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.domain.incident import IncidentKind
from notifier.domain.matching import Matcher
from notifier.domain.notification import Kind
from notifier.domain.suppression import Silence
from notifier.domain.violation import Flaw
from notifier.pipeline.settling import Settler
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.ports import Accepted, Answer, Outcome, Refused, TryAgain
from tests.support.bench import Bench, at_work
from tests.support.deliveries import claim, promise, sent, told
from tests.support.examples import LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.planted import PLANTS

CHANNELS = ("noc", "mail", "pager")
GONE = Refused(cause="404", code=404)


class Together:
    """Three processes that share a database, a clock, the API and the channels."""

    def __init__(self, database: SqlDatabase) -> None:
        self.database = database
        self.clock, self.api = FakeClock(), FakeCloudflare()
        self.api.add(LINK)
        self.noc, self.mail, self.pager = (FakeChannel(name, stateful=name == "pager") for name in CHANNELS)
        self.benches: list[Bench] = []

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                bench = await stack.enter_async_context(
                    at_work(self.database, self.clock, self.api, self.noc, self.mail, self.pager)
                )
                self.benches.append(bench)
            yield

    async def all(self, step: Callable[[Bench], Awaitable[object]]) -> None:
        """Have all take a step at once."""
        async with asyncio.timeout(30):
            await asyncio.gather(*(step(bench) for bench in self.benches))

    async def turns(self, word: str, *, minutes: int = 3) -> None:
        """Let the first see the link come to this, while the others look on."""
        self.api.words[LINK.name] = word
        await self.benches[0].advance(timedelta(minutes=minutes), step=seconds(15))

    async def said(self, channel: FakeChannel | None = None) -> list[Kind]:
        """Say what a channel (noc) was told and is yet to be told, in order."""
        told, now = channel or self.noc, self.clock.now() + seconds(3600)
        waiting = await claim(self.database, told.name, whole=True, lanes=None, now=now)
        return [m.notification.kind for m in told.taken] + [each.notification.kind for each in waiting]


@pytest.fixture
async def three(sql_database: SqlDatabase) -> AsyncIterator[Together]:
    together = Together(sql_database)
    async with together.at_work():
        await together.turns("Healthy")
        yield together


async def test_r21_people_are_reminded_once(three: Together) -> None:
    await three.turns("Down")
    three.clock.advance(timedelta(hours=4))
    await three.all(lambda bench: bench.upkeep.look())
    assert await three.said() == [Kind.PROBLEM, Kind.REMINDER]


async def test_r24_what_a_silence_kept_back_is_told_once(three: Together) -> None:
    now = three.clock.now()
    until = now + timedelta(minutes=10)
    async with three.database.begin() as work:
        await work.ledger.add_silence(Silence(id=0, match=Matcher(), from_at=now, until_at=until, by="ada", comment=""))
    await three.turns("Down")
    three.clock.advance(timedelta(minutes=10))
    await three.all(lambda bench: bench.upkeep.look())
    assert await three.said() == [Kind.PROBLEM]


async def test_r28_what_the_audit_finds_and_that_it_passes_is_told_once(three: Together) -> None:
    [plant] = (each for each in PLANTS if each.flaw is Flaw.NO_CONDITION)
    for _ in range(15):  # what is due by time has had its time then
        three.clock.advance(timedelta(minutes=1))
        await three.all(lambda bench: bench.audit.check())
    for change in (plant.plant, plant.repair):
        async with three.database.begin() as work:
            await change(work)
        three.clock.advance(timedelta(minutes=1))
        await three.all(lambda bench: bench.audit.check())
    assert await three.said() == [Kind.AUDIT_FAILED, Kind.AUDIT_PASSED]


async def test_r18_that_a_receiver_is_another_is_told_once_and_it_gets_what_is_open_once(three: Together) -> None:
    await three.turns("Down")
    three.pager.mark = "another"
    await three.all(lambda bench: bench.begin())
    assert await three.said() == [Kind.PROBLEM, Kind.STRANDED]
    assert await three.said(three.pager) == [Kind.PROBLEM, Kind.PROBLEM]


async def test_r18_channels_that_swap_their_names_are_taken_over_once_with_what_was_promised_to_both(
    three: Together,
) -> None:
    three.mail.answers = [TryAgain(cause="connection refused", arrived=False)] * 99
    await three.turns("Down")
    three.mail.mark, three.noc.mark = three.noc.mark, three.mail.mark
    await three.all(lambda bench: bench.begin())
    assert await three.said(three.noc) == [Kind.PROBLEM, Kind.PROBLEM]  # before the swap, and after it
    assert await three.said(three.mail) == []


async def settle(three: Together, channel: str, accounts: str, answer: Answer) -> None:
    """Have one message sent that tells of these accounts, one after the other, and answered so."""
    for account in accounts:
        async with three.database.begin() as work:
            await work.outbox.promise([(replace(told(), account=account), [promise(channel, lane=account)])])
    claimed = await claim(three.database, channel, lanes=len(accounts), now=three.clock.now())
    outcome = Outcome.SENT if isinstance(answer, Accepted) else Outcome.ABANDONED
    settler = Settler(Teller(Rules(channels={each.name: each for each in (three.noc, three.mail)})))
    async with three.database.begin() as work:
        await settler.settle(work, [replace(sent(each), answer=answer, outcome=outcome) for each in claimed])


async def test_r16_that_a_channel_refuses_and_works_again_is_told_once(three: Together) -> None:
    for answer in (GONE, Accepted()):
        async with asyncio.timeout(30):
            await asyncio.gather(*(settle(three, "mail", account, answer) for account in "abc"))
    assert await three.said() == [Kind.CHANNEL_FAILED, Kind.CHANNEL_WORKS]


async def test_messages_of_several_accounts_that_are_refused_at_once_do_not_wait_for_each_other(
    three: Together,
) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(settle(three, "noc", "abcd", GONE), settle(three, "mail", "dcba", GONE))
    async with three.database.begin() as work:
        assert len(await work.record.open_incidents_of(IncidentKind.CHANNEL)) == 2
