"""A replay with unchanged settings tells exactly what was told, whatever has happened.

`make test-replay` tries 300 histories; `make test` a few, the same each time. NOTIFIER_TEST_SEED repeats a seed.
"""

import asyncio
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import unified_diff
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from notifier.adapters.database.database import SqlDatabase, SqlUnitOfWork
from notifier.adapters.database.past import read_past
from notifier.app import policy_of
from notifier.domain.incident import Acknowledgement
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence
from notifier.errors import NotPossibleError, NotThereError
from notifier.past import Telling
from notifier.pipeline.acting import Signature, acknowledge, expire, silence
from notifier.pipeline.standing import Rules
from notifier.replay import replay
from notifier.settings import Settings, load
from notifier.settings.alerting import routes_of, windows_of
from tests.support.bench import Bench
from tests.support.examples import ACCOUNT, FORBIDDEN, LINK, TIMEOUT
from tests.support.fakes import FakeClock, FakeCloudflare
from tests.support.world import Mood, Receiver, World

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("NOTIFIER_TEST_EXAMPLES", "5"))
STEPS = int(os.environ.get("NOTIFIER_TEST_STEPS", "25"))
SHORT = "NOTIFIER_TEST_EXAMPLES" not in os.environ
SEED = int(os.environ.get("NOTIFIER_TEST_SEED", "0")) or (7 if SHORT else random.SystemRandom().randrange(1, 10**6))
SHRINK = bool(os.environ.get("NOTIFIER_TEST_SHRINK"))
T = TypeVar("T")
FIGURES: Counter[str] = Counter()

LINKS = (LINK, replace(LINK, name="icon-ams-02"), replace(LINK, name="icon-fra-01", site="fra-a"))
STRIDE, CALM = timedelta(seconds=5), timedelta(seconds=15)
LAG = timedelta(seconds=2)  # until the service looks for what is due
TICK = timedelta(seconds=1)  # nobody acts in the very moment in which the service works
DETECTIONS: dict[str, dict[str, object]] = {
    "usual": {},
    "hasty": {"confirm": 1, "flapping": {"changes": 99}},
    "odd": {"confirm": 3, "recover": 1, "recover_for": "0s", "blind_after": 1, "flapping": {"changes": 2}},
    "restless": {"confirm": 1, "recover": 1, "recover_for": "0s", "flapping": {"changes": 3, "quiet": "10m"}},
}
URGENT = {"severity": ["critical", "error"]}
ROUTES: dict[str, list[dict[str, object]]] = {
    "escalating": [
        {"channels": ["noc"]},
        {"channels": ["pager"], "match": URGENT, "escalate": {"after": "15m", "channels": ["backup"]}},
    ],
    "none": [],
    "by site": [{"channels": ["noc", "pager"]}, {"channels": ["backup"], "match": {"site": "fra-*"}}],
}
WINDOWS: dict[str, list[dict[str, object]]] = {
    "none": [],
    "half hours": [{"name": "patching", "cron": "*/30 * * * *", "for": "12m", "match": {"site": "ams-*"}}],
}
STORMS: dict[str, dict[str, object]] = {"usual": {}, "soon": {"messages": 2, "per": "2m"}}
WAITS = ("0s", "10s", "45s")


def one_of(choices: Collection[T]) -> st.SearchStrategy[T]:
    return st.sampled_from(list(choices))


NAMES = st.sampled_from([link.name for link in LINKS])
WORDS = st.sampled_from(["Healthy", "Healthy", "Down", "Unhealthy", "Pending", "Maintenance"])
MOMENTS = st.sampled_from([timedelta(seconds=s) for s in (0, 15, 90, 180)])
SPANS = st.sampled_from([timedelta(minutes=m) for m in (2, 10, 35)])
PLACES = {"everywhere": Matcher(), "a site": Matcher(site=("ams-a",)), "a link": Matcher(name=(LINK.name,))}


class TickingClock(FakeClock):
    """Shows no moment twice, as no real clock does."""

    def now(self) -> datetime:
        self.advance(timedelta.resolution)
        return super().now()


