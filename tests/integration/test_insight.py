"""What people look at: read beside the work, in few statements, and never in its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.insight import SqlInsight
from notifier.domain.incident import Acknowledgement, IncidentKind
from notifier.domain.matching import Matcher
from notifier.errors import DatabaseError
from notifier.insight import CursorError, Filter, Insight
from tests.support.examples import ACCOUNT
from tests.support.receivers import HttpReceiver, Say
from tests.support.scenes import KEY, NAME, down, noc
from tests.support.stage import TOKEN, Stage

pytestmark = pytest.mark.slow

NAMES = ("icon-ams-01", "icon-ams-02", "icon-fra-01")


@pytest.fixture
def insight(stage: Stage) -> Insight:
    return stage.insight()


async def test_the_overview_shows_accounts_sites_and_links_with_what_is_open_and_who_was_told(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-fra-01", site="fra-b")
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.acknowledge(KEY, minutes=60)
        seen = await insight.overview()
    (account,) = seen.accounts
    assert (account.account, account.blind_since, account.cause) == (ACCOUNT, None, None)
    assert [(site.name, [link.name for link in site.links]) for site in account.sites] == [
        ("ams-a", ["icon-ams-01", "icon-ams-02"]),
        ("fra-b", ["icon-fra-01"]),
    ]
    ams = account.sites[0]
    assert (ams.standing.healthy, ams.standing.watched, ams.standing.lost) == (1, 2, False)
    link = ams.links[0]
    assert (link.status, link.reason, link.problem, link.incident) == ("Down", "no light", True, KEY)
    (incident,) = seen.incidents
    assert seen.open_incidents == 1
    assert (incident.key, incident.kind, incident.closed_at) == (KEY, IncidentKind.INTERCONNECT, None)
    assert isinstance(incident.acknowledgement, Acknowledgement)
    assert incident.acknowledgement.by == "noc"
    (telling,) = incident.tellings
    assert (telling.channel, telling.outcome, len(telling.attempts)) == ("noc", "sent", 1)
    assert telling.attempts[0].code == 200


async def test_a_receiver_that_does_not_take_it_shows_as_still_trying(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    http_receiver.usual = Say(status=503)
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        seen = await insight.overview()
    (telling,) = seen.incidents[0].tellings
    assert telling.outcome == "pending"
    assert telling.due_at is not None
    assert telling.attempts[0].cause


async def test_blindness_shows_at_the_account_and_at_each_link(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        stage.account.token = "another"
        await stage.advance(900)
        seen = await insight.overview()
    (account,) = seen.accounts
    link = account.sites[0].links[0]
    assert account.blind_since is not None
    assert link.blind
    assert link.status == "Healthy"
    assert TOKEN not in repr(seen)
    assert [incident.kind for incident in seen.incidents] == [IncidentKind.BLIND]


async def test_all_who_ask_at_once_share_one_reading_until_somebody_acts(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        first, second = await asyncio.gather(insight.overview(), insight.overview())
        assert first is second is await insight.overview()
        insight.refresh()
        assert await insight.overview() is not first


async def test_who_asks_and_goes_takes_the_answer_from_nobody_else(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        gone = asyncio.ensure_future(insight.overview())
        other = asyncio.ensure_future(insight.overview())
        await asyncio.sleep(0)
        gone.cancel()
        assert (await other).accounts[0].account == ACCOUNT


async def test_an_overview_is_few_statements_however_many_links_there_are(
    stage: Stage, http_receiver: HttpReceiver
) -> None:
    for number in range(40):
        stage.link(f"icon-{number:02}", site=f"site-{number % 7}")
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        insight, sent = stage.insight(), stage.statements(reading=True)
        await insight.overview()
        assert 0 < len([one for one in sent if one.lstrip().startswith("SELECT")]) <= 9
        sent.clear()
        await insight.spans(stage.clock.now() - timedelta(days=30), [(ACCOUNT, NAME)])
        assert len([one for one in sent if one.lstrip().startswith("SELECT")]) <= 2


async def test_a_story_holds_what_happened_to_a_link_and_what_was_told_of_it(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.polls(stage.link(), "Healthy", "Healthy", "Healthy")
        story = await insight.link(ACCOUNT, NAME)
        assert story is not None
        assert await insight.link(ACCOUNT, "icon-nowhere") is None
        assert await insight.link("another", NAME) is None
    assert [t.change for t in story.transitions] == ["recovered", "problem", "baseline"]
    problem = story.transitions[1]
    assert problem.last_seen_before is not None
    assert problem.last_seen_before < problem.first_seen_at < problem.confirmed_at
    assert [(t.channel, t.outcome, t.attempts[0].code) for t in problem.tellings] == [("noc", "sent", 200)]
    assert [incident.key for incident in story.incidents] == [KEY]
    assert story.incidents[0].closed_at is not None
    assert story.observations
    assert [standing.channel for standing in story.channels] == ["noc"]


async def test_pages_hold_everything_once_in_the_order_of_time(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        for name in NAMES:
            stage.link(name)
        await stage.advance(900)
        for _ in range(2):
            for name in NAMES:
                stage.link(name).set("Down")
            await stage.advance(300)
            for name in NAMES:
                stage.link(name).set("Healthy")
            await stage.advance(300)
        for asked, least in (
            (lambda after: insight.transitions(limit=2, after=after), 15),
            (lambda after: insight.incidents(limit=2, after=after), 6),
            (lambda after: insight.deliveries(limit=2, after=after), 12),
            (lambda after: insight.history(ACCOUNT, NAME, limit=2, after=after), 7),
        ):
            page = await asked(None)
            whole: list[Any] = [*page.entries]
            while page.next is not None:
                assert len(page.entries) == 2
                page = await asked(page.next)
                whole += page.entries
            assert len(whole) >= least
            identities = [repr(entry) for entry in whole]
            assert len(set(identities)) == len(identities)
            times = [getattr(e, "at", None) or getattr(e, "opened_at", None) or e.recorded_at for e in whole]
            assert all(later >= earlier for later, earlier in pairwise(times))


async def test_a_filter_takes_what_fits_all_of_it(stage: Stage, insight: Insight, http_receiver: HttpReceiver) -> None:
    stage.link("icon-fra-01", site="fra-b")
    stage.link("Icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(700)
        half = stage.clock.now()
        for name in ("icon-ams-01", "icon-fra-01"):
            stage.link(name).set("Down")
        await stage.advance(300)

        async def found(**wanted: object) -> set[str]:
            page = await insight.transitions(Filter(**wanted))  # type: ignore[arg-type]
            return {entry.name for entry in page.entries}

        assert await found() == {"icon-ams-01", "icon-fra-01", "Icon-ams-02"}
        assert await found(name="icon-*") == {"icon-ams-01", "icon-fra-01"}
        assert await found(name="[iI]con-ams-0[!1]") == {"Icon-ams-02"}
        assert await found(site="fra-*") == {"icon-fra-01"}
        assert await found(name="*", site="ams-?", since=half) == {"icon-ams-01"}
        assert await found(until=half, name="icon-fra-01") == {"icon-fra-01"}
        assert await found(account="another") == set()
        at_ams = await insight.incidents(Filter(site="ams-a"), is_open=True)
        assert [incident.key for incident in at_ams.entries] == [KEY]
        assert (await insight.incidents(Filter(site="ams-a"), is_open=False)).entries == []
        told = await insight.deliveries(Filter(name="icon-fra-*"))
        assert [delivery.subject for delivery in told.entries] == ["icon-fra-01"]
        delivery = await insight.delivery(told.entries[0].id)
        assert delivery is not None
        assert delivery.attempts[0].code == 200
        assert await insight.delivery(999) is None


@pytest.mark.parametrize("cursor", ["", "x", "////", "MTIz", "LTE5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x", "é", "MS4yLjM"])
async def test_what_is_no_cursor_is_refused(cursor: str, sql_database: SqlDatabase, stage: Stage) -> None:
    insight = sql_database.insight(stage.clock, str)
    with pytest.raises(CursorError, match="expected"):
        await insight.transitions(after=cursor)


async def test_spans_hold_changes_and_gaps_of_those_that_are_asked_for(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy")
        begin = stage.clock.now() + timedelta(microseconds=1)
        await stage.polls(stage.link(), "Down", "Down")
        stage.account.token = "another"
        await stage.advance(1200)
        stage.account.token = TOKEN
        await stage.advance(1200)
        one = await insight.spans(begin, [(ACCOUNT, NAME)])
        both = await insight.spans(begin, [(ACCOUNT, NAME), (ACCOUNT, "icon-ams-02"), ("another", NAME)])
        assert await insight.spans(begin, []) == {}
    span = one[ACCOUNT, NAME]
    assert [(change.change, change.after) for change in span.changes] == [("problem", "Down")]
    ((gap_from, gap_until),) = span.gaps
    assert gap_until - gap_from > timedelta(minutes=15)
    assert both[ACCOUNT, NAME] == span
    assert [*both] == [(ACCOUNT, NAME), (ACCOUNT, "icon-ams-02")]


async def test_silences_and_acts_are_listed_newest_first(
    stage: Stage, insight: Insight, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        for name in ("a", "b", "c"):
            await stage.silence(Matcher(name=(name,)), minutes=10)
        await stage.expire(2)
        first = await insight.silences(limit=2)
        rest = await insight.silences(limit=2, after=first.next)
        stage.clock.advance(timedelta(minutes=1))
        holding = await insight.silences(ends_after=stage.clock.now())
    assert [silence.id for silence in (*first.entries, *rest.entries)] == [3, 2, 1]
    assert [silence.id for silence in holding.entries] == [3, 1]


@asynccontextmanager
async def reading(insight: SqlInsight) -> AsyncIterator[None]:
    async with insight._read() as open_reading:
        await open_reading.conn.execute(text("SELECT count(*) FROM states"))
        yield


async def test_who_reads_keeps_nobody_from_writing_and_can_write_nothing(
    sql_database: SqlDatabase, stage: Stage
) -> None:
    insight = sql_database.insight(stage.clock, str)
    async with reading(insight), asyncio.timeout(2), sql_database.begin() as work:
        await work.ledger.act(at=stage.clock.now(), by="anna", act="ack", target="x", comment="")
    with pytest.raises(DatabaseError, match=r"read-?only"):
        async with insight._read() as open_reading:
            await open_reading.conn.execute(text("DELETE FROM states"))
    assert [act.by for act in (await insight.acts()).entries] == ["anna"]


async def test_what_a_receiver_echoed_is_hidden(stage: Stage, http_receiver: HttpReceiver) -> None:
    insight = stage.insight(lambda text: text.replace("no light", "***"))
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        assert "no light" not in repr(await insight.overview())
        assert "no light" not in repr(await insight.link(ACCOUNT, NAME))
        assert "***" in repr(await insight.transitions())
