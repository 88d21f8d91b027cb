"""What time alone causes, on the bench."""

from datetime import timedelta

import pytest

from notifier.domain.matching import Matcher
from notifier.domain.notification import Action, Kind
from notifier.domain.suppression import Silence
from notifier.ports import Database, TryAgain
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import ACCOUNT, LINK, seconds
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


# --- Channels that change -----------------------------------------------------------------------------------


class Changing:
    """A link that is watched by process after process, with other channels each time."""

    def __init__(self) -> None:
        self.database, self.clock, self.cloudflare = MemoryDatabase(), FakeClock(), FakeCloudflare()
        self.cloudflare.add(LINK)

    async def goes(self, word: str, *channels: FakeChannel) -> None:
        """Have the link come to this while these are the channels."""
        async with at_work(self.database, self.clock, self.cloudflare, *channels) as bench:
            self.cloudflare.words[LINK.name] = word
            await bench.advance(4 * INTERVAL, step=seconds(5))


def done(channel: FakeChannel) -> list[tuple[Action, str]]:
    return [(m.action, (m.notification.incident_key or "")[-2:]) for m in channel.taken]


def pager(mark: str = "one") -> FakeChannel:
    return FakeChannel("pager", stateful=True, mark=mark)


def stranded(channel: FakeChannel) -> list[str]:
    """Return what the channel was told of incidents that nobody can close any more."""
    told = [message.notification for message in channel.taken if message.notification.kind is Kind.STRANDED]
    return [f"{each.title}: {dict(each.facts)['Held open']}" for each in told]


OPENED, CLOSED = (Action.OPEN, ":1"), (Action.CLOSE, ":1")
KEY = f"cni:{ACCOUNT}:icon-ams-01:1"
LEFT = f"channel pager has another URL, and an incident is still open at the one before: {KEY}"


async def test_r18_another_receiver_under_an_old_name_gets_what_is_open_and_what_the_old_one_holds_is_told() -> None:
    case, noc, one, other = Changing(), FakeChannel(), pager(), pager("other")
    await case.goes("Healthy", noc, one)
    await case.goes("Down", noc, one)
    await case.goes("Down", noc, other)
    await case.goes("Healthy", noc, other)
    assert (done(one), done(other)) == ([OPENED], [OPENED, CLOSED])
    assert stranded(noc) == [LEFT]


async def test_r18_the_old_receiver_that_comes_back_is_told_of_the_end_of_what_it_holds() -> None:
    case, noc, one, other = Changing(), FakeChannel(), pager(), pager("other")
    await case.goes("Healthy", noc, one)
    await case.goes("Down", noc, one)
    await case.goes("Healthy", noc, other)
    await case.goes("Healthy", noc, one)
    assert done(one) == [OPENED, CLOSED]


async def test_r18_what_it_holds_of_a_link_that_is_watched_no_more_is_closed_as_well() -> None:
    case, noc, one, other = Changing(), FakeChannel(), pager(), pager("other")
    await case.goes("Healthy", noc, one)
    await case.goes("Down", noc, one)
    await case.goes("Down", noc, other)
    case.cloudflare.links.clear()
    async with at_work(case.database, case.clock, case.cloudflare, noc, other) as bench:
        await bench.advance(timedelta(hours=1))
    assert "icon-ams-01 removed: Cloudflare lists it no more (was Down) #3" in noc.titles
    async with at_work(case.database, case.clock, case.cloudflare, noc, one) as bench:
        await bench.advance(INTERVAL)
    assert done(one) == [OPENED, CLOSED]


async def test_r18_what_was_never_taken_is_not_said_to_be_left_open() -> None:
    case, noc, one, other = Changing(), FakeChannel(), pager(), pager("other")
    await case.goes("Healthy", noc, one)
    one.answers = [TryAgain(cause="connection refused", arrived=False)] * 9
    await case.goes("Down", noc, one)
    await case.goes("Down", noc, other)
    assert (stranded(noc), done(other)) == ([], [OPENED])
    one.answers = []
    await case.goes("Down", noc, one)
    assert done(one) == [OPENED]


async def test_r18_what_is_still_to_be_closed_at_a_receiver_that_goes_is_left_open_there() -> None:
    case, noc, one, other = Changing(), FakeChannel(), pager(), pager("other")
    await case.goes("Healthy", noc, one)
    await case.goes("Down", noc, one)
    one.answers = [TryAgain(cause="connection refused", arrived=False)] * 9
    await case.goes("Healthy", noc, one)
    await case.goes("Healthy", noc, other)
    assert stranded(noc) == [LEFT]
    assert other.tried == []
    one.answers = []
    await case.goes("Healthy", noc, one)
    assert done(one) == [OPENED, CLOSED]


