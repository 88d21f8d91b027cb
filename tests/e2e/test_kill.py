"""Killed with SIGKILL at random moments around changes: nothing untold, nothing out of order (R12-R15).

`make test-kill` kills 200 times; `make test` a few. The seed is printed, and NOTIFIER_TEST_SEED repeats it.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.reading import Found, Wanted
from notifier.simulator import Link, Simulator
from tests.support.examples import ACCOUNT
from tests.support.process import FAST, Service, configure, until
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, IncidentLedger
from tests.support.scenes import PAGER, noc, taken
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("NOTIFIER_TEST_KILLS", "8"))
SEED = int(os.environ.get("NOTIFIER_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
LINKS = ["icon-ams-01", "icon-ams-02", "icon-fra-01"]
STATES = ["Healthy", "Down", "Unhealthy"]
NEVER_FLAPPING = FAST["detection"] | {"flapping": {"changes": 4, "within": "1s"}}
AT_ONCE = {"wait": "0s", "storm": {"messages": 1000, "per": "1s"}}
# Whoever was killed in a send on a shared database still holds its lease; then the retries may have backed off.
PATIENCE = {"sqlite": 60.0, "postgresql": 120.0}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        account = running.account(ACCOUNT, token=TOKEN)
        for name in LINKS:
            account.link(name, site=name[5:8] + "-a")
        yield running


async def transitions(database_url: str) -> list[Found]:
    database = SqlDatabase(database_url)
    try:
        async with database.read() as reading:
            history = await reading.history(Wanted(limit=100_000), None)
    finally:
        await database.close()
    return [row for row in history if row["kind"] == "transition" and row["change"] != "baseline"]


async def unsent(database_url: str) -> list[Found]:
    database = SqlDatabase(database_url)
    try:
        async with database.read() as reading:
            found = await reading.deliveries(Wanted(limit=100_000), failed=False)
    finally:
        await database.close()
    return [delivery for delivery in found if delivery["outcome"] not in {"sent", "moot"}]


async def audits(database_url: str) -> list[Found]:
    """Return the incidents of a record that did not add up."""
    database = SqlDatabase(database_url)
    try:
        async with database.read() as reading:
            return [i for i in await reading.incidents(Wanted(limit=100_000)) if i["kind"] == "audit"]
    finally:
        await database.close()


async def believed(database_url: str, links: list[Link]) -> bool:
    """Whether the service has confirmed what the links are, and sent all it has to say of it."""
    database = SqlDatabase(database_url)
    try:
        async with database.read() as reading:
            status = {row["name"]: row["status"] for row in await reading.status(Wanted())}
    finally:
        await database.close()
    return status == {link.name: link.state for link in links} and not await unsent(database_url)


async def test_killed_at_random_moments_it_tells_every_change_in_order_and_leaves_no_page_open(
    tmp_path: Path,
    database_url: str,
    simulator: Simulator,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    print(f"seed {SEED}, {KILLS} kills")  # noqa: T201 - shown when it fails
    chance = random.Random(SEED)  # noqa: S311 - no secret
    events, texts = noc(http_receiver, "events")["events"], noc(http_receiver, "texts")
    channels = {"events": {"url": events, "format": "event"}, **texts, "pager": PAGER}
    path = configure(tmp_path, database_url, simulator.url, channels, detection=NEVER_FLAPPING, group=AT_ONCE)
    service = Service(path, fixed_hosts.environment)
    links = list(simulator.account(ACCOUNT).links.values())
    await service.start()
    await asyncio.sleep(1)
    for _ in range(KILLS):
        link = chance.choice(links)
        link.set(chance.choice([state for state in STATES if state != link.state]))
        await asyncio.sleep(chance.uniform(0, 1.2))
        await service.kill()
        if chance.random() < 0.5:
            chance.choice(links).set(chance.choice(STATES))
        await service.start()
    for link in links:
        link.set("Healthy")
    patience = PATIENCE["sqlite" if database_url.startswith("sqlite") else "postgresql"]
    await until(lambda: believed(database_url, links), within=patience, why=lambda: service.log[-3000:])
    assert await service.stop() == 0

    happened = await transitions(database_url)
    told = [request.json["name"] for request in taken(http_receiver, "events")]
    spoken = " ".join(request.json["title"] + request.json["message"] for request in taken(http_receiver, "texts"))
    for name in LINKS:
        numbers = [row["number"] for row in happened if row["name"] == name]
        heard = [int(title.rpartition("#")[2]) for title in told if f" {name} " in title]
        assert f"{name} is " in spoken or f"{name}: " in spoken or not numbers
        assert sorted(set(heard)) == numbers, "every confirmed change is told"
        assert all(later - earlier in {0, 1} for earlier, later in pairwise(heard)), "in order, but for repeats"
        assert all(row["before"] != row["after"] for row in happened)
    assert len(told) - len(set(told)) <= KILLS, "at most one repeat a kill"
    assert await audits(database_url) == []
    ledger = IncidentLedger(fixed_hosts.to(PAGERDUTY))
    assert ledger.open == set(), "what was opened is closed"
    assert max(ledger.opens.values(), default=1) == 1, "never opened twice"
    assert {request.status for request in fixed_hosts.to(PAGERDUTY)} <= {202, None}
    print(  # noqa: T201 - the figures, shown by pytest -s
        f"{KILLS} kills: {len(happened)} transitions, {len(told)} messages ({len(told) - len(set(told))} repeats), "
        f"{ledger.opens.total()} pages opened and {ledger.closes.total()} closed"
    )
