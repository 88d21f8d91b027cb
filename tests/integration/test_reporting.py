"""`notifier report` over a real record: the service's own, and a year of it."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.reporting import Asked, reporting, statements_of
from notifier.domain.availability import Period
from notifier.domain.reporting import LinkRecord
from tests.support.browser import reader
from tests.support.fakes import FakeClock
from tests.support.planned import plan
from tests.support.process import Ran, configure
from tests.support.receivers import HttpReceiver
from tests.support.scenes import KEY, NAME, down, heal, noc
from tests.support.stage import TOKEN, Stage, open_stage
from tests.support.terminal import Terminal
from tests.support.year import BEGIN, YEAR, fill

pytestmark = pytest.mark.slow


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_url, tmp_path) as set_up:
        # Three days ago by the machine's clock, which the command has.
        set_up.clock = set_up.machine = FakeClock(datetime.now(UTC).replace(microsecond=0) - timedelta(days=3))
        yield set_up


@pytest.fixture
def run(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def read(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


async def a_bad_hour(stage: Stage, receiver: HttpReceiver) -> datetime:
    """Have one of two interconnects of a site fall and return; returns when the service began."""
    stage.link("icon-ams-02")
    began = stage.clock.now()
    async with stage.at_work(**noc(receiver)):
        await down(stage)
        await _pass(stage, 600)
        await heal(stage)
        await _pass(stage, 1800)
    return began


async def _pass(stage: Stage, seconds: int) -> None:
    """Let time pass, and have written when links were last seen, as the service does."""
    for _ in range(seconds // 60):
        await stage.advance(60)
        await stage.flush()


async def test_a_report_of_what_the_service_recorded_adds_up(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    began = await a_bad_hour(stage, http_receiver)
    begin, end = began - timedelta(hours=1), stage.clock.now() + timedelta(hours=1)
    found = read(await run("report", "--from", _text(begin), "--to", _text(end), "--format", "json"))
    length = (end - begin).total_seconds()
    assert found["period"]["length_s"] == length
    first, second = found["interconnects"]
    (site,) = found["sites"]
    for each in (first, second, site):
        four = [each[f"{name}_s"] for name in ("good", "bad", "maintenance", "not_observed")]
        assert sum(four) == length
        assert each["not_watched_s"] >= 3600  # before the service saw it
        assert each["not_observed_s"] >= 7000  # and since it has stopped
    assert first["interconnect"] == NAME
    assert 600 <= first["bad_s"] <= 900
    assert (second["bad_s"], second["availability_percent"]) == (0, 100)
    assert (site["bad_s"], site["redundancy_lost_s"]) == (0, first["bad_s"])
    assert [(each["left"], each["watched"]) for each in site["left"]] == [(1, 2)]
    (incident,) = found["incidents"]
    assert incident["incident"] == KEY
    assert incident["within_s"] == first["bad_s"] == first["longest_s"]
    assert 0 < incident["notice_s"] < incident["notice_at_most_s"] <= incident["notice_s"] + 61
    assert incident["tell_s"] >= incident["notice_s"]
    assert (first["notice_of"], first["tell_of"], first["recover_of"], first["opened"]) == (1, 1, 1, 1)
    assert TOKEN not in json.dumps(found)


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


async def test_each_form_says_the_same_and_can_be_narrowed(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    stage.link("icon-fra-01", site="fra-b")
    await a_bad_hour(stage, http_receiver)
    of = ("report", "--from", "4d", "--interconnect", NAME)
    document = read(await run(*of, "--format", "json"))
    assert [each["interconnect"] for each in document["interconnects"]] == [NAME]
    assert document["sites"] == []  # one of its interconnects alone says nothing of a site
    lines = list(csv.DictReader(io.StringIO((await run(*of, "--format", "csv")).stdout, newline="")))
    assert [(line["kind"], line["interconnect"]) for line in lines] == [("interconnect", NAME), ("total", "")]
    assert lines[0]["bad_s"] == str(document["interconnects"][0]["bad_s"])
    markdown = (await run(*of)).stdout
    share = f"{document['interconnects'][0]['availability_percent']:.4f} %"
    assert f"| ams-a | {NAME} | {share} |" in markdown
    assert "## How to read it" in markdown
    html = (await run(*of, "--format", "html")).stdout
    assert html.count("<svg") == 2
    assert share in html
    site = read(await run("report", "--from", "4d", "--site", "fra-b", "--account", "production", "--format", "json"))
    assert [each["interconnect"] for each in site["interconnects"]] == ["icon-fra-01"]
    assert site["incidents"] == []


async def test_maintenance_is_what_the_configuration_plans(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    stage.more = {
        "maintenance": [
            {"name": "always", "match": {"name": "icon-ams-*"}, "cron": "0 0 * * *", "for": "1d"},
            {"name": "quiet", "match": {"severity": "warning"}, "cron": "0 0 * * *", "for": "1d"},
        ]
    }
    stage.link("icon-fra-01", site="fra-b")
    await a_bad_hour(stage, http_receiver)
    found = read(await run("report", "--from", "4d", "--format", "json"))
    ams, fra = found["interconnects"][0], found["interconnects"][2]
    assert (ams["good_s"], ams["bad_s"], ams["availability_percent"]) == (0, 0, None)
    assert ams["maintenance_s"] > 2400, ams
    assert (fra["maintenance_s"], fra["availability_percent"]) == (0, 100)
    assert any("some messages: quiet" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "yesterday"), "expected a date (2026-11-01), a time (2026-11-01T03:00) or a span back (30d)"),
        (("--from", "2026-02-30"), "expected a date"),
        (("--from", "2099-01-01"), "which is not over yet"),
        (("--from", "2024-02-01", "--to", "2024-01-01"), "expected a moment after 2024-02-01"),
        (("--to", "2024-01-01"), "add --from"),
        (("--zone", "Amsterdam"), "expected a time zone such as Europe/Amsterdam"),
        (("--from", "2024-10-27T02:30", "--zone", "Europe/Amsterdam"), "add an offset, such as +01:00"),
    ],
)
async def test_what_is_asked_wrongly_is_said(
    run: Terminal, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    configure(tmp_path, "sqlite:///n.db", "http://127.0.0.1:1/client/v4", {"noc": "json://127.0.0.1:9/"})
    ran = await run("report", *arguments)
    assert ran.code == 2, ran
    assert said in ran.stderr
    assert ran.stdout == ""


async def test_what_is_not_on_record_is_not_reported(stage: Stage, run: Terminal, http_receiver: HttpReceiver) -> None:
    async with stage.at_work(**noc(http_receiver)):
        assert "nothing is on record yet" in (await run("report")).stderr
        stage.link()
        await stage.advance(900)
    before = await run("report", "--from", "2024-01-01", "--to", "2024-02-01")
    nowhere = await run("report", "--from", "4d", "--site", "nowhere")
    assert before.code == nowhere.code == 1
    assert "the record begins at" in before.stderr
    assert "nothing was watched of site nowhere then" in nowhere.stderr
    assert before.stdout == nowhere.stdout == ""


async def test_names_from_elsewhere_are_neither_markup_nor_formulas_nor_secrets(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    hostile = ("=1+1", "<script>alert(1)</script>", "a|b`c", f"$x$ {TOKEN}")
    for name in hostile:
        stage.link(name, site=f"@{name}")
    async with stage.at_work(**noc(http_receiver)):
        await stage.advance(900)
    written = {form: await run("report", "--from", "4d", "--format", form) for form in ("md", "html", "csv", "json")}
    for ran in written.values():
        assert ran.code == 0, ran
        assert TOKEN not in ran.stdout
        assert "***" in ran.stdout.replace("\\", "")
    rows = list(csv.reader(io.StringIO(written["csv"].stdout, newline="")))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert "'=1+1" in written["csv"].stdout
    assert "<script" not in written["html"].stdout
    assert "<script" not in written["md"].stdout.replace("\\<script", "")
    assert r"a\|b\`c" in written["md"].stdout


async def test_the_page_loads_nothing_and_everybody_can_read_it(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver, browser: Browser, axe: str, tmp_path: Path
) -> None:
    await a_bad_hour(stage, http_receiver)
    ran = await run("report", "--from", "4d", "--format", "html")
    assert not re.search(r"(?:https?:)?//\w", ran.stdout)
    path = tmp_path / "report.html"
    path.write_text(ran.stdout, encoding="utf-8")
    who = await reader(browser)
    await who.page.goto(path.as_uri())
    await who.shoot("report")
    assert who.wrong == []
    assert who.asked == {""}
    await who.page.set_content(ran.stdout.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-eval'"))
    assert await who.violations(axe) == []


# --- A year ---------------------------------------------------------------------------------------------------

OCTOBER = Period(datetime(2026, 10, 1, tzinfo=UTC), BEGIN + YEAR)


@pytest.fixture
async def year(postgres_url: str) -> AsyncIterator[SqlDatabase]:
    database = SqlDatabase(postgres_url)
    await database.prepare(migrate=True)
    await fill(postgres_url, links=100, transitions=60_000, observations=20_000, told=timedelta(days=90))
    yield database
    await database.close()


@pytest.mark.parametrize(
    ("asked", "indexes"),
    [
        (
            Asked(),
            {
                "moves": {"ix_transitions_confirmed_at", "uq_transitions_account_name_number"},
                "gaps": {"ix_gaps_until_at"},
                "incidents": {"ix_incidents_closed_at", "ix_notifications_recorded_at"},
            },
        ),
        (
            Asked(account="account-0", name="icon-00001"),
            {
                "moves": {"uq_transitions_account_name_number"},
                "gaps": {"ix_gaps_account_name_from_at"},
                "incidents": {"ix_notifications_incident_key"},
            },
        ),
    ],
)
async def test_a_month_is_found_by_indexes(year: SqlDatabase, asked: Asked, indexes: dict[str, set[str]]) -> None:
    statements = statements_of(OCTOBER, asked)
    async with reporting(year.reading_engine, asked) as reading:
        plans = {name: await plan(reading._conn, statements[name]) for name in indexes}
    for name, wanted in indexes.items():
        used = set(re.findall(r"(?:using|on) ((?:ix|uq)_\w+)", plans[name]))
        assert wanted <= used, plans[name]
        assert "Seq Scan on transitions" not in plans[name]
        assert "observations" not in plans[name]


async def test_of_a_month_each_link_comes_with_its_moves_from_the_last_before_to_the_first_after(
    year: SqlDatabase,
) -> None:
    links: list[LinkRecord] = []
    async with reporting(year.reading_engine, Asked()) as reading:
        async for site in reading.sites(Period(OCTOBER.from_at - timedelta(days=31), OCTOBER.from_at)):
            assert len({(link.account, link.site) for link in site}) == 1
            assert len(site) == 4
            links += site
    assert len({(link.account, link.name) for link in links}) == 100
    for link in links:
        first, *_, last = link.moves
        assert first.confirmed_at < OCTOBER.from_at - timedelta(days=31) <= link.moves[1].confirmed_at
        assert link.moves[-2].confirmed_at < OCTOBER.from_at <= last.confirmed_at
        assert len(link.gaps) == 8