class History(RuleBasedStateMachine):
    """The notifier at work, and most that can happen to it; in the end, its replay."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__()
        self.url, self.folder = url, folder
        self.clock = TickingClock()
        self.api = FakeCloudflare()
        self.truth = {link.name: "Healthy" for link in LINKS}
        self.failing: dict[str, str] = {}
        for link in LINKS:
            self.api.add(link)
        self.receivers = [Receiver("noc"), Receiver("pager", stateful=True), Receiver("backup", stateful=True)]
        self.world = World(url, self.clock, self.api, self.receivers)
        self.begun_at = self.clock.now()
        self.calm_at = self.begun_at

    def teardown(self) -> None:
        try:
            self.compare()
        finally:
            self.world.close()

    @initialize(
        detection=one_of(DETECTIONS),
        routes=one_of(ROUTES),
        windows=one_of(WINDOWS),
        storm=one_of(STORMS),
        wait=one_of(WAITS),
    )
    def start(self, *, detection: str, routes: str, windows: str, storm: str, wait: str) -> None:
        self.settings = written(
            self.folder,
            detection=DETECTIONS[detection],
            routes=ROUTES[routes],
            maintenance=WINDOWS[windows],
            group={"wait": wait, "storm": STORMS[storm]},
            remind="20m",
        )
        self.world.policy = policy_of(self.settings)
        group = self.settings.group
        self.world.rules = Rules(
            channels={each.name: each for each in self.receivers},
            routes=routes_of(self.settings),
            windows=windows_of(self.settings),
            wait=group.wait,
            storm=replace(Rules(channels={}).storm, messages=group.storm.messages, per=group.storm.per),
            remind=self.settings.remind,
        )
        self.pass_(timedelta(minutes=2))

    @rule(changes=st.lists(st.tuples(NAMES, WORDS, MOMENTS), min_size=1, max_size=4))
    def links_change(self, changes: list[tuple[str, str, timedelta]]) -> None:
        for name, word, then in changes:
            self.truth[name] = word
            self.pass_(then)

    @rule(word=WORDS, then=MOMENTS)
    def a_site_changes(self, word: str, then: timedelta) -> None:
        self.truth |= {link.name: word for link in LINKS if link.site == LINK.site}
        self.pass_(then)

    @rule(span=SPANS)
    def time_passes(self, span: timedelta) -> None:
        self.pass_(span)

    @rule(name=NAMES, how=st.sampled_from(["timeout", "403"]), then=MOMENTS)
    def a_link_cannot_be_seen(self, name: str, how: str, then: timedelta) -> None:
        self.failing[name] = how
        self.pass_(then)

    @rule(how=st.sampled_from(["timeout", "403"]), then=SPANS)
    def nothing_can_be_seen(self, how: str, then: timedelta) -> None:
        self.failing = dict.fromkeys(self.truth, how)
        self.api.listing_fails = FORBIDDEN if how == "403" else TIMEOUT
        self.pass_(then)

    @rule(then=MOMENTS)
    def everything_can_be_seen(self, then: timedelta) -> None:
        self.failing.clear()
        self.api.listing_fails = None
        self.pass_(then)

    @rule(name=NAMES, span=SPANS)
    def a_link_is_not_listed(self, name: str, span: timedelta) -> None:
        self.api.links.pop(name, None)
        self.pass_(span)

    @rule(reservation=st.sampled_from([None, "slot-1", "slot-2"]), span=SPANS)
    def all_links_are_listed(self, reservation: str | None, span: timedelta) -> None:
        for link in LINKS:
            self.api.links[link.name] = replace(link, reservation=reservation)
        self.pass_(span)

    @rule(place=one_of(PLACES), span=SPANS)
    def somebody_silences(self, place: str, span: timedelta) -> None:
        async def add(work: SqlUnitOfWork) -> None:
            now = self.clock.now()
            given = Silence(id=0, match=PLACES[place], from_at=now, until_at=now + span, by="ada", comment="")
            await silence(work, given, now)

        self.act(add)

    @rule()
    def somebody_ends_the_silences(self) -> None:
        async def end(work: SqlUnitOfWork) -> None:
            now = self.clock.now()
            for held in await work.ledger.silences(now):
                await expire(work, held.id, Signature(by="ada", comment="", at=now))

        self.act(end)

    @rule(name=NAMES, until=st.none() | SPANS, sticky=st.booleans())
    def somebody_acknowledges(self, name: str, until: timedelta | None, *, sticky: bool) -> None:
        async def take(work: SqlUnitOfWork) -> None:
            now = self.clock.now()
            ends = None if until is None else now + until
            given = Acknowledgement(by="ada", at=now, until=ends, sticky=sticky)
            await acknowledge(work, name, given, Signature(by="ada", comment="", at=now))

        self.act(take)

    @rule(name=NAMES)
    def somebody_takes_that_back(self, name: str) -> None:
        self.act(
            lambda work: ignored(acknowledge(work, name, None, Signature(by="ada", comment="", at=self.clock.now())))
        )

    @rule(
        which=st.integers(0, 2),
        mood=st.sampled_from([Mood.TAKES, Mood.REFUSES, Mood.AWAY, Mood.SILENT, Mood.MUMBLES]),
        then=SPANS,
    )
    def a_receiver_changes_its_mood(self, which: int, mood: Mood, then: timedelta) -> None:
        self.receivers[which].mood = mood
        self.pass_(then)

    @rule()
    def all_receivers_take_everything(self) -> None:
        for receiver in self.receivers:
            receiver.mood = Mood.TAKES

    @rule(away=st.sampled_from([timedelta(0), timedelta(minutes=3), timedelta(hours=2)]))
    def the_process_is_killed(self, away: timedelta) -> None:
        self.world.kill()
        self.clock.advance(TICK + away)
        self.pass_(timedelta(0))

    # --- How it is done -------------------------------------------------------------------------------------

    def act(self, what: Callable[[SqlUnitOfWork], Awaitable[Any]]) -> None:
        """Have an operator do something between two moments at which the service works."""
        self.clock.advance(TICK)
        with suppress(NotPossibleError, NotThereError):  # there is nothing to act on
            self.world.write(what)
        self.clock.advance(TICK)
        self.pass_(timedelta(0))

    def pass_(self, span: timedelta) -> None:
        self.api.words = self.truth | self.failing
        until = self.clock.now() + span
        self.world.do(Bench.step)
        if span:
            self.world.do(lambda bench: self.leap(bench, until))

    async def leap(self, bench: Bench, until: datetime) -> None:
        """Let time pass: polls each few seconds, everything else when it is due."""
        while (now := self.clock.now()) < until:
            due_in = max(await self.world._due() - now, timedelta(0))
            self.clock.advance(min(STRIDE, until - now, due_in + LAG))
            await bench.discovery.tick()
            bench.poller.tick()
            await bench.poller.idle()
            if self.clock.now() - self.calm_at >= CALM:
                await bench.recorder.calm()
                self.calm_at = self.clock.now()
            if bench.stirred or await self.world._due() <= self.clock.now():
                bench.stirred = False
                await bench.step()

    def compare(self) -> None:
        self.clock.advance(TICK)

        async def both() -> tuple[list[Telling], list[Telling]]:
            database = SqlDatabase(self.url)
            async with database.begin() as work:
                past = await read_past(work.conn, self.begun_at, self.clock.now())
            await database.close()
            return list(past.tellings), await replay(past, self.settings, self.settings)

        was, would = asyncio.run(both())
        FIGURES.update(examples=1, told=len(was))
        if different := differences(was, would):
            pytest.fail("\n".join(different))
        assert [told(each) for each in would] == [told(each) for each in was]


def differences(was: list[Telling], would: list[Telling]) -> list[str]:
    """Say in short what differs."""
    before, after = ([short(each) for each in tellings] for tellings in (was, would))
    return list(unified_diff(before, after, "was", "would", n=3, lineterm=""))[:60]


def short(telling: Telling) -> str:
    n = telling.notification
    tries = " ".join(f"{a.number}@{a.started_at:%H:%M:%S.%f}={a.outcome}" for a in telling.attempts)
    at = f"{n.recorded_at:%H:%M:%S.%f}"
    return f"{at} {telling.channel} {telling.action} {n.kind} {n.title} | {telling.outcome} {tries} {telling.uncertain}"


def told(telling: Telling) -> dict[str, object]:
    """All that is to be the same: words, channel, and when it was tried, and what came of it."""
    return {
        "at": telling.notification.recorded_at,
        "channel": telling.channel,
        "action": telling.action,
        "notification": telling.notification,
        "outcome": telling.outcome,
        "told_at": telling.told_at,
        "attempts": telling.attempts,
    }


def written(folder: Path, **given: object) -> Settings:
    """Read settings as the service does."""
    path = folder / "notifier.yaml"
    document = {
        "database": "sqlite:///unused.db",
        "accounts": [{"id": ACCOUNT, "name": "production", "token": "unused"}],
        "channels": {
            "noc": {"url": "json://127.0.0.1/"},
            "pager": {"url": "pagerduty://A000000000000000000000000000000a@unused/"},
            "backup": {"url": "pagerduty://B000000000000000000000000000000b@unused/"},
        },
        "web": {"listen": None},
        **given,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return load(path, {}, folder)


async def ignored(what: Awaitable[object]) -> None:
    await what


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "empty.db"

    async def prepare() -> None:
        database = SqlDatabase(f"sqlite:///{path}")
        await database.prepare(migrate=True)
        await database.close()

    asyncio.run(prepare())
    return path


def test_with_unchanged_settings_a_replay_tells_exactly_what_was_told(empty: Path, tmp_path: Path) -> None:
    def history() -> History:
        path = shutil.copy(empty, tmp_path / f"{FIGURES['begun']}.db")
        FIGURES["begun"] += 1
        return History(f"sqlite:///{path}", tmp_path)

    print(f"seed {SEED}, {EXAMPLES} examples of {STEPS} steps")  # noqa: T201 - shown when it fails
    run_state_machine_as_test(
        seed(SEED)(history),  # type: ignore[arg-type]  # a maker of machines serves as well
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, *[Phase.shrink] * SHRINK],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(FIGURES))  # noqa: T201 - the figures, shown by pytest -s
