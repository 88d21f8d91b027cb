"""The audit's own conduct: its edges, and what it says of itself (R28); what it finds is in `test_auditing`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from notifier.domain.incident import IncidentKind
from notifier.errors import DatabaseError
from notifier.pipeline.audit import Audit
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeChannel, FakeClock
from tests.support.memory import MemoryDatabase, MemoryUnitOfWork
from tests.support.planted import NOW, PLANTS, sound

PLANT = PLANTS[0]


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
        teller = Teller(Rules(channels={"noc": FakeChannel("noc")}))
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
        return self.audit.passed

    async def plant(self) -> None:
        async with self.database.begin() as work:
            await PLANT.plant(work)

    async def repair(self) -> None:
        async with self.database.begin() as work:
            await PLANT.repair(work)

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
    await auditor.check()
    await auditor.repair()
    assert await auditor.check() is True
    assert auditor.incidents() == [("cni:audit:1", True)]
    async with auditor.database.begin() as work:
        await PLANTS[1].plant(work)
    await auditor.check()
    assert auditor.incidents() == [("cni:audit:1", True), ("cni:audit:2", False)]


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
