"""Three replicas on one PostgreSQL while everything around them fails at random (R12-R15, R18, R28, R29, R32).

`make test-chaos` goes on for ten minutes (SECONDS=…), `make test` for one. The seed is printed, and
NOTIFIER_TEST_SEED repeats it.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path

import pytest

from tests.support.chaos import scene, verdicts
from tests.support.chaos.havoc import Havoc
from tests.support.chaos.record import Record
from tests.support.chaos.replica import Replica, look_after
from tests.support.chaos.scene import Scene
from tests.support.chaos.story import Story
from tests.support.postgres import OwnServer, free_port
from tests.support.process import Service, until
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, IncidentLedger
from tests.support.scenes import PAGER, noc, taken

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("NOTIFIER_TEST_SECONDS", "60"))
SEED = int(os.environ.get("NOTIFIER_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
# A delivery that was claimed by a process that died waits for its lease of 60 s; then retries may have backed off.
PATIENCE = 240.0
CALM_S = 30  # a process starts and takes accounts over, sees a state four times, and has time to write it down
FAILOVER_S = 20
KILLS = max(1, int(SECONDS // 200))
# What a process says only by a fault of its own, or of another.
FAULTS = {
    "observations dropped",
    "sweep failed by a fault of ours",
    "poll failed by a fault of ours",
    "sending failed by a fault of ours",
    "the record does not add up",
    "delivery abandoned",
    "interconnect removed",
}


@pytest.fixture
async def world() -> AsyncIterator[Scene]:
    async with scene.opened() as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with HttpReceiver().running(port=free_port()) as running:
        yield running


@pytest.fixture
async def record(own_postgres: OwnServer, world: Scene) -> AsyncIterator[Record]:
    stateful = {"pager": True, "events": False}
    opened = Record(own_postgres.create_database(), stateful, {link.name: link.site for link in world.links})
    await opened.prepare()
    yield opened
    await opened.close()


@asynccontextmanager
async def running(
    folder: Path, world: Scene, record: Record, receiver: HttpReceiver, hosts: FixedHosts, story: Story
) -> AsyncIterator[list[Replica]]:
    """Start the replicas, wait until all links are known, and see to it that each lives; killed in the end."""
    events = {"events": {"url": noc(receiver, "events")["events"], "format": "event"}}
    replicas = []
    for number, door in enumerate(world.doors):
        path = world.configure(folder, number, record.url, {"pager": PAGER, **events})
        replicas.append(Replica(Service(path, hosts.environment), door.address, story))
    carer = asyncio.create_task(look_after(replicas))
    try:
        for replica in replicas:
            await replica.start()
        await settled(world, record)
        yield replicas
    finally:
        carer.cancel()
        for replica in replicas:
            if replica.service.started:
                await replica.kill()


async def settled(world: Scene, record: Record) -> None:
    """Wait until what the links are is believed, and all of it sent."""
    unsettled: list[str] = ["everything"]

    async def nothing_is() -> bool:
        await asyncio.sleep(0.5)  # it reads the whole record
        unsettled[:] = await record.unsettled({link.name: link.state for link in world.links})
        return not unsettled

    await until(nothing_is, within=PATIENCE, why=lambda: unsettled)


async def test_what_happens_is_told_once_in_order_and_closed_whatever_fails(
    tmp_path: Path,
    world: Scene,
    record: Record,
    own_postgres: OwnServer,
    receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    print(f"seed {SEED}, {SECONDS:g} s")  # noqa: T201 - shown when it fails
    story, parts = Story(), (receiver, fixed_hosts)
    async with running(tmp_path, world, record, *parts, story) as replicas:
        havoc = Havoc(SEED, world, replicas, own_postgres, *parts, story)
        await havoc.rage(SECONDS)
        await havoc.calm(CALM_S)
        await settled(world, record)
        story.wrongs += verdicts.misheld(world.links, IncidentLedger(fixed_hosts.to(PAGERDUTY)).open)
        for link in world.links:
            link.set("Healthy")
        await settled(world, record)
        story.wrongs += await record.violations()
        for replica in replicas:
            await replica.stop()
        logs = [line for replica in replicas for line in replica.log()]

    asked, changes, pages = list(world.world.requests), await record.changes(), await record.pages()
    must, pager = verdicts.shown(asked, story), IncidentLedger(fixed_hosts.to(PAGERDUTY))
    numbers = verdicts.heard(request.json for request in taken(receiver, "events"))
    wrongs = [
        *story.wrongs,
        *(str(line) for line in logs if line["event"] in FAULTS or "traceback" in line),
        *(f"an audit failed: {page.key}" for page in pages if page.kind == "audit"),
        *verdicts.missed(must, changes),
        *verdicts.invented(asked, changes, story),
        *verdicts.misnumbered(changes),
        *verdicts.untold(numbers, changes),
        *verdicts.mispaged(pages, pager.opens, pager.closes),
        *verdicts.contested(asked, story),
        *verdicts.doubled((line["account"], line["fence"]) for line in logs if line["event"] == "account taken"),
        *verdicts.overdrawn(asked, world.tokens, int(scene.REQUESTS * scene.SHARE), scene.PER_S),
    ]
    repeats = sum(len(its) - len(set(its)) for its in numbers.values())
    takeovers = verdicts.failovers(asked, story)
    print(  # noqa: T201 - the figures, shown by pytest -s
        f"{dict(sorted(havoc.done.items()))}\n"
        f"{len(asked)} requests, at most {verdicts.busiest(asked, world.tokens, scene.PER_S)} in {scene.PER_S} s\n"
        f"{len(must)} states shown long enough, {len(changes)} transitions, "
        f"{sum(map(len, numbers.values()))} documents ({repeats} repeats), "
        f"{pager.opens.total()} pages opened and {pager.closes.total()} closed\n"
        f"taken over {len(takeovers)} times, after {[round(each, 1) for each in takeovers]} s"
    )
    assert not wrongs, "\n".join([*wrongs, str(story), *map(str, sorted(pages, key=lambda page: page.began))])
    assert len(must) > SECONDS / 6, "the run was long enough to show something"


def spread(world: Scene, last_s: float = 4) -> list[int]:
    """Return how many accounts each process asks for, lately; nothing if two ask for one."""
    since = time.monotonic() - last_s
    asked = {(r.account, r.door) for r in takewhile(lambda r: r.at > since, reversed(world.world.requests))}
    alone = len({account for account, _ in asked}) == len(asked) == len(world.accounts)
    return sorted(Counter(door for _, door in asked).values()) if alone else []


async def test_the_accounts_of_a_replica_that_is_killed_are_watched_by_another_within_20_s(
    tmp_path: Path, world: Scene, record: Record, receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    story = Story()
    async with running(tmp_path, world, record, receiver, fixed_hosts, story) as replicas:
        for replica in replicas[:KILLS]:
            await until(lambda: spread(world) == [2, 2, 2], why=lambda: spread(world))
            await replica.kill()
            await until(lambda: spread(world) == [3, 3], why=lambda: spread(world))
            await replica.start()
    took = verdicts.failovers(list(world.world.requests), story)
    print(f"taken over after {[round(each, 1) for each in took]} s")  # noqa: T201 - the figures, shown by pytest -s
    assert len(took) == 2 * KILLS
    assert max(took) <= FAILOVER_S
