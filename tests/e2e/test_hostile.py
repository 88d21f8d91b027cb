"""What somebody finds who reads what the service leaves behind, or looks at it from outside (docs/security.md)."""

import sqlite3
from base64 import b64encode
from pathlib import Path

import pytest

from notifier.simulator import Simulator
from tests.support.examples import ACCOUNT
from tests.support.process import Service, configure, notifier, until
from tests.support.receivers import HttpReceiver, Say
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow

PASSWORD = "planted-channel-password"


def found(folder: Path) -> bytes:
    """Return all that lies there of the database and the log."""
    return b"".join(file.read_bytes() for file in [*folder.glob("n.db*"), folder / "service.log"])


async def test_a_stolen_database_and_log_open_nothing(tmp_path: Path, http_receiver: HttpReceiver) -> None:
    login = b64encode(f"noc:{PASSWORD}".encode()).decode()
    http_receiver.script = [Say(status=500, body=f"echo {PASSWORD} {login}")]
    async with Simulator() as simulator:
        link = simulator.account(ACCOUNT, token=TOKEN).link("icon-ams-01")
        channels = {"noc": f"json://noc:{PASSWORD}@{http_receiver.address}/"}
        service = Service(configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, channels))
        await service.start()
        await until(lambda: len(simulator.requests.of(link="icon-ams-01")) > 2, why=lambda: service.log)
        link.set("Down", "no light")
        await until(lambda: len(http_receiver.requests) == 2, why=lambda: service.log)
        left = found(tmp_path)
        assert await service.stop() == 0
    left += found(tmp_path)
    assert b"icon-ams-01 is Down" in left
    assert [secret for secret in (TOKEN, PASSWORD, login) if secret.encode() in left] == []


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def listening(pid: int) -> list[str]:
    """Return the local addresses, as the kernel writes them, on which a process listens."""
    mine = {file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [
        line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()
    ]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in mine]


@pytest.mark.parametrize(("listen", "ports"), [(None, 0), ("127.0.0.1:0", 1)])
async def test_the_service_shows_no_secret_on_its_command_line_and_listens_where_it_is_told(
    listen: str | None, ports: int, tmp_path: Path, http_receiver: HttpReceiver
) -> None:
    async with Simulator() as simulator:
        simulator.account(ACCOUNT, token=TOKEN).link("icon-ams-01")
        channels = {"noc": f"json://noc:{PASSWORD}@{http_receiver.address}/"}
        web = {"listen": listen}
        service = Service(configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, channels, web=web))
        await service.start()
        shown, addresses = command_line(service.pid), listening(service.pid)
        assert await service.stop() == 0
    assert shown[1:] == ["-m", "notifier", "--config", str(tmp_path / "notifier.yaml"), "run", "--migrate", ""]
    assert [address.partition(":")[0] for address in addresses] == ["0100007F"] * ports  # 127.0.0.1


async def test_what_stands_in_the_database_can_steer_no_terminal(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        simulator.account(ACCOUNT, token=TOKEN).link("icon-ams-01")
        config = configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, {"noc": "json://127.0.0.1:1/"})
        service = Service(config)
        await service.start()
        await until(lambda: len(simulator.requests.of(link="icon-ams-01")) > 2, why=lambda: service.log)
        assert await service.stop() == 0
    database = sqlite3.connect(tmp_path / "n.db")
    changed = database.execute("UPDATE states SET reason = ?", ("\x1b[2J\x1b]0;owned\x07 \u202e [red]",)).rowcount
    database.commit()
    database.close()
    assert changed == 1
    ran = await notifier("--config", str(config), "status", folder=tmp_path)
    assert ran.code == 0, ran
    assert "owned" in ran.stdout
    assert "[red]" in ran.stdout
    assert [char for char in ran.stdout if not (char.isprintable() or char == "\n")] == []
