"""Behind PgBouncer in transaction mode: each transaction on another server connection, nothing kept between two."""

import json
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest

from notifier.simulator import Account
from tests.support.pgbouncer import PgBouncer
from tests.support.process import Service, notifier, until
from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, noc, paged, titles

pytestmark = pytest.mark.slow


@pytest.fixture
def database_url(postgres_url: str, pgbouncer: PgBouncer) -> str:
    return pgbouncer.before(postgres_url)


async def command(folder: Path, *arguments: str) -> str:
    ran = await notifier("--config", "notifier.yaml", *arguments, folder=folder)
    assert ran.code == 0, ran
    return ran.stdout


async def listed(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await command(folder, *arguments, "--json"))
    return found


async def test_an_outage_is_told_from_its_beginning_to_its_end_over_a_reload_and_a_restart_of_the_pooler(
    write: Callable[..., Path],
    service: Service,
    account: Account,
    pgbouncer: PgBouncer,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
    tmp_path: Path,
) -> None:
    await command(tmp_path, "db", "upgrade")
    await service.start()
    await until(lambda: "change=baseline" in service.log, why=lambda: service.log)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(
        lambda: (paged(fixed_hosts), titles(http_receiver)) == ([("trigger", KEY)], [DOWN]), why=lambda: service.log
    )
    write({"pager": PAGER, **noc(http_receiver), **noc(http_receiver, "mail")})
    service.signal(SIGHUP)
    await until(lambda: titles(http_receiver, "mail") == [DOWN], why=lambda: service.log)
    await command(tmp_path, "ack", KEY, "--by", "night shift")

    pgbouncer.stop()
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: "observations not recorded" in service.log, why=lambda: service.log)
    pgbouncer.start()
    await until(
        lambda: titles(http_receiver, "mail") == titles(http_receiver, "noc") == [DOWN, AGAIN], why=lambda: service.log
    )
    await until(lambda: paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)], why=lambda: service.log)
    assert [row["status"] for row in await listed(tmp_path, "status")] == ["Healthy"]
    assert [(row["id"], row["acknowledged_by"]) for row in await listed(tmp_path, "incidents")] == [
        (KEY, "night shift")
    ]
    assert {row["outcome"] for row in await listed(tmp_path, "deliveries")} == {"sent"}
    assert await service.stop() == 0
    assert "Traceback" not in service.log
    assert "prepared statement" not in service.log
