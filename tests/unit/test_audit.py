"""The audit's own conduct: its edges, and what it says of itself (R28); what it finds is in `test_auditing`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notifier.domain.incident import Acknowledgement, IncidentKind
from notifier.domain.notification import Action
from notifier.domain.pacing import Storm
from notifier.domain.violation import Flaw
from notifier.errors import DatabaseError
from notifier.pipeline.audit import Audit
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.ports import Outcome
from tests.support.bench import INTERVAL, at_work
from tests.support.examples import ACCOUNT, LINK, seconds
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase, MemoryUnitOfWork
from tests.support.planted import NOW, OTHER, PLANTS, Plant, sound

PLANT = PLANTS[0]
[UNTOLD] = (each for each in PLANTS if each.flaw is Flaw.UNTOLD)
TITLE = "the notifier's own record does not add up"


class Failing(MemoryDatabase):
    broken = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryUnitOfWork]:
        if self.broken:
            raise DatabaseError("disk full")
        async with super().begin() as work:
            yield work


class Auditor:
    """An audit over memory, made minute by minute; `told` counts its commits of something to tell."""

    def __init__(self) -> None:
        self.database, self.clock, self.told = Failing(), FakeClock(NOW), 0
        self.audit = self.another()

    def another(self) -> Audit:
        """Make another one, as a restart does."""
        teller = Teller(Rules(channels={"noc": FakeChannel("noc"), "pager": FakeChannel("pager", stateful=True)}))
        return Audit(
            database=self.database,
            clock=self.clock,
            teller=teller,
            names={ACCOUNT: "production"},
            committed=self._committed,
        )

    async def check(self, minutes: int = 1) -> bool | None:
        for _ in range(minutes):
            self.clock.advance(timedelta(minutes=1))
            await self.audit.check()
            for row in self.database.tables.deliveries:
                if row.notification.subject == "audit":  # what it says arrives
                    row.outcome = Outcome.SENT
        return self.audit.passed

    async def plant(self, planted: Plant = PLANT) -> None:
        async with self.database.begin() as work:
            await planted.plant(work)

    async def repair(self, planted: Plant = PLANT) -> None:
        async with self.database.begin() as work:
            await planted.repair(work)

    def said(self, channel: str) -> list[tuple[str, str]]:
        """Return what was promised to a channel: what it does, and the title without what all have in common."""
        rows = [row for row in self.database.tables.deliveries if row.promise.channel == channel]
        return [(row.promise.action, row.notification.title.removeprefix(TITLE)) for row in rows]

    async def break_link(self, name: str) -> None:
        async with self.database.begin() as work:
            await work.watched.save_states([replace(OTHER, name=name)])

    def incidents(self) -> list[tuple[str, bool]]:
        """Return the keys of the audit's incidents, and whether each has ended."""
        found = self.database.tables.incidents.values()
        return [(i.key, i.closed_at is not None) for i in found if i.kind is IncidentKind.AUDIT]

    def _committed(self) -> None:
        self.told += 1


@pytest.fixture
async def auditor() -> Auditor:
    made = Auditor()
    await sound(made.database)
    return made


async def test_before_the_first_audit_nothing_is_known(auditor: Auditor) -> None:
    assert auditor.audit.passed is None
    assert auditor.audit.at is None


async def test_a_violation_that_stays_is_one_incident_told_once(auditor: Auditor) -> None:
    await auditor.plant()
    assert await auditor.check(minutes=30) is False
    assert auditor.incidents() == [("cni:audit:1", False)]
    assert auditor.told == 1


async def test_what_is_violated_again_is_another_incident(auditor: Auditor) -> None:
    await auditor.plant()
    await auditor.check(minutes=20)
    await auditor.repair()
    assert await auditor.check() is True
    assert auditor.incidents() == [("cni:audit:1", True)]
    await auditor.plant(PLANTS[1])
    await auditor.check()
    assert auditor.incidents() == [("cni:audit:1", True), ("cni:audit:2", False)]


