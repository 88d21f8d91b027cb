"""Replays of what a stage went through: other settings tell other things; and nothing is touched."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from notifier.adapters.database import tables
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.past import recall
from notifier.domain.matching import Matcher
from notifier.past import Attempt, Past, Telling
from notifier.pipeline.acting import Acting
from notifier.replay import replay
from notifier.replay.comparing import Pair, compare, summarise
from notifier.settings import Settings, load
from tests.support.receivers import HttpReceiver, Say
from tests.support.scenes import DOWN, down, heal, noc
from tests.support.stage import TOKEN, Stage
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow

KEPT = timedelta(days=30)
PAGER = "pagerduty://routingkey0123456789abcdefabcdef@unused/"


def changed(folder: Path, **settings: object) -> Settings:
    """Read the settings of the stage, but for what is changed."""
    document = json.loads((folder / "notifier.yaml").read_text()) | settings
    (folder / "new.yaml").write_text(json.dumps(document))
    return load(folder / "new.yaml", {}, folder)


async def known(stage: Stage, since: timedelta = KEPT) -> Past:
    now = stage.clock.now()
    return await recall(stage.beside, now - since, now, kept=KEPT)


async def tried(stage: Stage, folder: Path, since: timedelta = KEPT, **settings: object) -> list[Pair]:
    """Replay what the stage went through with changed settings."""
    past = await known(stage, since)
    would = await replay(past, changed(folder, **settings), changed(folder))
    return compare(past.tellings, would, stage.clock.now() - since)


def told(pairs: Sequence[Pair]) -> list[tuple[str, str, str]]:
    """Say what each pair is, and whether and how much later it would have been told."""
    return [(p.telling.channel, p.telling.notification.title.removeprefix("[production] "), _how(p)) for p in pairs]


def _how(pair: Pair) -> str:
    if pair.was is None or pair.would is None:
        return "in addition" if pair.was is None else "not at all"
    return "the same" if pair.same or pair.later is None else f"{pair.later.total_seconds():g} s later"


def plain(tellings: Sequence[Telling]) -> list[object]:
    """Return all but the numbers that the database gave."""
    messages: dict[str | None, int] = {}

    def attempt(each: Attempt) -> tuple[Attempt, int]:
        return replace(each, message=None), messages.setdefault(each.message, len(messages))

    return [(t.channel, t.action, t.notification, t.outcome, [attempt(each) for each in t.attempts]) for t in tellings]


async def test_unchanged_settings_tell_exactly_what_was_told(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    second = stage.link("icon-ams-02")
    stage.more = {"group": {"wait": "10s"}, "remind": "20m"}
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        http_receiver.usual = Say(status=503)
        await stage.polls(second, "Down", "Down")
        await stage.advance(600, step=5)
        http_receiver.usual = Say()
        number = await stage.silence(Matcher(site=("ams-a",)), minutes=15)
        await heal(stage)
        await stage.advance(1000, step=5)
        assert number == 1
        past = await known(stage)
        would = await replay(past, changed(tmp_path), changed(tmp_path))
    assert len(would) >= 4
    assert plain(would) == plain(past.tellings)


async def test_a_silence_that_was_ended_early_is_replayed_as_it_was_given(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        acts = Acting(stage.beside, stage.machine)
        for minutes in (60, 30):  # the one that ends last is named
            until = stage.machine.now() + timedelta(minutes=minutes)
            await acts.silence(Matcher(), until=until, by="ada", comment="")
        await down(stage)
        await stage.advance(60)
        for number in (1, 2):
            await acts.expire(number, by="ada", comment="")
        await stage.advance(60)
        past = await known(stage)
        would = await replay(past, changed(tmp_path), changed(tmp_path))
    assert [each.notification.lead for each in would] == [each.notification.lead for each in past.tellings]
    assert "silence 1 kept it back" in would[0].notification.lead


async def test_a_reminder_that_a_silence_of_the_last_moment_kept_back_is_kept_back_again(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    stage.more = {"remind": "20m"}
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.advance(5)
        due_at = (await known(stage)).tellings[0].notification.recorded_at + timedelta(minutes=20)
        await stage.advance((due_at - stage.clock.now()).total_seconds() - 1, step=5)
        stage.clock.advance(timedelta(seconds=5))  # due, and the service is late
        await stage.silence(Matcher(), minutes=25)
        await stage.advance(600, step=5)
        past = await known(stage)
        would = await replay(past, changed(tmp_path), changed(tmp_path))
    assert len(past.tellings) == 1
    assert plain(would) == plain(past.tellings)


async def test_a_reminder_that_was_kept_back_is_a_sign_of_life(stage: Stage, http_receiver: HttpReceiver) -> None:
    stage.more = {"remind": "20m"}
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.silence(Matcher(), minutes=25)
        await stage.advance(1210, step=5)  # nothing is seen, nobody is reminded
        reminded_at = stage.clock.now()
    stage.clock.advance(timedelta(hours=1))
    async with stage.at_work(**noc(http_receiver)):
        past = await known(stage)
    again = next(start for start in past.starts if start.at > reminded_at)
    assert again.alive_at is not None
    assert reminded_at - timedelta(seconds=15) <= again.alive_at <= reminded_at


async def test_with_a_third_look_a_short_outage_is_not_told_and_a_long_one_later(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await heal(stage)
        await stage.advance(4000)
        await stage.polls(stage.link(), "Down", "Down", "Down", "Down")
        await stage.flush()
        pairs = await tried(stage, tmp_path, detection={"confirm": 3})
    assert told(pairs) == [
        ("noc", DOWN, "not at all"),
        ("noc", "icon-ams-01 is Healthy again after 1m (was Down) #3", "not at all"),
        ("noc", "icon-ams-01 is Down (was Healthy) #4", "15 s later"),
    ]


async def test_with_one_look_less_it_is_told_sooner_and_a_flicker_too(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await stage.polls(stage.link(), "Healthy", "Down", "Healthy", "Healthy", "Healthy")
        await stage.advance(4000)
        await stage.flush()
        await down(stage)
        pairs = await tried(stage, tmp_path, detection={"confirm": 1})
    assert [how for _, _, how in told(pairs)] == ["in addition", "in addition", "-15 s later"]


async def test_a_channel_that_was_added_would_have_taken_everything(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        channels = json.loads((tmp_path / "notifier.yaml").read_text())["channels"]
        pairs = await tried(stage, tmp_path, channels=channels | {"pager": {"url": PAGER}})
    assert told(pairs) == [("noc", DOWN, "the same"), ("pager", DOWN, "in addition")]
    was, would = summarise(pairs).channels["pager"]
    assert (was.pages, would.pages) == (0, 1)


async def test_a_receiver_that_was_down_would_have_been_down(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        http_receiver.usual = Say(status=503)
        await down(stage)
        await stage.advance(20, step=5)
        http_receiver.usual = Say()
        await stage.advance(60, step=5)
        [pair] = await tried(stage, tmp_path, detection={"confirm": 1})
    assert pair.was is not None
    assert pair.would is not None
    assert len(pair.was.attempts) > 1
    assert len(pair.would.attempts) > 1
    assert pair.would.told_at is not None
    assert pair.would.told_at >= pair.was.attempts[-1].started_at


async def test_it_begins_where_all_was_quiet_and_knows_what_was_believed_then(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await heal(stage)
        await stage.advance(3 * 3600, step=60)
        await stage.polls(stage.link(), "Down", "Down")
        await stage.advance(60)
        past = await known(stage, timedelta(hours=1))
        would = await replay(past, changed(tmp_path), changed(tmp_path))
    [telling] = would
    assert telling.notification.title.endswith("icon-ams-01 is Down (was Healthy) #4")
    assert plain(would) == plain(past.tellings)
    assert past.begins_at == stage.clock.now() - timedelta(hours=1)


async def test_an_outage_that_was_open_at_the_beginning_is_not_told_again_and_ends(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        await stage.advance(3600, step=60)
        began = stage.clock.now()
        await stage.advance(1800, step=60)
        await heal(stage)
        now = stage.clock.now()
        past = await recall(stage.beside, began, now, kept=now - began)
        would = await replay(past, changed(tmp_path), changed(tmp_path))
    assert past.begins_at == began
    assert plain(would) == plain(past.tellings)
    assert len(would) == 1


# --- The command -------------------------------------------------------------------------------------------


async def lived_through(stage: Stage) -> None:
    """Have the last hours be those of the machine's clock, by which the command goes."""
    stage.clock.advance(datetime.now(UTC) - timedelta(hours=2) - stage.clock.now())


