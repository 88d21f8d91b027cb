"""The audit (R28): it finds whatever does not add up, and nothing else; over memory, SQLite and PostgreSQL."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from notifier.adapters.database.database import SqlDatabase
from notifier.domain.decision import Policy
from notifier.domain.flapping import Flapping
from notifier.domain.matching import Matcher
from notifier.domain.routing import Escalation, Route
from notifier.domain.suppression import Silence
from notifier.domain.violation import Flaw
from notifier.pipeline.audit import Audit
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.ports import Configured, Database, Outcome, Refused, TryAgain, UnitOfWork
from tests.support.bench import Bench, at_work
from tests.support.deliveries import LATER, claim, promise, sent, settle, told
from tests.support.examples import ACCOUNT, LINK, NIGHT, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.planted import (
    HELD,
    KEPT,
    KNOWN,
    NOW,
    OTHER,
    PLANTS,
    STATEFUL,
    Change,
    Plant,
    later,
    open_what_is_over,
    skip_a_number,
    sound,
    transition,
)


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    database = SqlDatabase(f"sqlite:///{tmp_path}/notifier.db")
    await database.prepare(migrate=True)
    yield database
    await database.close()


def audit(database: Database, clock: FakeClock, *routes: Route) -> Audit:
    channels = {name: FakeChannel(name, stateful=keeps) for name, keeps in STATEFUL.items()}
    teller = Teller(Rules(channels=channels, routes=routes))
    return Audit(database=database, clock=clock, teller=teller, names={ACCOUNT: "production"}, committed=lambda: None)


async def awake(database: Database, clock: FakeClock) -> Audit:
    """Audit until what is due by time had its time."""
    auditor = audit(database, clock)
    while clock.now() < NOW:
        await auditor.check()
        clock.advance(timedelta(minutes=1))
    return auditor


async def change(database: Database, how: Change) -> None:
    async with database.begin() as work:
        await how(work)


async def test_a_record_that_adds_up_passes(database: Database) -> None:
    await sound(database)
    auditor = await awake(database, FakeClock())
    assert auditor.found == []


def test_every_flaw_can_be_planted() -> None:
    assert {each.flaw for each in PLANTS} == set(Flaw)


@pytest.mark.parametrize("planted", PLANTS, ids=lambda each: each.flaw.name)
async def test_a_violation_is_told_and_so_is_its_repair(database: Database, planted: Plant) -> None:
    await sound(database)
    clock = FakeClock(NOW - timedelta(minutes=20))
    auditor = await awake(database, clock)
    await change(database, planted.plant)
    await auditor.check()
    assert auditor.found == [planted.said]
    await change(database, planted.repair)
    clock.advance(timedelta(minutes=1))
    await auditor.check()
    assert auditor.found == []
    said = await claim(database, whole=True, lanes=None, now=clock.now())
    assert [each.notification.title for each in said] == [
        "the notifier's own record does not add up: 1 violation",
        "the notifier's own record adds up again after 1m",
    ]


async def test_what_is_due_by_time_gets_its_time_after_a_start_and_after_a_pause(database: Database) -> None:
    """Whoever sends and looks was away as long as the audit was."""
    await sound(database)
    clock = FakeClock(NOW)
    auditor = audit(database, clock)
    for planted in PLANTS:
        if planted.flaw in {Flaw.OVERDUE, Flaw.FORGOTTEN}:
            await change(database, planted.plant)
    for _ in range(2):
        await auditor.check()
        assert auditor.found == []
        clock.advance(timedelta(hours=1))


async def test_channels_that_are_configured_no_more_are_not_asked_for(database: Database) -> None:
    await sound(database)
    clock = FakeClock(NOW - timedelta(minutes=20))
    auditor = await awake(database, clock)

    async def of_others(work: UnitOfWork) -> None:
        await work.outbox.promise([(told(), [promise("gone")])])
        await work.ledger.save_told([replace(each, channel="gone") for each in (HELD, KEPT)])

    await change(database, of_others)
    await auditor.check()
    assert auditor.found == []


@pytest.mark.parametrize(("since", "found"), [(NIGHT - timedelta(seconds=1), 1), (NIGHT, 0), (LATER, 0)])
async def test_what_the_receiver_before_took_is_no_matter_of_the_channel_as_it_is_now(
    database: Database, since: datetime, found: int
) -> None:
    await sound(database)
    await change(database, open_what_is_over)
    channels = {"pager": Configured(fingerprint="it", stateful=True)}
    for at in (since, NOW):
        await change(database, lambda work, at=at: work.ledger.save_channels(channels, at))  # type: ignore[misc]
    auditor = audit(database, FakeClock(NOW))
    await auditor.check()
    assert len(auditor.found or ()) == found


async def test_what_waits_in_a_lane_for_what_is_tried_again_is_not_overdue(database: Database) -> None:
    await sound(database)
    await change(database, later())
    await change(database, later())
    [first] = await claim(database, now=NIGHT)
    answer = TryAgain(cause="503")
    await settle(database, replace(sent(first), outcome=Outcome.PENDING, answer=answer, due_at=NOW + seconds(60)))
    auditor = await awake(database, FakeClock(NOW - timedelta(minutes=20)))
    assert auditor.found == []


async def test_what_has_just_become_the_first_of_its_lane_is_not_overdue(database: Database) -> None:
    await sound(database)
    await change(database, later())
    await change(database, later())
    [first] = await claim(database, now=NOW - seconds(60))
    await settle(database, sent(first, at=NOW - seconds(30)))
    auditor = await awake(database, FakeClock(NOW - timedelta(minutes=20)))
    assert auditor.found == []


async def test_a_gap_from_before_is_found_at_a_start_and_stays_until_it_is_closed(database: Database) -> None:
    await sound(database)
    await change(database, skip_a_number)
    clock = FakeClock(NOW + timedelta(days=3))
    auditor = audit(database, clock)
    for _ in range(3):
        await auditor.check()
        assert auditor.passed is False
        clock.advance(timedelta(minutes=1))
    await change(database, lambda work: work.record.transitions([transition(3)]))
    await auditor.check()
    assert auditor.passed


async def test_a_channel_to_which_no_route_leads_at_once_is_not_owed_anything(database: Database) -> None:
    await sound(database)
    await change(database, lambda work: work.ledger.save_told([replace(KNOWN, channel="pager", incident=None)]))
    later_ = Escalation(after=timedelta(minutes=15), channels=("pager",))
    auditor = audit(database, FakeClock(NOW), Route(channels=("noc",), escalate=later_))
    await auditor.check()
    assert auditor.found == []


async def test_the_newest_problem_gets_its_time_to_be_told(database: Database) -> None:
    await sound(database)
    await change(database, lambda work: work.ledger.save_told([replace(KNOWN, channel="pager", incident=None)]))
    auditor = audit(database, FakeClock(NIGHT + timedelta(minutes=1)))
    await auditor.check()
    assert auditor.found == []


async def test_of_many_violations_the_message_names_twenty(database: Database) -> None:
    await sound(database)
    names = [f"icon-{n:02}" for n in range(30)]
    broken = [replace(OTHER, name=name) for name in names]
    await change(database, lambda work: work.watched.save_states(broken))
    clock = FakeClock(NOW)
    auditor = audit(database, clock)
    await auditor.check()
    assert auditor.found is not None
    assert len(auditor.found) == 30
    [claimed] = await claim(database, now=clock.now())
    assert claimed.notification.title == "the notifier's own record does not add up: 30 violations"
    assert sum(label.startswith("Violation") for label, _ in claimed.notification.facts) == 20


async def test_of_one_flaw_at_most_a_hundred_are_read(database: Database) -> None:
    broken = [replace(OTHER, name=f"icon-{n:03}") for n in range(150)]
    await change(database, lambda work: work.watched.save_states(broken))
    auditor = audit(database, FakeClock(NOW))
    await auditor.check()
    assert auditor.found is not None
    assert len(auditor.found) == 100


@pytest.mark.slow
async def test_a_bad_day_adds_up(database: Database) -> None:
    """Flapping, a lost site, silence, blindness, refusals, restarts, a link that goes: the bench audits each minute."""
    clock, api = FakeClock(), FakeCloudflare()
    other, far = replace(LINK, name="icon-ams-02"), replace(LINK, name="icon-fra-01", site="fra-a")
    for link in (LINK, other, far):
        api.add(link)
    noc, pager = FakeChannel("noc"), FakeChannel("pager", stateful=True)
    rules = Rules(channels={"noc": noc, "pager": pager})
    policy = Policy(flapping=Flapping(changes=4, within=timedelta(minutes=60), quiet=timedelta(minutes=10)))

    async def until(bench: Bench, minutes: float, **words: str) -> None:
        api.words |= {name.replace("_", "-"): word for name, word in words.items()}
        await bench.advance(timedelta(minutes=minutes), step=seconds(30 if minutes < 30 else 120))

    async with at_work(database, clock, api, noc, pager, policy=policy, rules=rules) as bench:
        for word in ("Healthy", "Down", "Healthy", "Down", "Healthy", "Down"):
            await until(bench, 3, icon_fra_01=word)
        await until(bench, 3, icon_ams_01="Down")
        await until(bench, 3, icon_ams_02="Down")
        await until(bench, 12, icon_ams_02="Healthy")
    async with at_work(database, clock, api, noc, pager, policy=policy, rules=rules) as bench:
        pager.answers = [Refused(cause="401")] * 2
        now = clock.now()
        silence = Silence(id=0, match=Matcher(), from_at=now, until_at=now + timedelta(minutes=9), by="ada", comment="")
        async with database.begin() as work:
            await work.ledger.add_silence(silence)
        await until(bench, 4, icon_ams_02="Unhealthy", icon_fra_01="Healthy")
        noc.answers = [TryAgain(cause="503")] * 3
        await until(bench, 9, icon_ams_02="Down")
        await until(bench, 5, icon_ams_01="403", icon_ams_02="timeout", icon_fra_01="timeout")
    async with at_work(database, clock, api, noc, policy=policy, rules=replace(rules, channels={"noc": noc})) as bench:
        await until(bench, 4, icon_ams_01="Healthy", icon_ams_02="Healthy")
        del api.links["icon-fra-01"]
        await until(bench, 35, icon_fra_01="Down")
    async with at_work(database, clock, api, noc, pager, policy=policy, rules=rules) as bench:
        await until(bench, 70)
        assert bench.audit.found == []
    assert len(noc.taken) > 8


async def test_a_routine_audit_reads_nothing_whole_that_grows(sqlite: SqlDatabase) -> None:
    """Transitions, notifications and deliveries are found by index only, as SQLite plans it."""
    await sound(sqlite)
    auditor = audit(sqlite, FakeClock(NOW))
    plans: list[str] = []
    await auditor.check()

    @event.listens_for(sqlite.engine.sync_engine, "before_cursor_execute")
    def _asked(connection: Connection, _cursor: object, statement: str, values: Any, *_more: object) -> None:
        if statement.startswith("SELECT"):
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(row[3] for row in cursor.fetchall())

    await auditor.check()
    assert [step for step in plans if "deliveries" in step]
    growing = re.compile(r"SCAN (transitions|notifications|deliveries|attempts|verdicts)")
    assert [step for step in plans if growing.match(step)] == []
