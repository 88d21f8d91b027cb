"""What the commands say of the record: whether it holds, and all of one incident for a support case."""

import hashlib
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from notifier.adapters.database import tables
from notifier.adapters.database.database import SqlDatabase
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeClock
from tests.support.sealing import seal
from tests.support.stage import TOKEN, Stage, open_stage
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow

KEY = f"cni:{ACCOUNT}:icon-ams-01:1"
SECRET = "planted-password-5b1f"
CHANNELS = {"noc": f"json://user:{SECRET}@127.0.0.1:1/"}  # nobody is there
HOSTILE = f"a `fence` | a **row** ``` {SECRET} {TOKEN} <b>"


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_url, tmp_path) as set_up:
        set_up.clock = set_up.machine = FakeClock(datetime.now(UTC))
        yield set_up


@pytest.fixture
def run(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


async def outage(stage: Stage, *, over: bool = True) -> None:
    """Let a link fall beside one that stays, and return; all of it sealed."""
    stage.link("icon-ams-02")
    async with stage.at_work(**CHANNELS):
        await stage.polls(stage.link(), "Healthy", "Down", "Down", reason=HOSTILE)
        if over:
            await stage.polls(stage.link(), "Healthy", "Healthy", "Healthy", "Healthy")
        await seal(stage.beside)


def rows(archive: Path, name: str = "rows.jsonl") -> list[dict[str, Any]]:
    with zipfile.ZipFile(archive) as packed:
        return [json.loads(line) for line in packed.read(name).decode().splitlines()]


def digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


async def test_the_text_of_a_case_says_all_that_is_asked_and_the_archive_can_be_checked_by_hand(
    stage: Stage, run: Terminal, tmp_path: Path
) -> None:
    await outage(stage)
    said = await run("evidence", KEY, "--out", str(tmp_path))
    assert said.code == 0, said
    headings = [line for line in said.stdout.splitlines() if line.startswith("#")]
    assert headings == [
        "# Interconnect icon-ams-01: Down",
        "## Timeline",
        "## Interconnects",
        "## What was observed",
        "### The answers",
        "## Redundant interconnects",
        "## Description",
    ]
    assert "All times are UTC." in said.stdout
    assert "| icon-ams-01 | Healthy → Down (#2): last seen so " in said.stdout
    assert "- icon-ams-02 (site ams-a): Healthy when it began; it did not change meanwhile" in said.stdout
    assert f"Account: {ACCOUNT}" in said.stdout
    assert TOKEN not in said.stdout
    assert SECRET not in said.stdout
    assert "a secret in it replaced by" in said.stdout
    assert "| a **row**" not in said.stdout.split("### The answers")[0]
    archive = tmp_path / f"evidence-cni-{ACCOUNT}-icon-ams-01-1.zip"
    first = archive.read_bytes()
    found = rows(archive)
    assert {each["kind"] for each in found} == {"observation", "transition"}
    names = ["previous", "base", "number", "account", "kind", "row", "part", "at", "about", "digest"]
    for each in found:
        entry = each["entry"]
        assert digest([entry[name] for name in names]) == entry["hash"]
        assert (digest(each["columns"]) == entry["digest"]) is not each.get("redacted", False)
    hashes = {each["columns"]["answer_hash"] for each in found if each["kind"] == "observation"}
    led = [each["columns"]["answers"] for each in found if each["kind"] == "transition"]
    assert all(answers and set(answers) <= hashes for answers in led)
    assert [each["kind"] for each in rows(archive, "told.jsonl")][:3] == ["notification", "notification", "attempt"]
    everything = json.dumps([found, rows(archive, "told.jsonl")])
    assert [SECRET in everything, TOKEN in everything] == [False, False]
    await run("evidence", "icon-ams-01", "--out", str(tmp_path))
    assert archive.read_bytes() == first


async def test_the_token_never_reaches_the_record_even_if_an_answer_quotes_it(stage: Stage) -> None:
    await outage(stage)
    database: SqlDatabase = stage.beside
    async with database.begin() as work:
        answers = list(await work.conn.scalars(select(tables.observations.c.answer)))
    await database.close()
    assert any("***" in answer for answer in answers)
    assert not any(TOKEN in answer for answer in answers)


async def test_a_site_that_was_lost_and_blindness_can_be_shown_as_well(
    stage: Stage, run: Terminal, tmp_path: Path
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(**CHANNELS):
        await stage.polls(stage.link(), "Healthy")
        stage.link("icon-ams-02").set("Down")
        await stage.polls(stage.link(), "Down", "Down", "Down")
        stage.account.token = "another"
        await stage.advance(180)
        await seal(stage.beside)
    said = await run("evidence", "ams-a", "--out", str(tmp_path))
    assert said.code == 0, said
    assert said.stdout.startswith("# Site ams-a: all interconnects have a problem")
    said = await run("evidence", f"cni:{ACCOUNT}:blind:1", "--out", str(tmp_path))
    assert said.code == 0, said
    assert "can't be read" in said.stdout
    assert "no status: 40" in said.stdout


async def test_what_is_left_out_of_more_than_a_text_can_hold_is_said(stage: Stage, run: Terminal) -> None:
    await outage(stage)
    beside = stage.beside
    async with beside.begin() as work:
        t = tables.transitions.c
        began = await work.conn.scalar(select(t.first_seen_at).where(t.after == "Down"))
        assert began is not None
        gap = {"account": ACCOUNT, "name": "icon-ams-01", "from_at": began, "until_at": began}
        await work.conn.execute(insert(tables.gaps), [gap] * 10_001)
    await beside.close()
    said = await run("evidence", KEY)
    assert "Of the gaps only the first 10,000 are here; there are more." in said.stdout
    assert "Of the observations" not in said.stdout


async def test_an_incident_that_is_none_is_a_sentence(stage: Stage, run: Terminal) -> None:
    await outage(stage, over=False)
    said = await run("evidence", "cni:none:1")
    assert (said.code, said.stderr) == (1, "no incident cni:none:1; notifier incidents shows them")


async def test_verify_says_that_it_holds_and_prints_heads_that_can_be_asked_for_again(
    stage: Stage, run: Terminal
) -> None:
    await outage(stage)
    said = await run("verify")
    assert said.code == 0, said
    assert f"production ({ACCOUNT}): holds" in said.stdout
    [found] = json.loads((await run("verify", "--account", "production", "--format", "json")).stdout)
    assert (found["holds"], found["unsealed"], found["first"]) == (True, 0, None)
    assert found["head"]["hash"] in said.stdout
    assert (await run("verify", "--head", f"production={found['head']['hash']}")).code == 0
    other = await run("verify", "--head", f"production={'0' * 64}")
    assert (other.code, "is not in the chain" in other.stdout) == (1, True)
    assert (await run("verify", "--head", "production=abc")).code == 2
    assert (await run("verify", "--account", "nobody")).code == 2


async def test_verify_names_the_first_row_that_was_altered(stage: Stage, run: Terminal) -> None:
    await outage(stage)
    database: SqlDatabase = stage.beside
    async with database.begin() as work:
        altered = update(tables.transitions).where(tables.transitions.c.number == 2).values(after="Healthy")
        await work.conn.execute(altered.where(tables.transitions.c.name == "icon-ams-01"))
    await database.close()
    said = await run("verify")
    assert said.code == 1, said
    assert "DOES NOT HOLD" in said.stdout
    assert ", transition icon-ams-01 #2 of " in said.stdout
    assert "the row was altered" in said.stdout