async def test_r18_each_end_that_a_receiver_had_not_taken_when_it_went_waits_for_its_return() -> None:
    case, noc, one, other = Changing(), FakeChannel(), pager(), pager("other")
    await case.goes("Healthy", noc, one)
    await case.goes("Down", noc, one)
    one.answers = [TryAgain(cause="connection refused", arrived=False)] * 99
    for status in ("Healthy", "Down", "Healthy"):  # by now it is owed nothing of the last, and the first's end
        await case.goes(status, noc, one)
    await case.goes("Healthy", noc, other)
    assert (stranded(noc), other.tried) == ([LEFT], [])
    one.answers = []
    await case.goes("Healthy", noc, one)
    assert done(one) == [OPENED, CLOSED]


async def test_r18_a_name_that_was_given_up_and_is_given_to_another_receiver_later_brings_nothing_with_it() -> None:
    case, noc, one, other = Changing(), FakeChannel(), pager(), pager("other")
    await case.goes("Healthy", noc, one)
    await case.goes("Down", noc, one)
    await case.goes("Down", noc)
    await case.goes("Down", noc, other)
    assert done(other) == [OPENED]
    assert stranded(noc) == [f"channel pager was removed and still holds an incident open: {KEY}"]


async def test_r18_two_channels_that_swap_their_names_know_what_they_knew() -> None:
    case, noc = Changing(), FakeChannel()
    day, night = FakeChannel("day", stateful=True), FakeChannel("night", stateful=True)
    await case.goes("Healthy", noc, day, night)
    await case.goes("Down", noc, day, night)
    night.answers = [TryAgain(cause="connection refused")] * 9
    await case.goes("Healthy", noc, day, night)
    day.name, night.name, night.answers = night.name, day.name, []
    await case.goes("Healthy", noc, day, night)
    assert (done(day), done(night), stranded(noc)) == ([OPENED, CLOSED], [OPENED, CLOSED], [])


@pytest.mark.parametrize("stateful", [False, True])
async def test_r18_a_channel_that_becomes_one_of_the_other_kind_gets_what_is_open(*, stateful: bool) -> None:
    case, noc = Changing(), FakeChannel()
    before, after = (FakeChannel("it", stateful=kind, mark=str(kind)) for kind in (not stateful, stateful))
    await case.goes("Healthy", noc, before)
    before.answers = [TryAgain(cause="connection refused")] * 9
    await case.goes("Down", noc, before)
    await case.goes("Down", noc, after)
    assert len(after.taken) == 1
    await case.goes("Healthy", noc, after)
    assert [m.action for m in after.taken] == ([Action.OPEN, Action.CLOSE] if stateful else [Action.TELL] * 2)


async def test_what_waits_for_a_message_channel_goes_to_its_new_address() -> None:
    case, old, new = Changing(), FakeChannel(), FakeChannel(mark="moved")
    await case.goes("Healthy", old)
    old.answers = [TryAgain(cause="connection refused", arrived=False)] * 99
    await case.goes("Down", old)
    await case.goes("Healthy", old)
    await case.goes("Healthy", new)
    [told] = new.taken
    assert told.notification.lead.startswith("It was over before it could be told.")


async def test_what_a_channel_that_was_given_up_had_not_got_it_gets_when_it_is_back() -> None:
    case, noc, mail = Changing(), FakeChannel(), FakeChannel("mail")
    await case.goes("Healthy", noc, mail)
    mail.answers = [TryAgain(cause="connection refused", arrived=False)] * 99
    await case.goes("Down", noc, mail)
    await case.goes("Down", noc)
    mail.answers = []
    await case.goes("Down", noc, mail)
    assert mail.titles == ["icon-ams-01 is Down (was Healthy) #2"]


async def test_another_address_of_a_message_channel_gets_what_is_open_once() -> None:
    case, old, new = Changing(), FakeChannel(), FakeChannel(mark="moved")
    await case.goes("Healthy", old)
    await case.goes("Down", old)
    await case.goes("Down", new)
    await case.goes("Down", new)
    assert new.titles == ["icon-ams-01 is Down (was Healthy) #2"]
