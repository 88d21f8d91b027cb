"""What real receivers get from a real process, whatever they do (R15-R17, R20, R26)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from notifier.simulator import Account, Simulator
from tests.support.process import Service, until
from tests.support.receivers import PAGERDUTY, SLACK, FixedHosts, HttpReceiver, IncidentLedger, Received, Say
from tests.support.scenes import AGAIN, DOWN, PAGER, SITE_KEY, bodies, key, noc, paged, titles

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
SLACK_URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
SECOND = "icon-ams-02"
LOST = "site ams-a lost: 2 of 2 interconnects have a problem"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind is enough: tests/integration has the same scenarios on both."""
    return f"sqlite:///{tmp_path}/notifier.db"


@pytest.fixture
async def hurried(write: Write, fixed_hosts: FixedHosts) -> AsyncIterator[Service]:
    """A service that tells Slack and PagerDuty, and whose minutes are two seconds."""
    poll, detection = {"interval": "20s", "recheck": "10s", "discovery": "30s"}, {"recover_for": "10s"}
    path = write({"pager": PAGER, "noc": SLACK_URL}, poll=poll, detection=detection)
    running = Service(path, fixed_hosts.environment, hurry=30)
    yield running
    await running.kill()


async def falls(service: Service, account: Account) -> None:
    """Start the service, wait until it has seen its link Healthy, and have that go down."""
    await service.start()
    await until(lambda: "change=baseline" in service.log, why=lambda: service.log)
    account.links["icon-ams-01"].set("Down", "no light")


async def rises(service: Service, account: Account) -> None:
    """Have the link be Healthy again until that is confirmed."""
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: "change=recovered" in service.log, why=lambda: service.log)


def slacked(hosts: FixedHosts) -> list[Received]:
    return [request for request in hosts.to(SLACK) if request.status == 200]


async def test_scenario_17_slack_returns_and_gets_its_message_which_says_that_it_is_late(
    hurried: Service, account: Account, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[SLACK] = Say(reset=True)
    await falls(hurried, account)
    await until(lambda: len(fixed_hosts.to(SLACK)) == 5, why=lambda: hurried.log)  # the sixth is late
    fixed_hosts.usual_for[SLACK] = Say(body="ok")
    await until(lambda: len(slacked(fixed_hosts)) == 1, why=lambda: hurried.log)
    assert await hurried.stop() == 0
    [taken] = slacked(fixed_hosts)
    assert DOWN in taken.body.decode()
    assert "late by " in taken.body.decode()


async def test_scenario_18_an_outage_that_nobody_could_be_told_of_is_one_message_and_no_page(
    hurried: Service, account: Account, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.away = True
    await falls(hurried, account)
    await until(lambda: hurried.log.count("will be tried again") >= 4, why=lambda: hurried.log)
    await rises(hurried, account)
    fixed_hosts.away = False
    await until(lambda: len(slacked(fixed_hosts)) == 1, why=lambda: hurried.log)
    await until(lambda: "deliveries called off" in hurried.log, why=lambda: hurried.log)
    assert await hurried.stop() == 0
    [taken] = slacked(fixed_hosts)
    assert "It was over before it could be told." in taken.body.decode()
    assert fixed_hosts.to(PAGERDUTY) == []


async def test_scenario_19_and_23_one_that_fails_and_one_that_hangs_keep_no_other_waiting(
    service: Service, write: Write, account: Account, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    write({"pager": PAGER, "chat": SLACK_URL + "?cto=1&rto=1", **noc(http_receiver)})
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=503)
    fixed_hosts.script_for[SLACK] = [Say(hang=True)]
    await falls(service, account)
    await until(lambda: titles(http_receiver) == [DOWN], why=lambda: service.log)
    assert slacked(fixed_hosts) == []
    await until(lambda: len(slacked(fixed_hosts)) == 1 and len(fixed_hosts.to(PAGERDUTY)) >= 2)
    assert await service.stop() == 0
    assert titles(http_receiver) == [DOWN]
    assert [request.status for request in fixed_hosts.to(SLACK)] == [None, 200]


async def test_scenario_20_and_24_it_goes_on_until_it_is_taken(
    hurried: Service, account: Account, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.script_for[SLACK] = [Say(status=500)] * 2
    await falls(hurried, account)
    await until(lambda: len(slacked(fixed_hosts)) == 1, why=lambda: hurried.log)
    assert [request.status for request in fixed_hosts.to(SLACK)] == [500, 500, 200]
    fixed_hosts.script_for[PAGERDUTY] = [Say(status=500)] * 5
    await rises(hurried, account)
    await until(lambda: len(paged(fixed_hosts)) == 2, why=lambda: hurried.log)
    assert await hurried.stop() == 0
    assert [request.status for request in fixed_hosts.to(PAGERDUTY)] == [202, 500, 500, 500, 500, 500, 202]
    assert IncidentLedger(fixed_hosts.requests).open == set()


async def test_scenario_21_a_receivers_retry_after_is_obeyed(
    service: Service, account: Account, http_receiver: HttpReceiver
) -> None:
    http_receiver.script = [Say(status=429, headers={"Retry-After": "9"})]
    await falls(service, account)
    await until(lambda: titles(http_receiver) == [DOWN], why=lambda: service.log)
    assert await service.stop() == 0
    first, second = http_receiver.requests
    assert (second.at - first.at).total_seconds() >= 9


async def test_scenario_22_a_refusal_is_told_on_another_channel_once(
    service: Service, account: Account, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=401)
    await falls(service, account)
    await until(lambda: len(titles(http_receiver)) == 2, why=lambda: service.log)
    await rises(service, account)
    await until(lambda: len(titles(http_receiver)) == 3, why=lambda: service.log)
    assert await service.stop() == 0
    told = titles(http_receiver)
    assert {DOWN, AGAIN} < set(told)
    assert [title for title in told if title.startswith("channel pager does not take messages: 401")] != []


async def test_scenario_40_two_of_two_at_a_site_are_one_message_and_one_page(
    service: Service,
    write: Write,
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    write({"pager": PAGER, **noc(http_receiver)}, group={"wait": "2s"})
    second = account.link(SECOND, site="ams-a")
    await service.start()
    await until(lambda: service.log.count("change=baseline") == 2, why=lambda: service.log)
    for link in (account.links["icon-ams-01"], second):
        link.set("Down", "no light")
    await until(lambda: len(titles(http_receiver)) == 1 and len(paged(fixed_hosts)) == 1, why=lambda: service.log)
    asked = simulator.requests.total
    await until(lambda: simulator.requests.total > asked + 10)
    assert titles(http_receiver) == [LOST]
    assert paged(fixed_hosts) == [("trigger", SITE_KEY)]
    assert "icon-ams-01: Down" in bodies(http_receiver)[0]
    assert "icon-ams-02: Down" in bodies(http_receiver)[0]
    await rises(service, account)
    await until(lambda: len(titles(http_receiver)) == 2 and len(paged(fixed_hosts)) == 3, why=lambda: service.log)
    assert titles(http_receiver)[1] == "site ams-a is back after …: 1 of 2 interconnects Healthy"
    assert sorted(paged(fixed_hosts)[1:]) == [("resolve", SITE_KEY), ("trigger", key(SECOND))]
    second.set("Healthy")
    await until(lambda: len(titles(http_receiver)) == 3 and len(paged(fixed_hosts)) == 4, why=lambda: service.log)
    assert await service.stop() == 0
    assert paged(fixed_hosts)[3:] == [("resolve", key(SECOND))]
