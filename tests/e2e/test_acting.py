"""Operators act from another process while the service runs on the same database."""

import json
from pathlib import Path

import pytest

from notifier.simulator import Simulator
from tests.support.examples import ACCOUNT
from tests.support.process import Service, configure, notifier, until
from tests.support.receivers import HttpReceiver
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow


async def test_operators_silence_acknowledge_and_drill_while_the_service_runs(
    tmp_path: Path, database_url: str, http_receiver: HttpReceiver
) -> None:
    names = ("noc", "boss")
    channels = {name: f"json://{http_receiver.address}/{name}" for name in names}
    routes = [{"channels": ["noc"], "escalate": {"after": "4s", "channels": ["boss"]}}]

    def told(channel: str) -> list[str]:
        return [request.json["title"] for request in http_receiver.requests if request.path.startswith(f"/{channel}")]

    async with Simulator() as simulator:
        link = simulator.account(ACCOUNT, token=TOKEN).link("icon-ams-01")
        path = configure(tmp_path, database_url, simulator.url, channels, routes=routes, group={"wait": "0s"})

        async def run(*arguments: str) -> str:
            ran = await notifier("--config", str(path), *arguments, folder=tmp_path)
            assert ran.code == 0, ran
            return ran.stdout

        async def is_open() -> bool:
            return bool(json.loads(await run("incidents", "--json")))

        service = Service(path)
        await service.start()
        assert "covers 1 interconnect now" in await run("silence", "add", "--name", "icon-*", "--for", "1h")
        link.set("Down", "no light")
        await until(is_open, why=lambda: service.log)
        assert http_receiver.requests == []
        await run("ack", "icon-ams-01", "--by", "anna")
        await run("silence", "expire", "1", "--by", "anna", "--comment", "done early")
        await until(lambda: len(told("noc")) == 1, why=lambda: service.log)
        drilled = await run("test", "noc", "--drill")
        assert told("boss") == []
        await run("unack", "icon-ams-01")
        await until(lambda: len(told("boss")) == 1, why=lambda: service.log)
        explained = await run("explain", "icon-ams-01")
        assert await service.stop() == 0
    assert [title.partition("]")[0] for title in told("noc")] == ["[production", "[drill", "[drill"]
    assert drilled.splitlines()[1].startswith("noc: recovery accepted after")
    assert "anna: expire silence 1: done early" in explained
    assert "noc   not told: kept back: silence 1" in explained
    assert "escalation of routes[0]" in explained
