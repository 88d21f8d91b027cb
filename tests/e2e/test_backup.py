"""A copy of the database, made while the service runs, is one to go on from (docs/operations.md)."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from notifier.simulator import Simulator
from tests.support.examples import ACCOUNT
from tests.support.process import Service, configure, until
from tests.support.receivers import HttpReceiver
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow


async def test_an_open_incident_is_closed_by_a_service_that_was_given_the_backup(
    tmp_path: Path, http_receiver: HttpReceiver
) -> None:
    def titles() -> list[str]:
        return [request.json["title"].partition(" after ")[0] for request in http_receiver.requests]

    channels = {"noc": f"json://{http_receiver.address}/"}
    async with Simulator() as simulator:
        link = simulator.account(ACCOUNT, token=TOKEN).link("icon-ams-01")
        service = Service(configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, channels))
        await service.start()
        await until(lambda: len(simulator.requests.of(link="icon-ams-01")) > 2, why=lambda: service.log)
        link.set("Down", "no light")
        await until(lambda: len(titles()) == 1, why=lambda: service.log)
        await asyncio.sleep(0.3)  # until the answer was settled
        backup(tmp_path / "n.db", tmp_path / "backup.db")
        await service.kill()
        link.set("Healthy")
        restored = Service(configure(tmp_path, f"sqlite:///{tmp_path}/backup.db", simulator.url, channels))
        await restored.start()
        await until(lambda: len(titles()) == 2, why=lambda: restored.log)
        assert await restored.stop() == 0
    assert titles() == [
        "[production] icon-ams-01 is Down (was Healthy) #2",
        "[production] icon-ams-01 is Healthy again",
    ]


def backup(database: Path, to: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("VACUUM INTO ?", (str(to),))
    connection.close()