async def rows(database: SqlDatabase) -> dict[str, list[tuple[object, ...]]]:
    async with database.engine.connect() as conn:
        return {
            table.name: [tuple(row) for row in await conn.execute(select(table).order_by(*table.primary_key))]
            for table in tables.metadata.sorted_tables
        }


async def test_the_command_shows_it_side_by_side_and_touches_nothing(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    await lived_through(stage)
    async with stage.at_work(**noc(http_receiver, "a-channel-with-a-long-name")):
        await down(stage, reason=f"no light {TOKEN}")
        await heal(stage)
        await stage.advance(600)
        before, heard, asked = await rows(stage.beside), len(http_receiver.requests), len(stage.simulator.requests)
        changed(tmp_path, detection={"confirm": 3})
        terminal = Terminal(tmp_path)
        new = str(tmp_path / "new.yaml")
        shown = await terminal("replay", "--config", new, "--since", "30d")
        as_json = await terminal("replay", "--config", new, "--since", "30m", "--format", "json")
        assert await rows(stage.beside) == before
        assert (len(http_receiver.requests), len(stage.simulator.requests)) == (heard, asked)
    assert shown.code == as_json.code == 0, (shown, as_json)
    assert "is not on record any more" in shown.stdout
    assert "icon-ams-01 is Down" in shown.stdout
    assert "not told any more: 2" in shown.stdout
    assert "With the settings in force" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert shown.stderr == ""
    assert TOKEN not in shown.stdout + as_json.stdout
    document = json.loads(as_json.stdout)
    assert document["summary"]["channels"] == {} or document["summary"]["not_told"] == 2


async def test_the_command_refuses_other_accounts(stage: Stage, http_receiver: HttpReceiver, tmp_path: Path) -> None:
    async with stage.at_work(**noc(http_receiver)):
        changed(tmp_path, accounts=[{"id": "f" * 32, "token": "x" * 20}])
        ran = await Terminal(tmp_path)("replay", "--config", str(tmp_path / "new.yaml"))
    assert "a replay needs the same accounts in both" in ran.stderr
    assert "f" * 32 in ran.stderr


async def test_what_was_never_recorded_cannot_be_replayed(
    stage: Stage, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    """A database of an earlier release knows no starts and no listings: nothing is replayed, and that is said."""
    await lived_through(stage)
    async with stage.at_work(**noc(http_receiver)):
        await down(stage)
        async with stage.beside.begin() as work:
            await work.conn.execute(tables.inputs.delete())
            assert await work.conn.scalar(select(func.count()).select_from(tables.inputs)) == 0
        changed(tmp_path)
        ran = await Terminal(tmp_path)("replay", "--config", str(tmp_path / "new.yaml"))
    assert ran.code == 0
    assert "is not on record" in ran.stdout
