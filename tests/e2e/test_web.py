"""What the real process answers over HTTP, and where it listens."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP

import httpx
import pytest
import yaml

from notifier.adapters.listening import bind
from notifier.errors import ListenError
from notifier.simulator import Account
from tests.support.postgres import OwnServer
from tests.support.process import Service, notifier, running, until
from tests.support.receivers import HttpReceiver
from tests.support.scenes import noc
from tests.support.scraped import Scraped
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
ANY = {"listen": "127.0.0.1:0"}
FINE = {"loop": "ok", "database": "ok", "leases": "ok", "polls": "ok", "deliveries": "ok", "audit": "ok"}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/notifier.db"


def address(service: Service) -> str:
    found = re.search(r"listening address=(\S+)", service.log)
    assert found is not None, service.log
    return found[1]


async def asks(service: Service, path: str) -> tuple[int, object]:
    async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
        answer = await client.get(f"http://{address(service)}{path}")
    return answer.status_code, answer.json()


async def scrapes(service: Service, *shown: str, reloads: Mapping[str, float] | None = None) -> Scraped:
    """Scrape until the configuration was reloaded so often."""
    found: list[Scraped] = []

    async def scraped() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            told = [("Authorization", f"Bearer {token}") for token in shown]
            answer = await client.get(f"http://{address(service)}/metrics", headers=told)
        assert answer.status_code == 200
        found.append(Scraped(answer.text))
        return found[-1].all("notifier_config_reloads_total", "outcome") == (reloads or {})

    await until(scraped, why=lambda: service.log)
    return found[-1]


async def test_it_answers_while_it_runs_through_a_reload_to_the_end(
    service: Service, write: Write, http_receiver: HttpReceiver
) -> None:
    write(noc(http_receiver), web=ANY)
    await service.start()
    assert await asks(service, "/livez") == (200, {"loop": "ok"})
    assert await asks(service, "/readyz") == (200, FINE)
    write(noc(http_receiver), web=ANY, remind="1h")
    service.signal(SIGHUP)
    await until(lambda: "configuration taken" in service.log, why=lambda: service.log)
    assert await asks(service, "/readyz") == (200, FINE)
    assert await service.stop() == 0
    with pytest.raises(httpx.ConnectError):
        await asks(service, "/livez")
    assert service.log.endswith("stopped\n")


async def test_the_api_answers_by_the_newest_token_and_a_stream_outlasts_a_reload_and_no_stop(
    service: Service, write: Write, http_receiver: HttpReceiver
) -> None:
    write(noc(http_receiver), web=ANY | {"token": "planted-web-token-1a2b"})
    await service.start()
    base, headers = f"http://{address(service)}", {"Authorization": "Bearer planted-web-token-1a2b"}
    async with httpx.AsyncClient(trust_env=False, timeout=10, base_url=f"{base}/api/v1", headers=headers) as client:
        assert (await client.get("/overview")).status_code == 200
        assert (await client.get("/overview", headers={"Authorization": ""})).status_code == 401
        async with client.stream("GET", "/events") as stream:
            lines = stream.aiter_lines()
            assert "event: hello" in [await anext(lines) for _ in range(3)]
            write(noc(http_receiver), web=ANY | {"token": "planted-web-token-1a2b"}, remind="1h")
            service.signal(SIGHUP)
            await until(lambda: "configuration taken" in service.log, why=lambda: service.log)
            silence = {"everything": True, "for": "1h", "by": "anna"}
            assert (await client.post("/silences", json=silence)).status_code == 201
            async for line in lines:
                if line == "event: act":
                    break
            write(noc(http_receiver), web=ANY | {"token": "another-web-token-3c4d"})
            service.signal(SIGHUP)
            await until(lambda: service.log.count("configuration taken") == 2, why=lambda: service.log)
            async for _ in lines:  # it ends: who listens has to show the new one
                pass
        assert (await client.get("/overview")).status_code == 401
        client.headers["Authorization"] = "Bearer another-web-token-3c4d"
        async with client.stream("GET", "/events") as stream:
            assert stream.status_code == 200
            began = asyncio.get_running_loop().time()
            assert await service.stop() == 0
            assert asyncio.get_running_loop().time() - began < 8
    assert "ERROR" not in service.log
    assert "planted-web-token" not in service.log


async def test_what_was_counted_goes_on_through_a_reload(
    service: Service, account: Account, write: Write, http_receiver: HttpReceiver
) -> None:
    token = "planted-web-token"
    config = write(noc(http_receiver), web={**ANY, "token": token})
    await service.start()
    await until(lambda: "change=baseline" in service.log, why=lambda: service.log)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: "delivered" in service.log, why=lambda: service.log)
    before = await scrapes(service, token)
    write(noc(http_receiver), web={**ANY, "token": token}, remind="1h")
    service.signal(SIGHUP)
    after = await scrapes(service, token, reloads={"success": 1})
    config.write_text("accounts: nonsense")
    service.signal(SIGHUP)
    refused = await scrapes(service, token, reloads={"success": 1, "failed": 1})
    for scraped in (before, after, refused):
        assert scraped.all("notifier_deliveries_total", "outcome") == {"sent": 1}
        assert scraped.all("notifier_transitions_total", "change") == {"baseline": 1, "problem": 1}
        assert scraped.all("notifier_interconnect_state", "name", "state") == {"icon-ams-01 down": 1}
        assert [s for s in (token, TOKEN, http_receiver.address, "no light") if s in scraped.text] == []
    polls = [scraped.all("notifier_polls_total", "outcome")["seen"] for scraped in (before, after, refused)]
    assert polls == sorted(polls)
    assert polls[0] >= 3
    assert [scraped.one("notifier_config_last_reload_successful") for scraped in (before, after, refused)] == [1, 1, 0]
    taken = [s.one("notifier_config_last_reload_success_timestamp_seconds") or 0 for s in (before, after, refused)]
    assert taken[0] < taken[1] == taken[2]
    assert await service.stop() == 0


async def test_it_is_ready_no_more_while_the_database_is_away_but_alive(
    write: Write, http_receiver: HttpReceiver, own_postgres: OwnServer
) -> None:
    config = write(noc(http_receiver), web=ANY, database=own_postgres.create_database())
    service = Service(config, hurry=4)  # a minute is 15 s
    async with running(service):
        own_postgres.stop()
        await until(lambda: "not healthy" in service.log, why=lambda: service.log)
        code, told = await asks(service, "/readyz")
        assert code == 503
        assert "the database has not answered for 1m" in str(told)
        assert await asks(service, "/livez") == (200, {"loop": "ok"})
        away = await scrapes(service)
        assert (away.one("notifier_database_up"), away.one("notifier_vital", vital="database")) == (0, 0)
        assert away.one("notifier_lease_holder", account="production") == 0  # it could not be renewed
        own_postgres.start()
        await until(lambda: "healthy again" in service.log, why=lambda: service.log)
        assert await asks(service, "/readyz") == (200, FINE)
        assert (await scrapes(service)).one("notifier_database_up") == 1
        assert await service.stop() == 0


async def test_another_address_needs_a_restart(service: Service, write: Write, http_receiver: HttpReceiver) -> None:
    write(noc(http_receiver), web=ANY)
    await service.start()
    write(noc(http_receiver), web={"listen": None})
    service.signal(SIGHUP)
    await until(lambda: "configuration not taken" in service.log, why=lambda: service.log)
    assert "web.listen: it can't be changed while the service runs; restart it" in service.log
    assert (await asks(service, "/readyz"))[0] == 200
    assert await service.stop() == 0


async def test_an_address_that_was_asked_for_and_is_taken_is_exit_1(
    write: Write, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        write(noc(http_receiver), web={"listen": f"127.0.0.1:{port}"})
        ran = await notifier("--config", "notifier.yaml", "run", folder=tmp_path)
    assert ran.code == 1
    assert ran.stderr == f"notifier: cannot listen on 127.0.0.1:{port}: address already in use\n"


@pytest.mark.usefixtures("usual_port")
async def test_the_usual_address_is_done_without_if_it_is_taken(
    service: Service, write: Write, http_receiver: HttpReceiver
) -> None:
    write(noc(http_receiver), web={})
    with ExitStack() as held:
        with suppress(ListenError):  # somebody else has it
            held.enter_context(bind("127.0.0.1", 8080))
        await service.start()
        assert await service.stop() == 0
    assert service.log.count("not listening, and doing without") == 1


HEALTHCHECK = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]["notifier"][
    "healthcheck"
]["test"]


async def passes(service: Service) -> bool:
    """Whether the health check of docker-compose.yml passes; it asks where the service listens."""
    how, program, option, code = HEALTHCHECK
    assert (how, program, option) == ("CMD", "python", "-c")
    here = code.replace("8080", address(service).rpartition(":")[2])
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", here, stdout=PIPE, stderr=PIPE)
    await process.communicate()
    return process.returncode == 0


async def test_the_containers_health_check_passes_while_it_works_and_not_while_it_stands_still(
    service: Service, write: Write, http_receiver: HttpReceiver
) -> None:
    write(noc(http_receiver), web=ANY)
    await service.start()
    assert await passes(service)
    service.signal(SIGSTOP)
    assert not await passes(service)
    service.signal(SIGCONT)
    assert await passes(service)
    assert await service.stop() == 0
