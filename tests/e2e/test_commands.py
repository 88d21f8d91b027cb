"""What the commands say, and with which exit code they end."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from notifier.simulator import Simulator, faults
from tests.support.examples import ACCOUNT
from tests.support.process import Service, configure, notifier, until
from tests.support.receivers import HttpReceiver, Say
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow


async def test_every_mistake_in_a_configuration_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "notifier.yaml").write_text(
        "accounts:\n  - id: abc\n    token: sekret-token-1\n"
        "poll: {interval: soon}\nwbe: {listen: 127.0.0.1:8080}\nchannels: {noc: {url: nosuch://sekret-2/}}\n"
    )
    ran = await notifier("--config", "notifier.yaml", "check", folder=tmp_path)
    assert ran.code == 2, ran
    assert "notifier.yaml:4: poll.interval: found" in ran.stderr
    assert "notifier.yaml:5: wbe: unknown setting" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "sekret" not in ran.stdout + ran.stderr


async def test_a_channel_that_is_none_is_named_without_its_secrets(tmp_path: Path) -> None:
    path = configure(tmp_path, "sqlite:///n.db", "http://127.0.0.1:1/client/v4", {"noc": "slack://sekret-part/x"})
    ran = await notifier("--config", str(path), "check", folder=tmp_path)
    assert ran.code == 2, ran
    assert "channels.noc.url" in ran.stderr
    assert "sekret" not in ran.stdout + ran.stderr


async def test_without_any_configuration_it_says_what_to_do(tmp_path: Path) -> None:
    ran = await notifier("run", folder=tmp_path)
    assert ran.code == 2, ran
    assert "CLOUDFLARE_API_TOKEN" in ran.stderr


async def test_an_unreachable_database_is_exit_4(tmp_path: Path) -> None:
    url = "postgresql://notifier:sekret-password@127.0.0.1:1/notifier"
    path = configure(tmp_path, url, "http://127.0.0.1:1/client/v4", {"noc": "json://127.0.0.1:1/"})
    ran = await notifier("--config", str(path), "run", folder=tmp_path)
    assert ran.code == 4, ran
    assert "127.0.0.1:1" in ran.stderr
    assert "sekret" not in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_a_server_database_without_its_schema_is_exit_1_and_says_the_command(
    tmp_path: Path, postgres_url: str
) -> None:
    path = configure(tmp_path, postgres_url, "http://127.0.0.1:1/client/v4", {"noc": "json://127.0.0.1:1/"})
    ran = await notifier("--config", str(path), "run", folder=tmp_path)
    assert ran.code == 1, ran
    assert "notifier db upgrade" in ran.stderr
    assert (await notifier("--config", str(path), "db", "upgrade", folder=tmp_path)).code == 0
    assert (await notifier("--config", str(path), "db", "current", folder=tmp_path)).code == 0


async def test_scenario_43_a_second_process_on_one_file_is_exit_3(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        simulator.account(ACCOUNT, token=TOKEN).link("icon-ams-01")
        path = configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, {"noc": "json://127.0.0.1:1/"})
        service = Service(path)
        await service.start()
        ran = await notifier("--config", str(path), "run", folder=tmp_path)
        assert await service.stop() == 0
    assert ran.code == 3, ran
    assert ran.stderr.count("\n") == 1
    assert "another notifier" in ran.stderr


async def test_three_variables_are_enough(tmp_path: Path, http_receiver: HttpReceiver) -> None:
    async with Simulator() as simulator:
        account = simulator.account(ACCOUNT, token=TOKEN)
        account.link("icon-ams-01").set("Down")
        environ = {
            "CLOUDFLARE_API_TOKEN": TOKEN,
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
            "NOTIFIER_CHANNELS": f"json://{http_receiver.address}/",
            "NOTIFIER_CLOUDFLARE__URL": simulator.url,
            "NOTIFIER_POLL__INTERVAL": "300ms",
            "NOTIFIER_POLL__RECHECK": "200ms",
        }
        service = Service(tmp_path / "none.yaml", environ, from_environment=True)
        await service.start()
        await until(lambda: len(http_receiver.requests) == 1, why=lambda: service.log)
        assert await service.stop() == 0
    assert "is Down (first observation)" in http_receiver.requests[0].json["title"]
    assert (tmp_path / "notifier.db").exists()


async def test_a_test_message_goes_through_and_a_refusal_is_exit_1(tmp_path: Path, http_receiver: HttpReceiver) -> None:
    channels = {"noc": f"json://{http_receiver.address}/"}
    path = configure(tmp_path, "sqlite:///n.db", "http://127.0.0.1:1/client/v4", channels)
    ran = await notifier("--config", str(path), "test", "noc", folder=tmp_path)
    assert (ran.code, ran.stdout) == (0, "noc: accepted\n"), ran
    assert http_receiver.requests[0].json["title"].startswith("[test]")
    http_receiver.usual = Say(status=403)
    refused = await notifier("--config", str(path), "test", "noc", folder=tmp_path)
    assert refused.code == 1, refused
    assert "not accepted" in refused.stdout
    unknown = await notifier("--config", str(path), "test", "nocc", folder=tmp_path)
    assert unknown.code == 2, unknown
    assert "configured: noc" in unknown.stderr


async def test_check_online_names_the_permission_that_is_missing(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        account = simulator.account(ACCOUNT, token=TOKEN)
        path = configure(tmp_path, "sqlite:///n.db", simulator.url, {"noc": "json://127.0.0.1:1/"})
        good = await notifier("--config", str(path), "check", "--online", folder=tmp_path)
        account.fault(faults.FORBIDDEN)
        bad = await notifier("--config", str(path), "check", "--online", folder=tmp_path)
    assert good.code == 0, good
    assert bad.code == 1, bad
    assert "Magic Transit Read" in bad.stdout


async def test_looking_before_the_first_start_says_so(tmp_path: Path) -> None:
    path = configure(tmp_path, "sqlite:///n.db", "http://127.0.0.1:1/client/v4", {"noc": "json://127.0.0.1:1/"})
    ran = await notifier("--config", str(path), "status", folder=tmp_path)
    assert ran.code == 4, ran
    assert "start the service first" in ran.stderr
    assert not (tmp_path / "n.db").exists()


@pytest.mark.usefixtures("usual_port")
async def test_the_demo_ends_by_itself_with_everything_closed(tmp_path: Path) -> None:
    ran = await notifier("demo", folder=tmp_path, within=90)
    assert ran.code == 0, ran
    assert "6 incidents opened, 6 closed; 10 notifications sent." in ran.stdout
    assert re.search(r"The record of it, \d{2,} entries in a chain, holds", ran.stdout)


@pytest.mark.usefixtures("usual_port")
async def test_the_demo_says_where_its_page_is_and_it_is_there() -> None:
    root = Path(__file__).parents[2]
    command = (sys.executable, "-u", "-m", "notifier", "demo")
    process = await asyncio.create_subprocess_exec(*command, cwd=root, stdout=PIPE)
    try:
        assert process.stdout is not None
        said = await process.stdout.readuntil(b"status page: ") and await process.stdout.readline()

        async def shown() -> bool:
            async with httpx.AsyncClient(trust_env=False) as client:
                with suppress(httpx.TransportError):
                    return "icon-lhr-01" in (await client.get(said.decode().strip())).text
            return False

        await until(shown, why=lambda: said)
    finally:
        process.send_signal(signal.SIGINT)  # it takes its folder away
        await process.wait()
