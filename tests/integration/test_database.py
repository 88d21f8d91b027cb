"""What every database promises (R12-R14): one suite over memory, SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace
from threading import Event

import pytest
from sqlalchemy import text

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.engine import connection
from notifier.adapters.database.sqlite import connect
from notifier.domain.blindness import View
from notifier.domain.decision import Gap, Policy
from notifier.domain.incident import Incident, IncidentKind
from notifier.domain.listing import Known
from notifier.domain.site import Member
from notifier.domain.state import State
from notifier.domain.status import Severity
from notifier.errors import ConflictError
from notifier.ports import Database, Look
from tests.support.examples import ACCOUNT, FORBIDDEN, LINK, NIGHT, observation, run, seconds, unknown

LATER = NIGHT + seconds(1)
LEASED = NIGHT + seconds(60)


async def save(database: Database, *states: State) -> None:
    async with database.begin() as work:
        await work.watched.save_states(states)


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
            await work.watched.save_states([run("Healthy")[-1].state])
            await work.watched.save_view(View(account=ACCOUNT))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await cut_short()
    async with database.begin() as work:
        assert await work.watched.states(ACCOUNT, [LINK.name]) == {}
        assert await work.watched.view(ACCOUNT) == View(account=ACCOUNT)


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


async def test_a_link_comes_back_with_how_often_it_was_missing_and_whether_it_is_watched(database: Database) -> None:
    other = replace(LINK, name="other")
    async with database.begin() as work:
        await work.watched.save_links(ACCOUNT, [LINK, other], NIGHT, {LINK.name: 2})
        both = {LINK.name: Known(link=LINK, missing=2), "other": Known(link=other)}
        assert await work.watched.enrolled(ACCOUNT) == both
        await work.watched.save_links(ACCOUNT, [LINK], NIGHT)
        gone = Known(link=other, watched=False)
        assert await work.watched.enrolled(ACCOUNT) == {LINK.name: Known(link=LINK), "other": gone}
        assert await work.watched.enrolled("another account") == {}


async def test_what_changed_since_or_may_be_changing_is_found(database: Database) -> None:
    down = run("Healthy Down Down")[-1].state
    changed, before, gone = (replace(down, name=name) for name in ("changed", "before", "gone"))
    suspect = replace(run("Healthy Down")[-1].state, name="suspect")
    async with database.begin() as work:
        links = [replace(LINK, name=name) for name in ("changed", "before", "suspect", "never seen")]
        await work.watched.save_links(ACCOUNT, links, NIGHT)
        await work.watched.save_states([changed, replace(before, since=NIGHT), gone, suspect])
        assert await work.watched.changed(ACCOUNT, NIGHT) == [("changed", "Down", True), ("suspect", "Down", False)]
        assert await work.watched.changed(ACCOUNT, LEASED) == [("suspect", "Down", False)]


async def test_a_site_knows_its_watched_links_and_what_is_believed_of_them(database: Database) -> None:
    down, good = run("Healthy Down Down")[-1].state, run("Healthy")[-1].state
    suspect = replace(run("Healthy Down")[-1].state, name="suspect")
    easing = replace(run("Healthy Down Down Healthy")[-1].state, name="easing")
    others = [replace(LINK, name=name) for name in ("suspect", "easing", "fresh")]
    elsewhere = [replace(LINK, name="far", site="fra-a"), replace(LINK, name="nowhere", site=None)]
    async with database.begin() as work:
        await work.watched.save_links(ACCOUNT, [replace(LINK, name="gone")], NIGHT)
        await work.watched.save_links(ACCOUNT, [LINK, *others, *elsewhere], NIGHT)
        await work.watched.save_states([down, suspect, easing, replace(good, name="far"), replace(good, name="gone")])
        found = await work.watched.sites(ACCOUNT, ["ams-a", "fra-a", "empty"])
        assert await work.watched.sites(ACCOUNT, []) == {}
    assert found["ams-a"].members == (
        Member(name="easing", status="Down", problem=True, reason="reason of Down"),
        Member(name="fresh", status=None, problem=False),
        Member(name=LINK.name, status="Down", problem=True, reason="reason of Down"),
        Member(name="suspect", status="Healthy", problem=False, candidate=True),
    )
    assert found["fra-a"].members == (Member(name="far", status="Healthy", problem=False),)
    assert found["empty"].members == ()


async def test_the_links_that_flap_are_found(database: Database) -> None:
    state = run("Healthy")[-1].state
    flaps = replace(state, name="flaps", flapping=True, changes=(NIGHT, LATER))
    async with database.begin() as work:
        await work.watched.save_states([state, flaps])
        assert await work.watched.flapping(ACCOUNT) == [replace(flaps, version=1)]
        assert await work.watched.flapping("another account") == []


async def test_accounts_are_those_with_something_watched_or_blind(database: Database) -> None:
    async with database.begin() as work:
        await work.watched.save_links("watched", [replace(LINK, account="watched")], NIGHT)
        await work.watched.save_links("left", [replace(LINK, account="left")], NIGHT)
        await work.watched.save_links("left", [], NIGHT)
        await work.watched.save_view(View(account="blind", incident=1, incidents=1, since=NIGHT))
        await work.watched.save_view(View(account="seen", incidents=1))
        assert await work.watched.accounts() == {"watched", "blind"}


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
        await work.record.observations(
            [Look(observation(word, at), None) for word, at in (("Down", NIGHT), ("403", LATER))], LATER
        )
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


async def test_incidents_are_found_by_key_and_the_newest_by_subject(database: Database) -> None:
    first = Incident(
        kind=IncidentKind.SITE, account=ACCOUNT, subject="ams-a", number=1, severity=Severity.CRITICAL, opened_at=NIGHT
    )
    second, other = replace(first, number=2), replace(first, subject="fra-a")
    async with database.begin() as work:
        await work.record.open_incidents([first, other, replace(first, kind=IncidentKind.INTERCONNECT)])
        await work.record.open_incidents([second])
        await work.record.close_incidents({first.key: LATER})
        await work.record.close_incidents({})
        ended = replace(first, closed_at=LATER)
        assert await work.record.incidents([first.key, other.key, "cni:x:1"]) == {first.key: ended, other.key: other}
        assert await work.record.incidents([]) == {}
        last = await work.record.last_incidents(IncidentKind.SITE, ACCOUNT, ["ams-a", "fra-a", "lon-a"])
        assert last == {"ams-a": second, "fra-a": other}
        assert await work.record.last_incidents(IncidentKind.SITE, ACCOUNT, []) == {}
        assert await work.record.last_incidents(IncidentKind.SITE, "another", ["ams-a"]) == {}


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


async def test_a_unit_of_work_that_is_broken_off_anywhere_is_whole_or_nothing(sql_database: Database) -> None:
    one, other = (replace(run("Healthy")[-1].state, name=name) for name in ("one", "other"))

    async def write() -> None:
        async with sql_database.begin() as work:
            stored = await work.watched.states(ACCOUNT, ["one", "other"])
            await work.watched.save_states([stored.get("one", one)])
            await work.watched.save_states([stored.get("other", other)])

    for turns in range(60):
        writing = asyncio.create_task(write())
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})
    await write()

    async with sql_database.begin() as work:
        stored = await work.watched.states(ACCOUNT, ["one", "other"])
    assert stored["one"].version == stored["other"].version


async def test_ten_thousand_states_are_one_batch(sql_database: Database) -> None:
    states = [replace(run("Healthy")[-1].state, name=f"icon-{n}") for n in range(10_000)]
    async with sql_database.begin() as work:
        await work.watched.save_states(states)
        assert len(await work.watched.states(ACCOUNT, [s.name for s in states])) == 10_000
        await work.watched.mark_seen(ACCOUNT, {s.name: NIGHT + seconds(5) for s in states})


def test_the_default_policy_is_the_documented_one() -> None:
    assert Policy() == Policy(confirm=2, recover=2, recover_for=seconds(30), blind_after=3)


async def test_a_process_that_freezes_in_a_transaction_does_not_keep_others_waiting_for_its_locks(
    postgres_url: str,
) -> None:
    database = SqlDatabase(postgres_url)
    async with connection(database.engine) as conn:
        assert await conn.scalar(text("SHOW idle_in_transaction_session_timeout")) == "15s"
        assert await conn.scalar(text("SHOW statement_timeout")) == "25s"
    await database.close()


async def test_what_a_transaction_sets_or_prepares_at_the_server_ends_with_it(postgres_url: str) -> None:
    """A pooler gives the connection to somebody else after it."""
    database = SqlDatabase(postgres_url)
    await database.prepare(migrate=True)
    async with database.begin() as work:
        await work.watched.save_states([run("Healthy")[-1].state])
        await work.ledger.lock(ACCOUNT)
    async with database.engine.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        assert await conn.scalar(text("SHOW idle_in_transaction_session_timeout")) == "0"
        assert await conn.scalar(text("SHOW statement_timeout")) == "0"
        assert await conn.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0
        assert await conn.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 0
    await database.close()


def test_a_loop_that_ends_while_its_statement_is_under_way_leaves_no_fault_behind() -> None:
    """What a thread raises that nobody waits for fails the test."""
    begun, ended = Event(), Event()

    def hold() -> None:
        begun.set()
        assert ended.wait(10)

    loop = asyncio.new_event_loop()
    conn = loop.run_until_complete(connect(":memory:"))
    loop.run_until_complete(conn.create_function("hold", 0, hold))
    asked = loop.create_task(conn.run("SELECT hold()", (), many=False))
    assert loop.run_until_complete(asyncio.to_thread(begun.wait, 10))
    asked.cancel()
    loop.run_until_complete(asyncio.wait({asked}))
    conn.stop()
    loop.close()
    ended.set()
    conn._thread.join(10)
    assert not conn._thread.is_alive()
