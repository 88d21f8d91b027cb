"""What Prometheus is told follows what happens: the whole service, its clock moved by hand."""

import pytest

from notifier.errors import DatabaseUnreachableError
from notifier.ports import Counts
from notifier.simulator import faults
from tests.support.receivers import FixedHosts, HttpReceiver, Say
from tests.support.scenes import KEY, PAGER, down, heal, noc, paged
from tests.support.scraped import OPENMETRICS, Scraped
from tests.support.stage import Stage

pytestmark = pytest.mark.slow

LINK = {"account": "production", "name": "icon-ams-01", "site": "ams-a"}


async def test_a_link_that_falls_and_returns_is_followed_from_its_state_to_what_was_delivered(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        calm = await stage.scrape()
        await stage.polls(stage.link(), "Down", "Down", reason="no light")
        fallen = await stage.scrape()
        await heal(stage)
        over = await stage.scrape()
    assert calm.all("notifier_interconnect_state", "name", "site", "state") == {"icon-ams-01 ams-a healthy": 1}
    assert fallen.one("notifier_interconnect_state", **LINK, state="healthy") == 0
    assert fallen.one("notifier_interconnect_state", **LINK, state="down") == 1
    assert over.one("notifier_interconnect_state", **LINK, state="healthy") == 1
    assert over.one("notifier_interconnect_state", **LINK, state="down") is None
    assert [each.all("notifier_interconnects", "account", "state") for each in (calm, fallen, over)] == [
        {"production healthy": 1},
        {"production down": 1},
        {"production healthy": 1},
    ]
    assert [each.all("notifier_transitions_total", "change") for each in (calm, fallen, over)] == [
        {"baseline": 1},
        {"baseline": 1, "problem": 1},
        {"baseline": 1, "problem": 1, "recovered": 1},
    ]
    assert [each.all("notifier_incidents_open", "account", "kind", "severity") for each in (calm, fallen, over)] == [
        {},
        {"production interconnect critical": 1},
        {},
    ]
    assert [each.all("notifier_deliveries_total", "channel", "outcome") for each in (calm, fallen, over)] == [
        {},
        {"noc sent": 1},
        {"noc sent": 2},
    ]
    assert fallen.one("notifier_delivery_latency_seconds_sum", channel="noc") == 15  # until it was confirmed
    assert fallen.one("notifier_delivery_latency_seconds_bucket", channel="noc", le="15.0") == 1
    assert fallen.one("notifier_delivery_latency_seconds_bucket", channel="noc", le="5.0") == 0
    polls = len(stage.simulator.requests.of(link="icon-ams-01"))
    assert over.all("notifier_polls_total", "outcome") == {"seen": polls}
    assert over.one("notifier_poll_duration_seconds_count", account="production") == polls
    assert over.one("notifier_request_budget_limit", credential=_mark(over)) == 600
    assert over.one("notifier_request_budget_used", credential=_mark(over)) == len(stage.simulator.requests)


def _mark(scraped: Scraped) -> str:
    [mark] = scraped.all("notifier_request_budget_limit", "credential")
    return mark


async def test_how_long_ago_anything_was_seen_and_that_it_can_not_be_is_told(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    other = stage.link("icon-fra-01", site="fra-a")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(60)
        other.fault(faults.HTML)
        await stage.advance(180)
        scraped = await stage.scrape()
        other.heal()
        await stage.advance(60)
        healed = await stage.scrape()
    assert scraped.all("notifier_interconnect_blind", "name") == {"icon-fra-01": 1}
    assert scraped.one("notifier_interconnects_blind", account="production") == 1
    assert scraped.one("notifier_interconnects_watched", account="production") == 2
    assert scraped.all("notifier_interconnect_state", "name") == {"icon-ams-01": 1, "icon-fra-01": 1}
    assert scraped.all("notifier_incidents_open", "kind") == {"blind": 1}
    assert scraped.all("notifier_polls_total", "outcome")["malformed"] == 3
    assert scraped.one("notifier_poll_interval_seconds", account="production") == 60
    newest = scraped.one("notifier_poll_age_seconds", account="production")
    oldest = scraped.one("notifier_poll_oldest_age_seconds", account="production")
    assert newest is not None
    assert oldest is not None
    assert 0 <= newest <= 60
    assert 180 <= oldest <= 240
    assert healed.all("notifier_interconnect_blind", "name") == {}


async def test_what_waits_in_the_outbox_is_counted_and_grows_old(
    stage: Stage, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    http_receiver.usual = Say(status=503)
    async with stage.at_work(pager=PAGER, **noc(http_receiver)):
        await down(stage)
        await stage.advance(60)
        scraped = await stage.scrape()
    assert paged(fixed_hosts) == [("trigger", KEY)]
    assert scraped.one("notifier_outbox_depth", channel="noc") == 1
    assert scraped.one("notifier_outbox_oldest_age_seconds", channel="noc") == 60
    assert scraped.one("notifier_outbox_depth", channel="pager") == 0
    assert scraped.one("notifier_outbox_oldest_age_seconds", channel="pager") == 0
    ends = scraped.all("notifier_deliveries_total", "channel", "outcome")
    assert ends.keys() == {"noc again_later", "pager sent"}
    assert ends["noc again_later"] > 1


async def test_what_was_over_before_it_could_be_sent_is_moot(stage: Stage, fixed_hosts: FixedHosts) -> None:
    async with stage.at_work(pager=PAGER):
        stage.sending = False
        await down(stage)
        await heal(stage)
        stage.sending = True
        await stage.step()
        scraped = await stage.scrape()
    assert paged(fixed_hosts) == []
    assert scraped.all("notifier_deliveries_total", "channel", "outcome") == {"pager moot": 2}
    assert scraped.one("notifier_outbox_depth", channel="pager") == 0


async def test_names_made_to_forge_series_are_values(stage: Stage, http_receiver: HttpReceiver) -> None:
    name, site = 'icon"} 1\\nnotifier_forged{x="', 'ams\\"a\\'
    stage.link(name, site=site)
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(65)
        text, open_text = await stage.scrape(), await stage.scrape(OPENMETRICS)
    for scraped in (text, open_text):
        assert scraped.one("notifier_interconnect_state", account="production", name=name, site=site, state="healthy")
        assert "notifier_forged" not in scraped.families
        assert [line for line in scraped.text.splitlines() if line.startswith("notifier_forged")] == []


async def test_a_scrape_while_the_database_is_away_tells_what_memory_knows(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        away = await stage.scrape(database=Away())
        back = await stage.scrape()
    assert away.one("notifier_database_up") == 0
    assert away.one("notifier_interconnect_state", **LINK, state="down") == 1
    assert away.all("notifier_deliveries_total", "outcome") == {"sent": 1}
    assert away.names() & {"notifier_incidents_open", "notifier_outbox_depth"} == set()
    assert back.one("notifier_database_up") == 1
    assert back.one("notifier_outbox_depth", channel="noc") == 0


class Away:
    """Keeps `ports.Counting`; it is not there."""

    async def counts(self) -> Counts:
        raise DatabaseUnreachableError("cannot reach the database")
