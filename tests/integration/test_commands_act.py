"""Acting while the service runs: what operators do, what follows from it, and how it explains itself."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.adapters.database.database import SqlDatabase
from notifier.cli.drill import drill
from notifier.settings import load
from tests.support.examples import ACCOUNT
from tests.support.fakes import FakeClock
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Say
from tests.support.stage import Stage, open_stage
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow

KEY = f"cni:{ACCOUNT}:icon-ams-01:1"
PAGER = "pagerduty://routingkey0123456789abcdefabcdef@unused/"
ESCALATE: dict[str, object] = {"routes": [{"channels": ["noc"], "escalate": {"after": "15m", "channels": ["boss"]}}]}


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_url, tmp_path) as set_up:
        set_up.clock = set_up.machine = FakeClock(datetime.now(UTC))  # the commands have the machine's clock
        yield set_up


@pytest.fixture
def run(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def channels(receiver: HttpReceiver, *names: str) -> dict[str, str]:
    return {name: f"json://{receiver.address}/{name}" for name in names}


def told(receiver: HttpReceiver) -> list[tuple[str, str]]:
    """Return what each channel took: its name, and what was said."""
    return [
        (request.path.strip("/"), request.json["title"].removeprefix("[production] "))
        for request in receiver.requests
        if request.status == 200
    ]


async def falls(stage: Stage, name: str = "icon-ams-01") -> None:
    await stage.polls(stage.link(name), "Healthy", "Down", "Down", reason="no light")


DOWN = "icon-ams-01 is Down (was Healthy) #2"


async def test_what_is_acknowledged_is_neither_reminded_of_nor_escalated_until_that_is_taken_back(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    stage.more = ESCALATE
    async with stage.at_work(**channels(http_receiver, "noc", "boss")):
        await falls(stage)
        taken = await run("ack", "icon-ams-01", "--by", "anna", "--comment", "calling the carrier")
        await stage.advance(5 * 3600, step=300)
        assert told(http_receiver) == [("noc", DOWN)]
        back = await run("unack", KEY, "--by", "bob")
        await stage.advance(5)
    assert taken.code == back.code == 0, (taken, back)
    assert taken.stdout.startswith(f"{KEY} is acknowledged by anna: no reminders and no escalation")
    assert "anna had it since" in back.stdout
    assert told(http_receiver) == [("noc", DOWN), ("boss", DOWN)]


async def test_a_newer_acknowledgement_is_what_counts_and_says_whose_it_replaces(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    stage.more = ESCALATE
    async with stage.at_work(**channels(http_receiver, "noc", "boss")):
        await falls(stage)
        await run("ack", KEY, "--by", "anna", "--for", "8h")
        await stage.advance(5)
        shorter = await run("ack", KEY, "--by", "bob", "--for", "1h")
        listed = await run("incidents")
        await stage.advance(3700, step=60)
    assert "this replaces the acknowledgement by anna" in shorter.stdout
    assert "bob" in listed.stdout
    assert told(http_receiver) == [("noc", DOWN), ("boss", DOWN)]


async def test_only_an_open_incident_can_be_acknowledged_and_the_open_ones_are_named(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**channels(http_receiver, "noc")):
        await falls(stage)
        unknown = await run("ack", "icon-xyz-01")
        idle = await run("unack", KEY)
        await stage.polls(stage.link(), "Healthy", "Healthy", "Healthy")
        closed = await run("ack", KEY)
    assert unknown.code == idle.code == closed.code == 1
    assert "no open incident icon-xyz-01" in unknown.stderr
    assert KEY in unknown.stderr
    assert "is not acknowledged" in idle.stderr
    assert f"{KEY} ended at" in closed.stderr
    assert "None is open" in closed.stderr


async def test_a_name_that_two_open_incidents_share_has_to_be_told_apart(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    stage.link("ams-a").set("Down")
    stage.link("icon-ams-01").set("Down")
    async with stage.at_work(**channels(http_receiver, "noc")):
        await stage.advance(120)
        vague = await run("ack", "ams-a")
        exact = await run("ack", f"cni:{ACCOUNT}:site:ams-a:1")
    assert vague.code == 1
    assert f"cni:{ACCOUNT}:ams-a:1" in vague.stderr
    assert f"cni:{ACCOUNT}:site:ams-a:1" in vague.stderr
    assert exact.code == 0, exact


async def test_a_silence_keeps_back_until_it_ends_and_then_tells_what_differs(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**channels(http_receiver, "noc")):
        await stage.advance(60)
        added = await run("silence", "add", "--name", "icon-ams-*", "--for", "4h", "--by", "anna", "--comment", "swap")
        await falls(stage)
        await stage.advance(600, step=60)
        assert told(http_receiver) == []
        listed = await run("silence", "list")
        ended = await run("silence", "expire", "1", "--by", "anna")
        await stage.advance(5)
        again = await run("silence", "expire", "1")
    assert "silence 1 holds until" in added.stdout
    assert "(4h); it covers 1 interconnect now: icon-ams-01" in added.stdout
    assert all(word in listed.stdout for word in ("name icon-ams-*", "holds for 3h 59m", "anna", "swap"))
    assert ended.stdout == "silence 1 is over\n"
    assert told(http_receiver) == [("noc", DOWN)]
    assert again.code == 1
    assert "no silence 1 holds or is to come" in again.stderr


async def test_a_silence_to_come_and_one_that_is_over_are_listed_as_such(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**channels(http_receiver, "noc")):
        await stage.advance(60)
        later = await run("silence", "add", "--account", "production", "--from", "1h", "--for", "2h")
        await run("silence", "add", "--site", "nowhere-*", "--for", "1h")
        await run("silence", "expire", "2")
        current = json.loads((await run("silence", "list", "--json")).stdout)
        table = await run("silence", "list", "--all")
    assert "(2h); it covers 1 interconnect now" in later.stdout
    assert [(row["id"], row["accounts"]) for row in current] == [(1, [ACCOUNT])]
    assert "to come in 59m" in table.stdout
    assert "account production" in table.stdout
    assert "over" in table.stdout


async def test_what_a_channel_refused_is_sent_again_when_somebody_says_so(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    http_receiver.usual = Say(status=403)
    async with stage.at_work(**channels(http_receiver, "noc")):
        await falls(stage)
        assert told(http_receiver) == []
        http_receiver.usual = Say()
        again = await run("deliveries", "retry", "1", "--by", "anna", "--comment", "new token")
        await stage.advance(5)
        assert told(http_receiver) == [("noc", DOWN)]
        explained = await run("explain", "icon-ams-01")
        in_vain = await run("deliveries", "retry", "1", "7")
    assert again.stdout == "delivery 1 is sent again\n"
    assert "anna: retry delivery 1: new token" in explained.stdout
    assert "1 attempt in vain" in explained.stdout
    assert in_vain.code == 1
    assert "delivery 1 is sent: only one that was abandoned can be sent again" in in_vain.stdout
    assert "there is no delivery 7" in in_vain.stdout


async def test_nothing_is_sent_again_to_a_channel_that_is_no_more_or_for_an_incident_that_has_ended(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=400)
    http_receiver.usual = Say(status=403)
    async with stage.at_work(pager=PAGER, noc=f"json://{http_receiver.address}/"):
        await falls(stage)
        await stage.polls(stage.link(), "Healthy", "Healthy", "Healthy")
    async with stage.at_work(pager=PAGER):
        lost = {row["channel"]: str(row["id"]) for row in reversed(await stage.deliveries())}
        ended = await run("deliveries", "retry", lost["pager"])
        gone = await run("deliveries", "retry", lost["noc"])
    assert "would open an incident that has ended" in ended.stdout
    assert "noc, which is no longer configured" in gone.stdout


async def at_work_in_the_background(stage: Stage, done: asyncio.Event) -> None:
    """Keep stepping, as a service of its own would."""
    while not done.is_set():
        await stage.advance(2, step=2)
        await asyncio.sleep(0.05)


async def test_a_drill_is_sent_by_the_running_service_and_leaves_nothing_open(
    stage: Stage, run: Terminal, database_url: str, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    holder, done = SqlDatabase(database_url), asyncio.Event()
    async with stage.at_work(pager=PAGER, **channels(http_receiver, "noc", "other")), asyncio.TaskGroup() as tasks:
        holder.hold()  # as the service does, which the stage is not
        tasks.create_task(at_work_in_the_background(stage, done))
        ran = await run("test", "noc", "pager", "--drill")
        done.set()
        assert await stage.incidents() == []
    await holder.close()
    assert ran.code == 0, ran
    said = [("noc", "[drill] a link is Down (was Healthy)"), ("noc", "[drill] a link is Healthy again (was Down)")]
    assert told(http_receiver) == said
    paged = [(request.json["event_action"], request.json["dedup_key"]) for request in fixed_hosts.to(PAGERDUTY)]
    assert [action for action, _ in paged] == ["trigger", "resolve"]
    assert len({key for _, key in paged}) == 1
    assert paged[0][1].startswith("cni:drill:")
    assert sorted(line.split(" accepted")[0] for line in ran.stdout.splitlines()) == [
        "noc: problem",
        "noc: recovery",
        "pager: problem",
        "pager: recovery",
    ]


async def test_without_a_service_a_drill_is_sent_by_the_command_and_a_refusal_is_exit_1(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**channels(http_receiver, "noc", "bad")):
        pass  # it has made the database, and is gone
    http_receiver.script = [Say(status=403)]  # to one of them
    ran = await run("test", "noc", "bad", "--drill")
    assert ran.code == 1, ran
    outcomes = Counter(line.partition(": ")[2].partition(" a")[0] for line in ran.stdout.splitlines())
    assert outcomes == {"problem not": 1, "problem": 1, "recovery": 1}  # of what was refused no recovery is told
    assert "not accepted: 403" in ran.stdout


async def test_a_drill_that_is_not_taken_in_time_stays_in_the_outbox_with_its_recovery_behind_it(
    tmp_path: Path, stage: Stage, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**channels(http_receiver, "noc")):
        pass
    http_receiver.usual = Say(status=503)
    found = await drill(load(tmp_path / "notifier.yaml", {}, tmp_path), ["noc"], patience=timedelta(seconds=0.5))
    assert [(row["kind"], row["outcome"]) for row in found] == [("problem", "pending"), ("recovered", "pending")]


async def test_why_a_channel_was_not_told_is_explained(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    stage.more = ESCALATE
    async with stage.at_work(**channels(http_receiver, "noc", "boss")):
        await stage.advance(60)
        await run("silence", "add", "--site", "ams-*", "--for", "1h", "--by", "anna", "--comment", "card swap")
        await falls(stage)
        await run("ack", KEY, "--by", "anna")
        await run("unack", KEY, "--by", "anna")
        await stage.advance(5)  # what is kept back is looked at again, and still kept back
        kept = await run("explain", "icon-ams-01")
        await run("silence", "expire", "1", "--by", "anna")
        await stage.advance(5)
        freed = await run("explain", "icon-ams-01")
        await stage.advance(1200, step=60)
        document = json.loads((await run("explain", "icon-ams-01", "--json")).stdout)
    assert "#2 Healthy -> Down (problem): no light" in kept.stdout
    assert "told to nobody: that is no problem" in kept.stdout  # the first sight of it
    assert "noc   not told: kept back: silence 1" in kept.stdout
    assert "noc   counts as told that it is Healthy; kept back by silence 1, looked at again" in kept.stdout
    assert "anna: add silence 1: card swap" in kept.stdout
    assert "boss  not told: silence 1; then: kept back: the wait of 15m for an acknowledgement" in freed.stdout
    assert "(delivery 1, routes[0])" in freed.stdout
    assert f"{KEY} (critical), not acknowledged" in freed.stdout
    [problem] = [row for row in document if row.get("change") == "problem"]
    assert outcomes(problem) == {"noc": ["not promised", "sent"], "boss": ["not promised", "sent"]}
    assert [t["why"] for t in problem["channels"] if t["outcome"] == "sent"] == ["routes[0]", "escalation of routes[0]"]
    assert document[-1]["incidents"][0]["incident"] == KEY
    assert len({row["id"] for row in document}) == len(document)


def outcomes(event: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for telling in event["channels"]:
        found.setdefault(telling["channel"], []).append(telling["outcome"])
    return found


async def test_what_became_of_its_site_and_of_the_account_s_sight_is_explained_with_a_link(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver, fixed_hosts: FixedHosts
) -> None:
    stage.link("icon-ams-02")
    async with stage.at_work(pager=PAGER, **channels(http_receiver, "noc")):
        await stage.advance(65)
        for link in stage.account.links.values():
            link.set("Down", "power")
        await stage.advance(120)
        lost = await run("explain", "icon-ams-02")
    assert "site ams-a lost: 2 of 2 interconnects have a problem" in lost.stdout
    assert "pager  opened" in lost.stdout
    assert "kept back by the loss of site ams-a, which is told as one incident" in lost.stdout
    assert fixed_hosts.to(PAGERDUTY)


async def test_a_link_that_nobody_knows_is_not_explained(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**channels(http_receiver, "noc")):
        ran = await run("explain", "icon-xyz-01")
    assert ran.code == 1
    assert "no interconnect icon-xyz-01 was ever seen" in ran.stderr


async def test_a_time_in_which_nothing_was_observed_is_in_the_history(
    stage: Stage, run: Terminal, http_receiver: HttpReceiver
) -> None:
    async with stage.at_work(**channels(http_receiver, "noc")):
        await stage.advance(60)
        await stage.flush()
    stage.clock.advance(timedelta(hours=1))
    async with stage.at_work(**channels(http_receiver, "noc")):
        await stage.advance(60)
        ran = await run("history")
    assert "not observed since" in ran.stdout