async def test_what_appears_while_the_incident_is_open_is_told_once_under_its_key(auditor: Auditor) -> None:
    await auditor.plant()
    await auditor.check(minutes=20)
    await auditor.plant(UNTOLD)
    await auditor.check(minutes=20)
    one, two = ": 1 violation", ": 2 violations, 1 of them new"
    assert auditor.said("noc") == [(Action.TELL, one), (Action.TELL, two)]
    assert auditor.said("pager") == [(Action.OPEN, one), (Action.UPDATE, two)]
    [*_, told] = (row.notification for row in auditor.database.tables.deliveries)
    assert [value for label, value in told.facts if "iolation" in label] == [UNTOLD.said, PLANT.said]
    assert auditor.incidents() == [("cni:audit:1", False)]
    await auditor.repair()
    await auditor.repair(UNTOLD)
    await auditor.check()
    assert [does for does, _ in auditor.said("pager")] == [Action.OPEN, Action.UPDATE, Action.CLOSE]


async def test_a_repair_of_one_of_two_and_a_restart_tell_nothing(auditor: Auditor) -> None:
    await auditor.plant()
    await auditor.plant(UNTOLD)
    await auditor.check()
    await auditor.repair()
    auditor.audit = auditor.another()
    await auditor.check(minutes=3)
    assert len(auditor.said("noc")) == 1


async def test_who_has_just_started_and_gave_nothing_its_time_yet_does_not_end_the_incident(auditor: Auditor) -> None:
    [overdue, *_] = (each for each in PLANTS if each.flaw is Flaw.OVERDUE)
    await auditor.check(minutes=20)
    await auditor.plant(overdue)
    await auditor.check()
    auditor.audit = auditor.another()
    await auditor.check(minutes=5)
    assert auditor.incidents() == [("cni:audit:1", False)]
    await auditor.repair(overdue)
    await auditor.check(minutes=20)
    assert auditor.incidents() == [("cni:audit:1", True)]


async def test_more_ends_an_acknowledgement(auditor: Auditor) -> None:
    await auditor.plant()
    await auditor.check()
    async with auditor.database.begin() as work:
        await work.ledger.acknowledge("cni:audit:1", Acknowledgement(by="ada", at=NOW))
    await auditor.plant(UNTOLD)
    await auditor.check()
    assert auditor.database.tables.incidents["cni:audit:1"].acknowledgement is None


async def test_of_more_than_twenty_violations_another_one_is_told_too(auditor: Auditor) -> None:
    for number in range(25):
        await auditor.break_link(f"icon-{number:02}")
    await auditor.check(minutes=2)
    await auditor.break_link("icon-99")
    await auditor.check(minutes=2)
    assert [title for _, title in auditor.said("noc")] == [": 25 violations", ": 26 violations, 1 of them new"]


async def test_a_restart_is_no_other_incident(auditor: Auditor) -> None:
    await auditor.plant()
    await auditor.check()
    auditor.audit = auditor.another()
    await auditor.check()
    assert auditor.incidents() == [("cni:audit:1", False)]
    assert auditor.told == 1


async def test_only_the_edges_are_logged(auditor: Auditor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "notifier")
    await auditor.check(minutes=3)
    await auditor.plant()
    await auditor.check(minutes=3)
    await auditor.repair()
    await auditor.check(minutes=3)
    assert caplog.messages == ["the record does not add up", "the record adds up again"]


async def test_while_the_database_fails_nothing_is_known(auditor: Auditor) -> None:
    await auditor.check()
    made = auditor.audit.at
    auditor.database.broken = True
    assert await auditor.check() is None
    assert auditor.audit.at == made
    auditor.database.broken = False
    assert await auditor.check() is True


@pytest.mark.parametrize(
    "rules", [{"storm": Storm(messages=1, per=timedelta(hours=1))}, {"wait": timedelta(minutes=30)}]
)
async def test_what_waits_as_it_is_meant_to_is_not_overdue(rules: dict[str, Any]) -> None:
    clock, api, noc = FakeClock(), FakeCloudflare(), FakeChannel()
    names = ["icon-ams-01", "icon-fra-01", "icon-lon-01"]
    for name in names:
        api.add(replace(LINK, name=name, site=name))
    async with at_work(MemoryDatabase(), clock, api, noc, rules=Rules(channels={"noc": noc}, **rules)) as bench:
        await bench.advance(2 * INTERVAL)
        for name in names:
            api.words[name] = "Down"
            await bench.advance(timedelta(minutes=8), step=seconds(15))
        await bench.advance(timedelta(hours=2), step=seconds(60))  # the bench minds each audit
        assert bench.audit.passed
    assert len({message.notification.subject for message in noc.taken}) >= 2
