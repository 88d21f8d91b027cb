"""Drills by plan, with real processes on one PostgreSQL: one drill, whatever becomes of who began it."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.process import Service, running, until
from tests.support.receivers import FixedHosts, HttpReceiver, Say
from tests.support.scenes import PAGER, noc, paged

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("account")]

SLOWLY = {"interval": "20s", "recheck": "10s", "discovery": "30s"}


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def path(write: Callable[..., Path], http_receiver: HttpReceiver) -> Path:
    """Return a configuration with a drill each minute, which is six seconds of the world's."""
    drill = {"cron": "* * * * *", "channels": ["noc", "pager"], "within": "10m"}
    return write({"pager": PAGER, **noc(http_receiver)}, poll=SLOWLY, drill=drill)


async def test_of_two_replicas_one_makes_each_drill(path: Path, fixed_hosts: FixedHosts) -> None:
    two = [Service(path, fixed_hosts.environment, name=name, hurry=10) for name in ("first", "other")]
    async with running(*two):
        await until(lambda: sum(service.log.count("drill passed") for service in two) >= 3, why=lambda: two[0].log)
        assert [await service.stop() for service in two] == [0, 0]
    told = Counter(paged(fixed_hosts))
    assert len([key for does, key in told if does == "resolve"]) >= 3
    assert set(told.values()) == {1}
    begun = Counter(number for service in two for number in re.findall(r"drill begun drill=(\d+)", service.log))
    assert len(begun) >= 3
    assert set(begun.values()) == {1}
    assert "Traceback" not in "".join(service.log for service in two)


async def test_killed_between_the_halves_it_is_ended_by_another(
    path: Path, fixed_hosts: FixedHosts, http_receiver: HttpReceiver
) -> None:
    first, other = (Service(path, fixed_hosts.environment, name=name, hurry=10) for name in ("first", "other"))
    http_receiver.usual = Say(status=503)  # until that takes the problem, too, nothing recovers
    async with running(first):
        await until(lambda: "delivered channel=pager" in first.log, why=lambda: first.log)
        await first.kill()
    opened = paged(fixed_hosts)
    assert {does for does, _ in opened} == {"trigger"}
    http_receiver.usual = Say()
    async with running(other):
        ends = {("resolve", key) for _, key in opened}
        await until(lambda: ends <= set(paged(fixed_hosts)), why=lambda: other.log)
    told = Counter(paged(fixed_hosts))
    assert {told[each] for each in (*opened, *ends)} == {1}
