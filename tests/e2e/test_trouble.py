"""What the machine and the network can do to the service: it says so in a clear line, tells nothing wrong, goes on."""

import ctypes
import re
import resource
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from notifier.simulator import Account, Simulator
from tests.support.examples import ACCOUNT
from tests.support.postgres import OwnServer
from tests.support.process import Service, configure, notifier, until
from tests.support.receivers import HttpReceiver, server_tls
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow

DOWN = "[production] icon-ams-01 is Down (was Healthy) #2"
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        running.account(ACCOUNT, token=TOKEN).link("icon-ams-01", site="ams-a")
        yield running


@pytest.fixture
def account(simulator: Simulator) -> Account:
    return simulator.account(ACCOUNT)


@pytest.fixture
async def service(tmp_path: Path, simulator: Simulator, http_receiver: HttpReceiver) -> AsyncIterator[Service]:
    """A service on SQLite that tells a webhook; killed in the end."""
    channels = {"noc": f"json://{http_receiver.address}/"}
    running = Service(configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, channels))
    yield running
    if running.started:
        await running.kill()


async def polled(simulator: Simulator, times: int = 3) -> None:
    """Wait for some more polls."""
    asked = len(simulator.requests.of(link="icon-ams-01"))
    await until(lambda: len(simulator.requests.of(link="icon-ams-01")) >= asked + times)


def titles(receiver: HttpReceiver) -> list[str]:
    return [request.json["title"] for request in receiver.requests if request.status == 200]


def limit(service: Service, what: int, soft: int | None) -> None:
    """Limit a running service from outside; None takes the limit away again."""
    _, hard = resource.prlimit(service.pid, what)
    resource.prlimit(service.pid, what, (hard if soft is None else soft, hard))


def open_files(service: Service) -> list[int]:
    return [int(file.name) for file in Path(f"/proc/{service.pid}/fd").iterdir()]


def lines(service: Service, phrase: str) -> list[str]:
    return [line for line in service.log.splitlines() if phrase in line]


async def told_once_over(service: Service, simulator: Simulator, receiver: HttpReceiver) -> None:
    """Wait for the one message that was owed; nothing else was told, before or after it, and the service is well."""
    await until(lambda: titles(receiver) != [], why=lambda: service.log)
    await polled(simulator)
    assert titles(receiver) == [DOWN]
    assert await service.stop() == 0
    assert "Traceback" not in service.log


async def test_a_full_disk_is_said_and_what_happened_is_told_when_there_is_room(
    service: Service, simulator: Simulator, account: Account, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    await service.start()
    await polled(simulator)
    room = 64 * 1024  # enough for the log, but not for what the database's log of changes goes on with
    assert service.log_path.stat().st_size < room // 2 < room < (tmp_path / "n.db-wal").stat().st_size
    limit(service, resource.RLIMIT_FSIZE, room)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: bool(lines(service, "observations not recorded")), why=lambda: service.log)
    await polled(simulator)
    assert 'cause="the database failed: disk I/O error"' in lines(service, "observations not recorded")[0]
    assert titles(http_receiver) == []
    limit(service, resource.RLIMIT_FSIZE, None)
    await told_once_over(service, simulator, http_receiver)


@pytest.mark.parametrize("what", ["n.db", "."], ids=["file", "folder"])
async def test_a_database_that_can_not_be_written_is_exit_4_in_one_line_and_taken_when_it_can(
    what: str, simulator: Simulator, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    channels = {"noc": f"json://{http_receiver.address}/"}
    config = configure(tmp_path, f"sqlite:///{folder}/n.db", simulator.url, channels)
    assert (await notifier("--config", str(config), "db", "upgrade", folder=tmp_path)).code == 0
    place = folder / what
    mode = place.stat().st_mode
    service = Service(config, first=_no_way_around_permissions)
    place.chmod(mode & ~0o222)
    await service.start(wait=False)
    assert await service.ended() == 4, service.log
    assert re.fullmatch(
        r"notifier: cannot write \S+?(: Permission denied)?; give the service a (file|folder) it may write\n",
        service.log,
    )
    place.chmod(mode)
    await service.start()
    await polled(simulator)
    assert await service.stop() == 0


async def test_without_file_descriptors_nothing_is_lost(
    service: Service, simulator: Simulator, account: Account, http_receiver: HttpReceiver
) -> None:
    await service.start()
    await polled(simulator)
    limit(service, resource.RLIMIT_NOFILE, max(open_files(service)) + 1)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: bool(lines(service, "delivery failed")), why=lambda: service.log)
    assert "no connection to 127.0.0.1: too many open files here" in lines(service, "delivery failed")[0]
    assert titles(http_receiver) == []
    limit(service, resource.RLIMIT_NOFILE, None)
    await told_once_over(service, simulator, http_receiver)


