"""What is told of a service whose schedule stands still: that it lives no more, so that it is started again (R30)."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from notifier.adapters.database.database import SqlDatabase
from notifier.domain.figures import Figures, Reloads
from notifier.oversight import Oversight
from notifier.pipeline.audit import Audit
from notifier.pipeline.health import Health
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.settings import AccountSettings, Settings, WebSettings
from tests.support.examples import ACCOUNT, seconds
from tests.support.fakes import FakeClock
from tests.support.init_system import InitSystem
from tests.support.memory import MemoryDatabase
from tests.support.process import until

STILL = {"STATUS": "nothing was begun for 20s"}


@pytest.fixture
def init_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[InitSystem]:
    made = InitSystem()
    monkeypatch.setenv("NOTIFY_SOCKET", made.address)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    yield made
    made.close()


SETTINGS = Settings(
    accounts=(AccountSettings(id=ACCOUNT, token=SecretStr("a-token")),), channels={}, web=WebSettings(listen=None)
)


def oversees(settings: Settings = SETTINGS, database: SqlDatabase | None = None) -> Oversight:
    clock, nowhere = FakeClock(), SqlDatabase("sqlite:////nowhere/notifier.db")
    return Oversight(settings, database or nowhere, clock, clock=clock, reloads=Reloads())


class Overseen:
    """Has a health, and nobody asks for its figures."""

    def __init__(self, health: Health) -> None:
        self.health = health

    def figures(self) -> Figures:
        raise AssertionError("nobody asks for them here")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock) -> Health:
    database = MemoryDatabase()
    teller = Teller(Rules(channels={}))
    audit = Audit(database=database, clock=clock, teller=teller, names={}, committed=lambda: None)
    made = Health(
        database=database, clock=clock, pollers=[], channels=[], audit=audit, sharing=None, timeout=timedelta()
    )
    made.begin()
    return made


async def test_it_lives_while_its_schedule_moves_and_not_while_that_stands_still(
    init_system: InitSystem, clock: FakeClock, health: Health
) -> None:
    with init_system.listening():
        async with asyncio.TaskGroup() as tasks, aclosing(oversees()) as oversight:
            oversight.open(Overseen(health), tasks)
            await until(lambda: init_system.count("WATCHDOG=1") > 1)
            clock.advance(seconds(20))
            await until(lambda: init_system.told[-3:] == [STILL] * 3)
            await health.moves()
            await until(lambda: init_system.told[-1] == {"STATUS": "healthy", "WATCHDOG": "1"})


async def test_a_reload_that_takes_long_is_not_taken_for_death(
    init_system: InitSystem, clock: FakeClock, health: Health
) -> None:
    with init_system.listening():
        async with asyncio.TaskGroup() as tasks, aclosing(oversees()) as oversight:
            oversight.open(Overseen(health), tasks)
            oversight.reloading()
            health.rest()
            clock.advance(seconds(600))
            lived = init_system.count("WATCHDOG=1")
            await until(lambda: init_system.count("WATCHDOG=1") > lived + 2)
            assert "the database has not answered for 10m" in init_system.told[-1]["STATUS"]


async def test_without_an_init_system_nobody_is_told(health: Health) -> None:
    async with asyncio.TaskGroup() as tasks, aclosing(oversees()) as oversight:
        oversight.open(Overseen(health), tasks)
        oversight.reloading()
        oversight.reloaded(Overseen(health), SETTINGS)
        oversight.stopping()


async def test_the_status_page_is_made_ready_before_anybody_asks_for_it(tmp_path: Path, health: Health) -> None:
    database = SqlDatabase(f"sqlite:///{tmp_path}/notifier.db")
    await database.prepare(migrate=True)
    read: list[str] = []
    event.listen(database.reading_engine.sync_engine, "before_cursor_execute", lambda *sent: read.append(sent[2]))
    listening = SETTINGS.model_copy(update={"web": WebSettings(listen="127.0.0.1:0")})
    async with asyncio.TaskGroup() as tasks, aclosing(oversees(listening, database)) as oversight:
        oversight.open(Overseen(health), tasks)
        await until(lambda: any("FROM interconnects" in statement for statement in read))
    await database.close()
