"""What every outbox promises (R15-R17, R20, R26, R27): one suite over memory, SQLite and PostgreSQL."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.domain.merging import Waiting
from notifier.domain.notification import Action
from notifier.domain.pacing import Sent
from notifier.ports import Claimed, Database, Outcome, Refused, Settlement, TryAgain
from tests.support.deliveries import LATER, LEASED, claim, promise, put, sent, settle, told
from tests.support.examples import NIGHT, seconds
from tests.support.sealing import seal

OPEN, UPDATE, CLOSE = Action.OPEN, Action.UPDATE, Action.CLOSE


def titles(claimed: list[Claimed]) -> list[str]:
    return [each.notification.title for each in claimed]


def again(claimed: Claimed, *, arrived: bool = True) -> Settlement:
    answer = TryAgain(cause="500", arrived=arrived)
    return replace(sent(claimed), outcome=Outcome.PENDING, answer=answer, cause="500", due_at=LEASED)


def abandoned(claimed: Claimed) -> Settlement:
    return replace(sent(claimed), outcome=Outcome.ABANDONED, answer=Refused(cause="401"), cause="401")


async def retry(database: Database, delivery: int) -> bool:
    async with database.begin() as work:
        return await work.outbox.retry(delivery, due_at=LEASED, give_up_at=LEASED + timedelta(hours=3))


async def passing(database: Database) -> list[Waiting]:
    async with database.begin() as work:
        return await work.outbox.passing("noc", LATER)


async def test_a_claimed_delivery_comes_with_its_words(database: Database) -> None:
    await put(database, promise())
    [claimed] = await claim(database)
    assert claimed.notification == told("title 0")
    assert claimed.promise == promise()
    assert (claimed.attempt, claimed.uncertain) == (1, False)
    async with database.begin() as work:
        assert await work.outbox.notifications([claimed.notification_id]) == {claimed.notification_id: told("title 0")}
        assert await work.outbox.notifications([]) == {}


async def test_a_channel_with_nothing_due_is_not_held(database: Database) -> None:
    await put(database, promise("mail"), promise(due_at=LEASED))
    async with database.begin() as work:
        assert not await work.outbox.hold("noc", LATER)
        assert await work.outbox.hold("noc", LEASED)


async def test_a_leased_delivery_is_nobody_elses_until_the_lease_ends(database: Database) -> None:
    await put(database, promise())
    await claim(database)
    assert await claim(database, owner="them") == []
    [taken_over] = await claim(database, owner="them", now=LEASED)
    assert taken_over.attempt == 2


async def test_a_lease_is_renewed_by_its_owner_even_when_it_ran_out_but_not_when_it_was_taken_over(
    database: Database,
) -> None:
    await put(database, promise(), promise("mail"))
    [ours], [lost] = await claim(database), await claim(database, "mail")
    await claim(database, "mail", owner="them", now=LEASED)
    until = LEASED + seconds(60)
    async with database.begin() as work:
        await work.outbox.renew([ours.id, lost.id], until=until, owner="us")
        await work.outbox.renew([], until=until, owner="us")
        await work.outbox.renew([ours.id], until=until + seconds(60), owner="them")
    assert await claim(database, owner="them", now=until - seconds(1)) == []
    assert await settle(database, sent(ours), sent(lost)) == [sent(ours)]


async def test_who_lost_the_lease_settles_nothing(database: Database) -> None:
    await put(database, promise())
    [ours] = await claim(database)
    [theirs] = await claim(database, owner="them", now=LEASED)
    assert await settle(database, sent(ours)) == []
    held = sent(theirs, owner="them")
    assert await settle(database, sent(ours), held) == [held]


async def test_a_lane_is_first_in_first_out(database: Database) -> None:
    await put(database, promise(), promise(), promise(lane="b"))
    first, other_lane = await claim(database)
    assert titles([first, other_lane]) == ["title 0", "title 2"]
    assert await claim(database) == []
    await settle(database, sent(first))
    assert titles(await claim(database)) == ["title 1"]


async def test_a_delivery_to_be_tried_again_blocks_its_lane(database: Database) -> None:
    await put(database, promise(), promise())
    [first] = await claim(database)
    await settle(database, again(first))
    assert await claim(database, now=LEASED - seconds(1)) == []
    [retried] = await claim(database, now=LEASED)
    assert (retried.id, retried.attempt) == (first.id, 2)


async def test_an_abandoned_delivery_lets_the_next_pass(database: Database) -> None:
    await put(database, promise(), promise())
    [first] = await claim(database)
    await settle(database, abandoned(first))
    assert titles(await claim(database)) == ["title 1"]


async def test_r20_a_lane_that_is_due_is_taken_whole_what_is_not_yet_due_too(database: Database) -> None:
    later = promise(due_at=NIGHT + seconds(9))
    await put(database, promise(), later, promise(lane="b"), promise(lane="c", due_at=later.due_at))
    assert titles(await claim(database, whole=True)) == ["title 0", "title 1", "title 2"]


async def test_r20_a_lane_waits_until_its_oldest_is_due(database: Database) -> None:
    await put(database, promise(due_at=LEASED), promise())
    assert await claim(database, whole=True) == []
    assert titles(await claim(database, whole=True, now=LEASED)) == ["title 0", "title 1"]


async def test_what_is_promised_to_a_lane_that_is_being_sent_waits_for_it(database: Database) -> None:
    await put(database, promise(), promise())
    batch = await claim(database, whole=True)
    await put(database, promise())
    assert await claim(database, whole=True) == []
    await settle(database, *map(sent, batch))
    assert titles(await claim(database, whole=True)) == ["title 0"]


async def test_one_answer_settles_all_that_went_in_one_message(database: Database) -> None:
    await put(database, promise(), promise())
    batch = await claim(database, whole=True)
    await settle(database, *map(again, batch))
    assert await claim(database, whole=True) == []
    assert [each.attempt for each in await claim(database, whole=True, now=LEASED)] == [2, 2]


async def test_r26_the_lane_with_something_urgent_goes_first(database: Database) -> None:
    mild, urgent = promise(lane="a", urgency=1), promise(lane="b", urgency=1)
    await put(database, mild, urgent, replace(urgent, urgency=0), promise(lane="c", urgency=1))
    assert [each.promise.lane for each in await claim(database, lanes=1)] == ["b"]
    assert [each.promise.lane for each in await claim(database, whole=True)] == ["a", "c"]


async def test_lanes_come_one_after_the_other_each_in_its_order(database: Database) -> None:
    lanes = [promise(lane=lane) for lane in "abab"]
    await put(database, *lanes)
    assert titles(await claim(database, whole=True, lanes=None)) == ["title 0", "title 2", "title 1", "title 3"]


async def test_each_channel_has_its_own_deliveries(database: Database) -> None:
    async with database.begin() as work:
        await work.outbox.promise([(told(), [promise("noc"), promise("mail")])])
    [noc] = await claim(database, "noc")
    await settle(database, sent(noc))
    async with database.begin() as work:
        assert await work.outbox.waiting_channels() == {"mail"}
        assert len(await work.outbox.abandon("mail", "gone", LATER)) == 1
        assert await work.outbox.waiting_channels() == set()


async def test_the_earliest_that_is_due_is_the_first_of_some_lane(database: Database) -> None:
    async def earliest(*channels: str) -> datetime | None:
        async with database.begin() as work:
            return await work.outbox.earliest_due(channels)

    assert await earliest("noc") is None
    await put(database, promise(due_at=LATER), promise(due_at=NIGHT), promise("mail", due_at=LEASED))
    assert (await earliest("noc"), await earliest("mail"), await earliest()) == (LATER, LEASED, None)
    [first] = await claim(database)
    assert await earliest("noc", "mail") == LATER  # it is being sent
    await settle(database, again(first))
    assert await earliest("noc") == LEASED  # and what is behind it in the lane waits for it
    await settle(database, *[sent(each) for each in await claim(database, now=LEASED)])
    assert await earliest("noc", "mail") == NIGHT


async def test_released_leases_are_due_again(database: Database) -> None:
    await put(database, promise())
    await claim(database)
    async with database.begin() as work:
        await work.outbox.release("somebody else")
    assert await claim(database) == []
    async with database.begin() as work:
        await work.outbox.release("us")
    assert len(await claim(database)) == 1


async def test_only_what_is_settled_and_old_is_forgotten(database: Database) -> None:
    await put(database, promise(), promise(lane="b"))
    settled, _ = await claim(database)
    await settle(database, sent(settled))
    await seal(database)
    async with database.begin() as work:
        await work.chain.prune(NIGHT, deliveries_before=NIGHT + timedelta(days=90), observations_before=NIGHT)
    assert titles(await claim(database, now=LEASED)) == ["title 1"]


@pytest.mark.parametrize(("arrived", "uncertain"), [(True, True), (False, False)])
async def test_an_attempt_that_may_have_arrived_makes_a_delivery_uncertain(
    database: Database, *, arrived: bool, uncertain: bool
) -> None:
    await put(database, promise())
    [first] = await claim(database)
    await settle(database, again(first, arrived=arrived))
    [second] = await claim(database, now=LEASED)
    assert second.uncertain is uncertain


async def test_once_uncertain_it_stays_so(database: Database) -> None:
    await put(database, promise())
    [first] = await claim(database)
    await settle(database, again(first))
    [second] = await claim(database, now=LEASED)
    await settle(database, again(second, arrived=False))
    [third] = await claim(database, now=LEASED)
    assert third.uncertain


async def test_an_attempt_that_was_never_settled_may_have_arrived(database: Database) -> None:
    await put(database, promise())
    await claim(database)
    [taken_over] = await claim(database, owner="them", now=LEASED)
    assert taken_over.uncertain


async def test_r17_what_waits_in_a_lane_with_an_opening_and_its_close_is_found(database: Database) -> None:
    opens, updates, closes = (promise(action=action) for action in (OPEN, UPDATE, CLOSE))
    await put(database, opens, updates, replace(opens, lane="b"), replace(closes, due_at=LEASED))
    found = [(waiting.action, waiting.key, waiting.uncertain) for waiting in await passing(database)]
    assert found == [(action, "cni:a:b:1", False) for action in (OPEN, UPDATE, CLOSE)]


async def test_r17_an_opening_that_is_being_sent_is_not_waiting(database: Database) -> None:
    await put(database, promise(action=OPEN), promise(action=CLOSE))
    [opening] = await claim(database)
    assert await passing(database) == []
    await settle(database, again(opening))
    assert [waiting.uncertain for waiting in await passing(database)] == [True, False]


async def test_r17_a_close_that_waits_behind_nothing_is_not_passing(database: Database) -> None:
    await put(database, promise(action=CLOSE), promise(action=OPEN), promise("mail", action=CLOSE))
    assert await passing(database) == []


async def test_what_is_called_off_is_not_sent_and_says_why(database: Database) -> None:
    await put(database, promise(action=OPEN), promise(action=CLOSE), promise())
    async with database.begin() as work:
        waiting = await work.outbox.passing("noc", LATER)
        await work.outbox.call_off({each.id for each in waiting[:2]}, "over before it could be sent", LATER)
        await work.outbox.call_off([], "nothing", LATER)
    assert titles(await claim(database)) == ["title 2"]


async def test_r27_messages_are_counted_with_their_lanes_and_what_is_under_way_counts(database: Database) -> None:
    await put(database, *(promise(lane=lane) for lane in "aabc"), promise("mail"))
    [other] = await claim(database, "mail")
    await settle(database, sent(other, message="another channel's"))
    batch = await claim(database, whole=True, lanes=2)
    await settle(database, *(sent(each, at=LATER, message="first") for each in batch))
    [last] = await claim(database)
    now = NIGHT + seconds(5)
    async with database.begin() as work:
        counted = await work.outbox.sent("noc", since=NIGHT, now=now)
        assert sorted(counted, key=lambda each: each.at) == [Sent(at=LATER, lanes=2), Sent(at=now, lanes=1)]
        assert await work.outbox.sent("noc", since=LATER, now=now) == [Sent(at=now, lanes=1)]
    await settle(database, sent(last, at=now, message="second"))
    async with database.begin() as work:
        assert len(await work.outbox.sent("noc", since=NIGHT, now=now)) == 2


async def test_an_abandoned_delivery_is_due_again_and_may_have_arrived_before(database: Database) -> None:
    await put(database, promise())
    [one] = await claim(database)
    await settle(database, abandoned(one))
    async with database.begin() as work:
        lost = await work.outbox.abandoned(one.id)
    assert lost is not None
    assert (lost.notification, lost.notification_id) == (one.notification, one.notification_id)
    assert await retry(database, one.id)
    [retried] = await claim(database, now=LEASED)
    assert (retried.id, retried.attempt, retried.uncertain) == (one.id, 2, True)
    assert retried.promise == replace(lost.promise, due_at=LEASED, give_up_at=LEASED + timedelta(hours=3))


async def test_only_what_was_abandoned_is_tried_again(database: Database) -> None:
    async def refused(delivery: int) -> bool:
        async with database.begin() as work:
            lost = await work.outbox.abandoned(delivery)
        return lost is None and not await retry(database, delivery)

    await put(database, promise())
    assert await refused(4711)
    [one] = await claim(database)
    assert await refused(one.id)
    await settle(database, sent(one))
    assert await refused(one.id)


async def test_what_is_tried_again_waits_for_what_is_being_sent_in_its_lane(database: Database) -> None:
    await put(database, promise(), promise())
    [first] = await claim(database)
    await settle(database, abandoned(first))
    [second] = await claim(database, now=LEASED)
    assert await retry(database, first.id)
    assert await claim(database, now=LEASED + seconds(1)) == []
    await settle(database, sent(second))
    assert titles(await claim(database, now=LEASED + seconds(1))) == ["title 0"]


# --- A clock that was ahead ---------------------------------------------------------------------------------


HOUR = timedelta(hours=1)


async def bring_back(database: Database, now: datetime = NIGHT) -> None:
    async with database.begin() as work:
        await work.outbox.bring_back(now, wait=seconds(10), lease=seconds(60))


async def test_r7_what_was_never_tried_waits_no_longer_than_anything_is_gathered(database: Database) -> None:
    await put(database, promise(due_at=NIGHT + HOUR), promise("mail", due_at=NIGHT + seconds(5)))
    await bring_back(database)
    assert await claim(database, now=NIGHT + seconds(9)) == []
    assert titles(await claim(database, now=NIGHT + seconds(10))) == ["title 0"]
    assert titles(await claim(database, "mail", now=NIGHT + seconds(5))) == ["title 1"]


async def test_r7_what_was_tried_waits_as_long_as_it_was_to_and_a_receivers_wish_is_kept(database: Database) -> None:
    await put(database, promise(), promise(lane="b"))
    ahead, present = await claim(database)
    wait = timedelta(minutes=30)
    for claimed, ended in ((ahead, NIGHT + HOUR), (present, NIGHT)):
        await settle(database, replace(again(claimed), ended_at=ended, due_at=ended + wait))
    for _ in range(2):  # the second time there is nothing to do
        await bring_back(database)
    assert await claim(database, now=NIGHT + wait - seconds(1)) == []
    assert len(await claim(database, now=NIGHT + wait)) == 2


async def test_r7_no_lease_lasts_longer_than_a_lease_does(database: Database) -> None:
    await put(database, promise(), promise("mail"))
    await claim(database, now=NIGHT + HOUR)
    await claim(database, "mail", now=NIGHT)
    await bring_back(database)
    assert await claim(database, owner="them", now=NIGHT + seconds(59)) == []
    assert len(await claim(database, owner="them", now=NIGHT + seconds(60))) == 1
    assert len(await claim(database, "mail", owner="them", now=NIGHT + seconds(60))) == 1


async def test_many_claimers_never_share_a_delivery(sql_database: Database) -> None:
    await put(sql_database, *(promise(lane=str(number)) for number in range(40)))
    claims = await asyncio.gather(*(claim(sql_database, owner=f"replica {n}", lanes=10) for n in range(8)))
    ids = [claimed.id for claimed in chain.from_iterable(claims)]
    assert len(ids) == len(set(ids)) == 40


async def test_lanes_keep_their_order_whoever_sends(sql_database: Database) -> None:
    """Four processes at once, each claiming whole lanes and settling them, while more is promised."""
    heard: list[tuple[str, str]] = []

    async def work_as(owner: str) -> None:
        while len(heard) < 60:
            batch = await claim(sql_database, owner=owner, whole=True, lanes=2)
            heard.extend((each.promise.lane, each.notification.title) for each in batch)
            await asyncio.sleep(0)
            await settle(sql_database, *(sent(each, owner) for each in batch))

    async def promise_more() -> None:
        for number in range(20):
            async with sql_database.begin() as work:
                for lane in "abc":
                    await work.outbox.promise([(told(f"{number:02}"), [promise(lane=lane)])])

    async with asyncio.timeout(30):
        await asyncio.gather(promise_more(), *(work_as(f"replica {n}") for n in range(4)))
    assert Counter(heard).most_common(1)[0][1] == 1
    for lane in "abc":
        assert [title for each, title in heard if each == lane] == [f"{number:02}" for number in range(20)]


@pytest.mark.parametrize("whole", [False, True], ids=["one by one", "whole lanes"])
async def test_a_claim_passes_over_a_lane_whose_oldest_another_process_is_just_writing(
    postgres_url: str, *, whole: bool
) -> None:
    """One that took longer than its lease to send, and freezes before what it settled is committed."""
    database = SqlDatabase(postgres_url)
    await database.prepare(migrate=True)
    await put(database, promise(lane="a"), promise(lane="a"), promise(lane="b"), promise(lane="c"))
    [late] = await claim(database, owner="slow", lanes=1)
    later = LEASED + seconds(1)
    async with database.begin() as slow, asyncio.timeout(5):
        assert await slow.outbox.settle([sent(late, "slow")])
        assert titles(await claim(database, now=later, whole=whole, lanes=1)) == ["title 2"]
        assert titles(await claim(database, now=later, whole=whole)) == ["title 3"]
    assert titles(await claim(database, now=later, whole=whole)) == ["title 1"]
    await database.close()


async def test_a_storm_of_thousands_is_one_claim(sql_database: Database) -> None:
    async with sql_database.begin() as work:
        await work.outbox.promise([(told(), [promise(lane=str(n))]) for n in range(1_000)])
    batch = await claim(sql_database, whole=True, lanes=None)
    assert len(batch) == 1_000
    assert len(await settle(sql_database, *map(sent, batch))) == 1_000
    assert await claim(sql_database) == []


async def test_r18_what_is_pending_goes_under_another_name_and_what_was_settled_stays(database: Database) -> None:
    await put(database, promise(), promise(), promise("mail", lane="b"))
    [first] = await claim(database)
    await settle(database, sent(first))
    async with database.begin() as work:
        await work.outbox.readdress("noc", "a mark", to="slack")
        await work.outbox.readdress("a mark", "slack", to="slack")
    assert await claim(database) == []
    assert titles(await claim(database, "slack")) == ["title 1"]
    async with database.begin() as work:
        [lost] = await work.outbox.abandon("slack", "gone", LATER)
        assert (lost.notification.title, lost.uncertain) == ("title 1", True)
        assert await work.outbox.abandon("slack", "gone", LATER) == []


async def test_r18_what_closes_an_incident_is_not_given_up_with_its_channel_as_long_as_there_is_time(
    database: Database,
) -> None:
    await put(database, promise(), promise(action=Action.CLOSE))
    async with database.begin() as work:
        assert len(await work.outbox.abandon("noc", "gone", NIGHT)) == 1
        assert len(await work.outbox.abandon("noc", "gone", NIGHT + timedelta(days=1))) == 1
        assert await work.outbox.waiting_channels() == set()


async def test_r18_what_was_promised_to_both_names_is_copied(database: Database) -> None:
    async with database.begin() as work:
        promises = [(told("both"), [promise(), promise("slack")]), (told("one"), [promise()])]
        both, _ = await work.outbox.promise(promises)
        [(original, copy)] = (await work.outbox.readdress("noc", "a mark", to="slack")).items()
        assert await work.outbox.readdress("a mark", "slack", to="slack") == {}
    assert original == both != copy
    assert titles(await claim(database, "slack", whole=True)) == ["both", "both", "one"]


async def test_what_a_channel_last_heard_of_a_subject_it_took_or_may_have_taken(database: Database) -> None:
    async def heard(of: Claimed) -> tuple[str, bool] | None:
        async with database.begin() as work:
            found = await work.outbox.last_heard(of)
            return None if found is None else (found.words.title, found.surely)

    await put(database, *[promise()] * 4, promise("mail"))
    first, *_ = await claim(database)
    assert await heard(first) is None
    await settle(database, abandoned(first))
    assert await heard(first) is None
    for settled, expected in ((sent, ("title 1", True)), (abandoned, ("title 1", True)), (again, ("title 1", True))):
        [each] = await claim(database, now=LEASED)
        await settle(database, replace(settled(each), ended_at=LEASED))
        assert await heard(first) == expected
    [perhaps] = await claim(database, now=LEASED + seconds(99))
    await settle(database, replace(abandoned(perhaps), ended_at=LEASED + seconds(99)))
    assert await heard(first) == ("title 3", False)
    assert await heard(replace(first, notification=replace(first.notification, subject="another"))) is None


async def test_what_waits_is_found_at_once_among_thousands_of_which_the_database_keeps_no_count_yet(
    sql_database: SqlDatabase,
) -> None:
    """Joined with itself, what waits takes PostgreSQL more than 25 s to go through."""
    lanes = [f"lane {number}" for number in range(10_000)]
    async with sql_database.begin() as work:
        await work.outbox.promise([(told(), [promise(lane=lane, action=OPEN)]) for lane in lanes])
    await put(sql_database, promise(lane="lane 7", action=CLOSE))
    async with asyncio.timeout(10):
        assert [waiting.action for waiting in await passing(sql_database)] == [OPEN, CLOSE]
        assert [each.promise.lane for each in await claim(sql_database, lanes=3)] == lanes[:3]
        assert [each.promise.lane for each in await claim(sql_database, whole=True, lanes=3)] == lanes[3:6]
        async with sql_database.begin() as work:
            assert await work.outbox.earliest_due({"noc"}) == NIGHT
