"""What every database promises (R12-R16): one suite over memory, SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

import pytest

from notifier.domain.blindness import View
from notifier.domain.decision import Gap, Policy
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.state import State
from notifier.domain.status import Severity
from notifier.errors import ConflictError
from notifier.ports import Accepted, Claimed, Database, Outcome, Promise, Refused, Settlement, TryAgain
from tests.support.examples import ACCOUNT, FORBIDDEN, LINK, NIGHT, observation, run, seconds, unknown

LATER = NIGHT + seconds(1)
LEASED = NIGHT + seconds(60)


def told(title: str = "title", at: datetime = NIGHT) -> Notification:
    return Notification(
        kind=Kind.PROBLEM,
        severity=Severity.CRITICAL,
        account=ACCOUNT,
        account_name="production",
        subject=LINK.name,
        title=title,
        lead="It fell.",
        reason="no light",
        facts=(("Sightings", 2), ("Site", "ams-a"), ("Late", False)),
        incident_key="cni:a:b:1",
        observed_at=at,
        recorded_at=at,
    )


def promise(channel: str = "noc", lane: str = "a", urgency: int = 0) -> Promise:
    return Promise(
        channel=channel,
        lane=lane,
        action=Action.TELL,
        urgency=urgency,
        due_at=NIGHT,
        give_up_at=NIGHT + timedelta(days=1),
    )


async def save(database: Database, *states: State) -> None:
    async with database.begin() as work:
        await work.watched.save_states(states)


async def put(database: Database, *promises: Promise) -> None:
    async with database.begin() as work:
        for number, each in enumerate(promises):
            await work.outbox.promise([(told(f"title {number}"), [each])])


async def claim(
    database: Database, channel: str = "noc", *, now: datetime = LATER, owner: str = "us", limit: int = 10
) -> list[Claimed]:
    async with database.begin() as work:
        return await work.outbox.claim(channel, now=now, until=LEASED, owner=owner, limit=limit)


def sent(claimed: Claimed, owner: str = "us") -> Settlement:
    return Settlement(
        claimed=claimed,
        owner=owner,
        started_at=NIGHT,
        ended_at=LATER,
        outcome=Outcome.SENT,
        answer=Accepted(code=202, receipt="R1"),
    )


async def settle(database: Database, settlement: Settlement) -> bool:
    async with database.begin() as work:
        return await work.outbox.settle(settlement)


async def test_a_state_comes_back_as_it_was_saved(database: Database) -> None:
    state = run("Healthy Down Healthy Down Down 403 Unhealthy")[-1].state
    async with database.begin() as work:
        await work.watched.save_states([state])
    async with database.begin() as work:
        assert await work.watched.states(ACCOUNT, [state.name]) == {state.name: replace(state, version=1)}


async def test_a_blind_state_comes_back_with_its_cause(database: Database) -> None:
    state = run("Healthy 403")[-1].state
    async with database.begin() as work:
        await work.watched.save_states([state])
    async with database.begin() as work:
        assert (await work.watched.states(ACCOUNT, [state.name]))[state.name].cause == FORBIDDEN.cause


async def test_who_saves_second_is_told_so_and_saves_nothing(database: Database) -> None:
    state = run("Healthy")[-1].state
    async with database.begin() as work:
        await work.watched.save_states([state])
    other = replace(unknown("other"), status="Healthy")
    with pytest.raises(ConflictError):
        await save(database, other, replace(state, status="Down"))
    async with database.begin() as work:
        states = await work.watched.states(ACCOUNT, [state.name, "other"])
    assert {name: s.status for name, s in states.items()} == {state.name: "Healthy"}


async def test_a_state_is_saved_version_by_version(database: Database) -> None:
    state = run("Healthy")[-1].state
    for version in range(3):
        async with database.begin() as work:
            await work.watched.save_states([replace(state, version=version)])
    async with database.begin() as work:
        assert (await work.watched.states(ACCOUNT, [state.name]))[state.name].version == 3


async def test_nothing_of_a_failed_unit_of_work_remains(database: Database) -> None:
    async def cut_short() -> None:
        async with database.begin() as work:
            await work.outbox.promise([(told(), [promise()])])
            await work.watched.save_view(View(account=ACCOUNT))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await cut_short()
    assert await claim(database) == []


async def test_last_seen_moves_forward_only(database: Database) -> None:
    states = [run("Healthy")[-1].state, replace(run("Healthy")[-1].state, name="other")]
    async with database.begin() as work:
        await work.watched.save_states(states)
    async with database.begin() as work:
        await work.watched.mark_seen(ACCOUNT, {LINK.name: NIGHT + seconds(90), "other": NIGHT - seconds(90)})
    async with database.begin() as work:
        found = await work.watched.states(ACCOUNT, [LINK.name, "other"])
    assert found[LINK.name].last_seen_at == found[LINK.name].observed_at == NIGHT + seconds(90)
    assert found["other"].last_seen_at == NIGHT
    assert found[LINK.name].version == 1


async def test_only_listed_links_are_watched(database: Database) -> None:
    other = replace(LINK, name="b c/d", site=None)
    async with database.begin() as work:
        await work.watched.save_links(ACCOUNT, [LINK, other], NIGHT)
    async with database.begin() as work:
        await work.watched.save_links(ACCOUNT, [replace(LINK, speed="100G")], NIGHT)
        assert await work.watched.links(ACCOUNT) == {LINK.name: replace(LINK, speed="100G")}
        await work.watched.save_links(ACCOUNT, [LINK, other], NIGHT)
        assert await work.watched.links(ACCOUNT) == {LINK.name: LINK, other.name: other}
        assert await work.watched.links("another account") == {}


async def test_the_extent_of_blindness_counts_watched_links_only(database: Database) -> None:
    seen, blind = run("Healthy")[-1].state, replace(run("Healthy 403")[-1].state, name="blind")
    gone, failing = replace(blind, name="gone"), replace(run("Healthy timeout")[-1].state, name="failing")
    async with database.begin() as work:
        await work.watched.save_links(ACCOUNT, [replace(LINK, name=n) for n in (LINK.name, "blind", "failing")], NIGHT)
        await work.watched.save_states([seen, blind, gone, failing])
        extent = await work.watched.extent(ACCOUNT)
    assert extent.blind == (("blind", FORBIDDEN.cause),)
    assert (extent.failing, extent.watched) == (2, 3)


async def test_links_with_a_candidate_are_the_differing_ones(database: Database) -> None:
    async with database.begin() as work:
        await work.watched.save_links(ACCOUNT, [LINK, replace(LINK, name="steady")], NIGHT)
        steady = replace(run("Healthy")[-1].state, name="steady")
        await work.watched.save_states([run("Healthy Down")[-1].state, steady])
        assert await work.watched.differing(ACCOUNT) == [(LINK.name, "Down")]


async def test_a_view_is_kept_version_by_version(database: Database) -> None:
    view = View(
        account=ACCOUNT, listing_failures=2, listing_cause=FORBIDDEN.cause, incident=1, incidents=1, since=NIGHT
    )
    async with database.begin() as work:
        assert await work.watched.view(ACCOUNT) == View(account=ACCOUNT)
        await work.watched.save_view(view)
    async with database.begin() as work:
        assert await work.watched.view(ACCOUNT) == replace(view, version=1)
    with pytest.raises(ConflictError):
        async with database.begin() as work:
            await work.watched.save_view(view)


async def test_what_happened_is_kept(database: Database) -> None:
    transitions = [d.transition for d in run("Healthy Down Down") if d.transition is not None]
    async with database.begin() as work:
        await work.record.observations([observation("Down", NIGHT), observation("403", LATER)])
        await work.record.transitions(transitions)
        await work.record.gaps([Gap(account=ACCOUNT, name=LINK.name, from_at=NIGHT, until_at=LATER)])


async def test_an_incident_is_opened_raised_and_closed_once(database: Database) -> None:
    incident = Incident(
        kind=IncidentKind.CHANNEL, account="", subject="noc", number=1, severity=Severity.ERROR, opened_at=NIGHT
    )
    async with database.begin() as work:
        await work.record.open_incidents([incident])
        await work.record.worsen_incident(incident.key, Severity.CRITICAL)
        assert await work.record.open_incidents_of(IncidentKind.CHANNEL) == [
            replace(incident, severity=Severity.CRITICAL)
        ]
        await work.record.close_incidents({incident.key: LATER})
        await work.record.close_incidents({incident.key: LEASED})
        assert await work.record.open_incidents_of(IncidentKind.CHANNEL) == []
        await work.record.open_incidents([replace(incident, number=2)])
        last = await work.record.last_incident(IncidentKind.CHANNEL, "", "noc")
        assert last == replace(incident, number=2)
        assert await work.record.last_incident(IncidentKind.CHANNEL, "", "mail") is None


async def test_a_claimed_delivery_comes_with_its_words(database: Database) -> None:
    await put(database, promise())
    [claimed] = await claim(database)
    assert claimed.notification == told("title 0")
    assert claimed.promise == promise()
    assert claimed.attempt == 1


async def test_a_leased_delivery_is_nobody_elses_until_the_lease_ends(database: Database) -> None:
    await put(database, promise())
    await claim(database)
    assert await claim(database, owner="them") == []
    [taken_over] = await claim(database, owner="them", now=LEASED)
    assert taken_over.attempt == 2


async def test_who_lost_the_lease_settles_nothing(database: Database) -> None:
    await put(database, promise())
    [ours] = await claim(database)
    [theirs] = await claim(database, owner="them", now=LEASED)
    assert not await settle(database, sent(ours))
    assert await settle(database, sent(theirs, owner="them"))


async def test_a_lane_is_first_in_first_out(database: Database) -> None:
    await put(database, promise(), promise(), promise(lane="b"))
    first, other_lane = await claim(database)
    assert (first.notification.title, other_lane.notification.title) == ("title 0", "title 2")
    assert await claim(database) == []
    await settle(database, sent(first))
    [second] = await claim(database)
    assert second.notification.title == "title 1"


async def test_a_delivery_to_be_tried_again_blocks_its_lane(database: Database) -> None:
    await put(database, promise(), promise())
    [first] = await claim(database)
    again = replace(sent(first), outcome=Outcome.PENDING, answer=TryAgain(cause="500"), cause="500", due_at=LEASED)
    await settle(database, again)
    assert await claim(database, now=LEASED - seconds(1)) == []
    [retried] = await claim(database, now=LEASED)
    assert (retried.id, retried.attempt) == (first.id, 2)


async def test_an_abandoned_delivery_lets_the_next_pass(database: Database) -> None:
    await put(database, promise(), promise())
    [first] = await claim(database)
    await settle(database, replace(sent(first), outcome=Outcome.ABANDONED, answer=Refused(cause="401"), cause="401"))
    assert [c.notification.title for c in await claim(database)] == ["title 1"]


async def test_the_urgent_goes_first_in_a_backlog(database: Database) -> None:
    await put(database, promise(lane="a", urgency=1), promise(lane="b", urgency=1), promise(lane="c"))
    assert [c.promise.lane for c in await claim(database, limit=2)] == ["c", "a"]


async def test_each_channel_has_its_own_deliveries(database: Database) -> None:
    async with database.begin() as work:
        await work.outbox.promise([(told(), [promise("noc"), promise("mail")])])
    [noc] = await claim(database, "noc")
    await settle(database, sent(noc))
    async with database.begin() as work:
        assert await work.outbox.waiting_channels() == {"mail"}
        assert await work.outbox.abandon("mail", "gone", LATER) == 1
        assert await work.outbox.waiting_channels() == set()


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
    async with database.begin() as work:
        await work.outbox.prune(deliveries_before=NIGHT + timedelta(days=90), observations_before=NIGHT)
    assert [c.notification.title for c in await claim(database, now=LEASED)] == ["title 1"]


async def test_many_claimers_never_share_a_delivery(sql_database: Database) -> None:
    await put(sql_database, *(promise(lane=str(number)) for number in range(40)))
    claims = await asyncio.gather(*(claim(sql_database, owner=f"replica {n}", limit=10) for n in range(8)))
    ids = [claimed.id for claimed in chain.from_iterable(claims)]
    assert len(ids) == len(set(ids))


async def test_many_writers_of_one_state_lose_nothing(sql_database: Database) -> None:
    async def count() -> None:
        while True:
            try:
                async with sql_database.begin() as work:
                    states = await work.watched.states(ACCOUNT, [LINK.name])
                    state = states.get(LINK.name, unknown())
                    await work.watched.save_states([replace(state, number=state.number + 1)])
            except ConflictError:
                continue
            return

    await asyncio.gather(*(count() for _ in range(20)))
    async with sql_database.begin() as work:
        assert (await work.watched.states(ACCOUNT, [LINK.name]))[LINK.name].number == 20


async def test_ten_thousand_states_are_one_batch(sql_database: Database) -> None:
    states = [replace(run("Healthy")[-1].state, name=f"icon-{n}") for n in range(10_000)]
    async with sql_database.begin() as work:
        await work.watched.save_states(states)
        assert len(await work.watched.states(ACCOUNT, [s.name for s in states])) == 10_000
        await work.watched.mark_seen(ACCOUNT, {s.name: NIGHT + seconds(5) for s in states})


def test_the_default_policy_is_the_documented_one() -> None:
    assert Policy() == Policy(confirm=2, recover=2, recover_for=seconds(30), blind_after=3)