async def test_names_that_can_not_be_resolved_are_blindness_and_what_happened_meanwhile_is_told(
    service: Service, simulator: Simulator, account: Account, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    here = f"json://{http_receiver.address}/"
    await service.start()
    await polled(simulator)
    assert await service.stop() == 0
    lost = simulator.url.replace("127.0.0.1", "api.invalid")
    configure(tmp_path, f"sqlite:///{tmp_path}/n.db", lost, {"noc": here, "far": "json://receiver.invalid/"})
    await service.start()
    await until(lambda: len(titles(http_receiver)) == 1, why=lambda: service.log)
    await until(lambda: bool(lines(service, "delivery failed")), why=lambda: service.log)
    assert titles(http_receiver) == ["[production] cannot see interconnects: the name api.invalid cannot be resolved"]
    assert 'cause="the name receiver.invalid cannot be resolved"' in lines(service, "delivery failed")[0]
    assert await service.stop() == 0
    account.links["icon-ams-01"].set("Down", "no light")
    configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, {"noc": here})
    await service.start()
    await until(lambda: len(titles(http_receiver)) == 3, why=lambda: service.log)
    assert await service.stop() == 0
    assert {title.partition(" after ")[0] for title in titles(http_receiver)[1:]} == {
        "[production] can see interconnects again",
        DOWN,
    }
    assert "Traceback" not in service.log


async def test_an_expired_certificate_is_named_and_the_message_arrives_with_the_next(
    ca: trustme.CA, simulator: Simulator, account: Account, tmp_path: Path
) -> None:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = server_tls(ca, "127.0.0.1")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    ca.issue_cert("127.0.0.1", not_before=long_ago[0], not_after=long_ago[1]).configure_cert(tls)
    async with HttpReceiver().running(tls) as receiver:
        channels = {"noc": f"jsons://{receiver.address}/"}
        config = configure(tmp_path, f"sqlite:///{tmp_path}/n.db", simulator.url, channels)
        service = Service(config, {"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
        await service.start()
        await polled(simulator)
        account.links["icon-ams-01"].set("Down", "no light")
        await until(lambda: bool(lines(service, "delivery failed")), why=lambda: service.log)
        assert 'cause="the certificate of 127.0.0.1 has expired"' in lines(service, "delivery failed")[0]
        assert receiver.requests == []
        ca.issue_cert("127.0.0.1").configure_cert(tls)
        await told_once_over(service, simulator, receiver)


async def test_a_server_database_that_is_away_is_waited_for(
    own_postgres: OwnServer, simulator: Simulator, account: Account, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    channels = {"noc": f"json://{http_receiver.address}/"}
    service = Service(configure(tmp_path, own_postgres.create_database(), simulator.url, channels))
    await service.start()
    await polled(simulator)
    own_postgres.stop()
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: bool(lines(service, "observations not recorded")), why=lambda: service.log)
    await until(lambda: bool(lines(service, "deliveries not claimed")), why=lambda: service.log)
    assert "cannot reach the database postgresql" in lines(service, "observations not recorded")[-1]
    own_postgres.start()
    await told_once_over(service, simulator, http_receiver)


def _no_way_around_permissions() -> None:
    """Take from root, should the tests run as root, the right to write what is not writable; others lack it anyway."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
