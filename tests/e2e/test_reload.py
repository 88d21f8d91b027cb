"""A new configuration while the service runs: by SIGHUP, or by itself when a file was written (R31, R18, R25)."""

import re
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP

import pytest

from notifier.simulator import Account, Simulator
from tests.support.examples import ACCOUNT
from tests.support.process import Service, until
from tests.support.receivers import FixedHosts, HttpReceiver
from tests.support.scenes import AGAIN, DOWN, KEY, PAGER, noc, paged, titles
from tests.support.stage import TOKEN

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
TAKEN, REFUSED = "configuration taken", "configuration not taken"
OTHER = "9a7806061c88ada191ed06f989cc3dac"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind is enough: what the databases do at a reload is tested on both elsewhere."""
    return f"sqlite:///{tmp_path}/notifier.db"


async def reload(service: Service, outcome: str = TAKEN) -> None:
    """Ask for a reload, and wait until that came of it."""
    before = service.log.count(outcome)
    service.signal(SIGHUP)
    await until(lambda: service.log.count(outcome) > before, why=lambda: service.log)


async def polled(simulator: Simulator, times: int = 8) -> None:
    asked = simulator.requests.total
    await until(lambda: simulator.requests.total >= asked + times)


async def has_fallen(service: Service, account: Account, hosts: FixedHosts, receiver: HttpReceiver) -> None:
    """Start the service, and have its link go down; both channels are told."""
    await service.start()
    await until(lambda: "change=baseline" in service.log, why=lambda: service.log)
    account.links["icon-ams-01"].set("Down", "no light")
    await until(lambda: (paged(hosts), titles(receiver)) == ([("trigger", KEY)], [DOWN]), why=lambda: service.log)


async def test_scenario_13_with_other_thresholds_and_names_it_opens_nothing_and_closes_with_the_old_key(
    service: Service,
    write: Write,
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    await has_fallen(service, account, fixed_hosts, http_receiver)
    detection = {"confirm": 3, "recover": 4, "recover_for": "0s", "blind_after": 5}
    write({"on-call": PAGER, "webhook": noc(http_receiver)["noc"]}, detection=detection)
    await reload(service)
    await polled(simulator)
    assert (paged(fixed_hosts), titles(http_receiver)) == ([("trigger", KEY)], [DOWN])
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: len(paged(fixed_hosts)) == len(titles(http_receiver)) == 2, why=lambda: service.log)
    assert paged(fixed_hosts) == [("trigger", KEY), ("resolve", KEY)]
    assert titles(http_receiver) == [DOWN, AGAIN]
    assert await service.stop() == 0


async def test_scenario_14_a_bad_configuration_leaves_everything_running_and_the_next_good_one_is_taken(
    service: Service,
    write: Write,
    simulator: Simulator,
    account: Account,
    http_receiver: HttpReceiver,
    fixed_hosts: FixedHosts,
) -> None:
    channels = {"pager": PAGER, **noc(http_receiver)}
    await service.start()
    write(channels, poll={"interval": "soon"}, log={"level": "debug"})
    await reload(service, REFUSED)
    write({**channels, "chat": "slack://planted-secret/x"}, log={"level": "debug"})
    await reload(service, REFUSED)
    write(channels, database="sqlite:///another.db", log={"level": "debug"})
    await reload(service, REFUSED)
    await polled(simulator)
    account.links["icon-ams-01"].set("Down")
    await until(lambda: titles(http_receiver) == [DOWN], why=lambda: service.log)
    write({**channels, **noc(http_receiver, "mail")})
    await reload(service)
    await until(lambda: titles(http_receiver, "mail") == [DOWN], why=lambda: service.log)
    assert titles(http_receiver, "noc") == [DOWN]
    assert paged(fixed_hosts) == [("trigger", KEY)]
    assert await service.stop() == 0
    assert re.search(r"notifier\.yaml:\d+: poll\.interval: found soon, expected", service.log)
    assert "channels.chat.url" in service.log
    assert "database: it can't be changed while the service runs; restart it" in service.log
    assert "planted-secret" not in service.log
    assert " DEBUG " not in service.log


async def test_by_itself_it_takes_what_was_written_and_says_once_what_it_cannot(
    service: Service, write: Write, account: Account, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    versions = [tmp_path / "1", tmp_path / "2"]
    for version, channel in zip(versions, ("noc", "renewed"), strict=True):
        version.mkdir()
        (version / "url").write_text(noc(http_receiver, channel)[channel])
    data = tmp_path / "..data"
    data.symlink_to(versions[0])
    channels = {"noc": {"url_file": "..data/url"}}
    write(channels, reload={"on_change": True})
    await service.start()
    write({**channels, "more": {"url_file": "not-there-yet"}}, reload={"on_change": True})
    await until(lambda: REFUSED in service.log, why=lambda: service.log)
    (tmp_path / "not-there-yet").write_text(noc(http_receiver, "more")["more"])
    await until(lambda: TAKEN in service.log, why=lambda: service.log)
    (tmp_path / "..next").symlink_to(versions[1])
    (tmp_path / "..next").rename(data)  # as Kubernetes swaps a mounted secret
    await until(lambda: service.log.count(TAKEN) == 2, why=lambda: service.log)
    account.links["icon-ams-01"].set("Down")
    await until(lambda: titles(http_receiver, "renewed") == titles(http_receiver, "more") == [DOWN])
    assert service.log.count(REFUSED) == 1
    assert titles(http_receiver, "noc") == []
    assert await service.stop() == 0


async def test_an_account_that_is_no_longer_configured_has_its_incidents_closed(
    service: Service, write: Write, simulator: Simulator, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    channels = {"pager": PAGER, **noc(http_receiver)}
    simulator.account(OTHER, token=TOKEN).link("icon-lhr-01", site="lhr-a").set("Down")
    accounts = [{"id": ACCOUNT, "token": TOKEN}, {"id": OTHER, "name": "staging", "token": TOKEN}]
    write(channels, accounts=accounts)
    await service.start()
    await until(lambda: len(paged(fixed_hosts)) == len(titles(http_receiver)) == 1, why=lambda: service.log)
    write(channels, accounts=accounts[:1])
    await reload(service)
    await until(lambda: len(paged(fixed_hosts)) == len(titles(http_receiver)) == 2, why=lambda: service.log)
    key = f"cni:{OTHER}:icon-lhr-01:1"
    assert paged(fixed_hosts) == [("trigger", key), ("resolve", key)]
    assert "icon-lhr-01 removed: its account is no longer configured" in titles(http_receiver)[-1]
    assert await service.stop() == 0


async def test_scenario_45_a_channel_added_during_an_outage_gets_the_open_incident_once(
    service: Service, write: Write, account: Account, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    await has_fallen(service, account, fixed_hosts, http_receiver)
    channels = {"pager": PAGER, **noc(http_receiver), **noc(http_receiver, "mail")}
    write(channels)
    await reload(service)
    await until(lambda: len(titles(http_receiver, "mail")) == 1, why=lambda: service.log)
    await reload(service)
    account.links["icon-ams-01"].set("Healthy")
    await until(lambda: len(titles(http_receiver)) == 4, why=lambda: service.log)
    assert titles(http_receiver, "mail") == titles(http_receiver, "noc") == [DOWN, AGAIN]
    assert await service.stop() == 0


async def test_a_pager_that_is_removed_while_it_holds_an_incident_open_is_told_on_the_others(
    service: Service, write: Write, account: Account, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    await has_fallen(service, account, fixed_hosts, http_receiver)
    write(noc(http_receiver))
    await reload(service)
    await until(lambda: len(titles(http_receiver)) == 2, why=lambda: service.log)
    assert titles(http_receiver)[-1] == "channel pager was removed and still holds an incident open"
    assert KEY in http_receiver.requests[-1].json["message"]
    assert await service.stop() == 0
