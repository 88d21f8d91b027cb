"""Scenario 46: whatever happens, what was opened is closed, and everybody was last told what was last confirmed.

`make test-property` runs 500 examples of 40 steps; `make test` a few. The seed is printed; NOTIFIER_TEST_SEED
repeats it.
"""

import asyncio
import logging
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Awaitable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from notifier.adapters.database import tables
from notifier.adapters.database.database import SqlDatabase, SqlUnitOfWork
from notifier.adapters.database.verifying import Verifying
from notifier.domain.condition import LISTED, REMOVED
from notifier.domain.decision import Policy
from notifier.domain.flapping import Flapping
from notifier.domain.incident import Acknowledgement, Incident, IncidentKind, Subject
from notifier.domain.matching import Matcher
from notifier.domain.notification import Notification
from notifier.domain.routing import Escalation, Route
from notifier.domain.state import State
from notifier.domain.status import Severity
from notifier.domain.suppression import Silence, Window
from notifier.pipeline.retrying import resend
from notifier.pipeline.standing import Rules
from notifier.ports import Outcome
from tests.support.bench import Bench
from tests.support.examples import ACCOUNT, FORBIDDEN, LINK, TIMEOUT
from tests.support.fakes import FakeClock, FakeCloudflare
from tests.support.world import Doom, Mood, Receiver, World

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("NOTIFIER_TEST_EXAMPLES", "12"))
STEPS = 40
# The short form is the same each time; the long one looks further with each run.
SHORT = "NOTIFIER_TEST_EXAMPLES" not in os.environ
SEED = int(os.environ.get("NOTIFIER_TEST_SEED", "0")) or (46 if SHORT else random.SystemRandom().randrange(1, 10**6))
SHRINK = bool(os.environ.get("NOTIFIER_TEST_SHRINK"))  # a failure to its fewest steps, which takes its time
T = TypeVar("T")
FIGURES: Counter[str] = Counter()

PAGERS = ("pager", "backup")
LINKS = (LINK, replace(LINK, name="icon-ams-02"), replace(LINK, name="icon-fra-01", site="fra-a"))


async def holds(work: SqlUnitOfWork) -> None:
    """See that the chain of the record holds, whatever was killed and removed meanwhile."""
    for account in await work.chain.unsealed():
        while await work.chain.seal(account):
            pass
    record = Verifying(work.conn)
    for account in await record.accounts():
        walk = await record.walk(account)
        assert walk.first is None
        assert walk.entries


def one_of(choices: Collection[T]) -> st.SearchStrategy[T]:
    return st.sampled_from(list(choices))


NAMES = st.sampled_from([link.name for link in LINKS])
WORDS = st.sampled_from(["Healthy", "Healthy", "Down", "Unhealthy", "Pending", "Maintenance"])
MOMENTS = st.sampled_from([timedelta(seconds=s) for s in (0, 15, 90, 180)])
SPANS = st.sampled_from([timedelta(minutes=m) for m in (2, 10, 20, 75)])
URGENT = Matcher(severity=frozenset({Severity.CRITICAL, Severity.ERROR}))
LATER = Escalation(after=timedelta(minutes=15), channels=("backup",))
POLICIES = {
    "usual": Policy(),
    "hasty": Policy(confirm=1, flapping=Flapping(changes=99)),
    "odd": Policy(confirm=3, recover=1, recover_for=timedelta(0), blind_after=1, flapping=Flapping(changes=2)),
}
ROUTES = {
    "escalating": (Route(channels=("noc",)), Route(channels=("pager",), match=URGENT, escalate=LATER)),
    "none": (),
    "by site": (Route(channels=("noc", "pager")), Route(channels=("backup",), match=Matcher(site=("fra-*",)))),
}
PLACES = {
    "everywhere": Matcher(),
    "a site": Matcher(site=("ams-a",)),
    "a link": Matcher(name=(LINK.name,)),
    "a status": Matcher(status=("Unhealthy",)),
}


class Everything(RuleBasedStateMachine):
    """The notifier, the API and the receivers, and all that can happen to them."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.api = FakeCloudflare()
        self.truth = {link.name: "Healthy" for link in LINKS}
        self.failing: dict[str, str] = {}
        for link in LINKS:
            self.api.add(link)
        self.noc = Receiver("noc")
        self.pagers = [Receiver(name, stateful=True) for name in PAGERS]
        self.others = [Receiver(name, stateful=True, mark=f"another {name}") for name in PAGERS]
        self.receivers = [self.noc, *self.pagers]
        self.planned = (self.clock.now(), self.clock.now())
        self.world = World(url, self.clock, self.api, self.receivers)
        self.faults = Faults()
        logging.getLogger("notifier").addHandler(self.faults)

    def teardown(self) -> None:
        """Heal everything, let a day pass, and see that everybody knows how things stand."""
        try:
            if sys.exc_info()[0] is None:  # else it has failed already
                self.heal()
                self.in_step()
                self.world.write(holds)
        finally:
            logging.getLogger("notifier").removeHandler(self.faults)
            self.world.close()
        FIGURES.update(
            examples=1, processes=self.world.processes, deliveries=sum(len(each.heard) for each in self.receivers)
        )

    # --- What happens ---------------------------------------------------------------------------------------

    @initialize(bundles=st.booleans(), policy=one_of(POLICIES), routes=one_of(ROUTES), planned=one_of(PLACES))
    def start(self, *, bundles: bool, policy: str, routes: str, planned: str) -> None:
        self.noc.bundles = bundles
        self.configure(policy, routes, planned)
        self.world.leap(timedelta(minutes=2))

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
        now = self.clock.now()
        silence = Silence(id=0, match=PLACES[place], from_at=now, until_at=now + span, by="ada", comment="")
        self.world.write(lambda work: ignored(work.ledger.add_silence(silence)))

    @rule()
    def somebody_ends_the_silences(self) -> None:
        self.world.write(self.end_silences)

    @rule(span=SPANS)
    def a_window_begins(self, span: timedelta) -> None:
        now = self.clock.now()
        self.planned = (now, now + span)

    @rule(until=st.none() | SPANS, sticky=st.booleans())
    def somebody_acknowledges(self, until: timedelta | None, *, sticky: bool) -> None:
        now = self.clock.now()
        ends = None if until is None else now + until

        async def acknowledge(work: SqlUnitOfWork) -> None:
            for incident in await open_incidents(work):
                await work.ledger.acknowledge(
                    incident.key, Acknowledgement(by="ada", at=now, until=ends, sticky=sticky)
                )

        self.world.write(acknowledge)

    @rule()
    def somebody_takes_that_back(self) -> None:
        self.world.write(self.unacknowledge)

    @rule(which=st.integers(0, 2), mood=st.sampled_from(Mood), then=SPANS)
    def a_receiver_changes_its_mood(self, which: int, mood: Mood, then: timedelta) -> None:
        self.receivers[which].mood = mood
        self.pass_(then)

    @rule()
    def all_receivers_take_everything(self) -> None:
        for receiver in self.receivers:
            receiver.mood = Mood.TAKES

    @rule(which=st.integers(0, 1))
    def a_pager_gets_another_url(self, which: int) -> None:
        self.pagers[which], self.others[which] = self.others[which], self.pagers[which]
        self.receivers[1 + which] = self.pagers[which]
        self.pagers[which].name = PAGERS[which]
        self.restart()
        self.pass_(timedelta(0))

    @rule()
    def the_pagers_swap_their_names(self) -> None:
        self.pagers.reverse()
        self.receivers[1:] = self.pagers
        for name, pager in zip(PAGERS, self.pagers, strict=True):
            pager.name = name
        self.restart()
        self.pass_(timedelta(0))

    @rule(who=st.integers(0, 2), mood=st.sampled_from(Mood), name=NAMES, words=st.tuples(WORDS, WORDS), then=MOMENTS)
    def somebody_sends_again_what_was_refused(
        self, who: int, mood: Mood, name: str, words: tuple[str, str], then: timedelta
    ) -> None:
        self.receivers[who].mood = Mood.REFUSES
        self.truth[name], after = words
        self.pass_(timedelta(minutes=3))
        self.receivers[who].mood = mood
        self.world.write(self.send_again)
        self.truth[name] = after
        self.pass_(then)

    @rule(after=st.integers(0, 12), how=st.sampled_from(Doom), word=WORDS, name=NAMES)
    def a_transaction_is_doomed(self, after: int, how: Doom, word: str, name: str) -> None:
        self.truth[name] = word
        self.world.database.doom(after, how)
        self.pass_(timedelta(minutes=2))

    @rule(away=st.sampled_from([timedelta(0), timedelta(minutes=3), timedelta(hours=2)]))
    def the_process_is_killed(self, away: timedelta) -> None:
        self.world.kill()
        self.clock.advance(away)
        self.pass_(timedelta(0))

    @rule(policy=one_of(POLICIES), routes=one_of(ROUTES), planned=one_of(PLACES))
    def the_configuration_changes(self, policy: str, routes: str, planned: str) -> None:
        self.configure(policy, routes, planned)
        self.pass_(timedelta(0))

    @precondition(lambda self: not self.noc.bundles)  # else the record is asked what noc was told
    @rule()
    def the_old_is_forgotten(self) -> None:
        before = self.clock.now() - timedelta(minutes=20)

        async def forget(work: SqlUnitOfWork) -> None:
            for account in await work.chain.unsealed():
                await work.chain.seal(account)
            await work.chain.prune(before, deliveries_before=before, observations_before=before)

        self.world.write(forget)

    # --- What always holds ----------------------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        """No fault of our own, no incident opened twice, no gap in the numbers."""
        FIGURES["steps"] += 1
        assert [*self.faults.found, *self.world.database.faults] == []
        for pager in (*self.pagers, *self.others):
            assert max(pager.opens.values(), default=1) == 1, pager.opens
        self.world.write(no_gaps)

    # --- What holds when everything has healed --------------------------------------------------------------

    def heal(self) -> None:
        self.failing.clear()
        self.api.listing_fails = None
        for link in LINKS:
            self.api.links.setdefault(link.name, link)
        for receiver in self.receivers:
            receiver.mood = Mood.TAKES
        self.planned = (self.clock.now(), self.clock.now())
        self.world.database.spare()
        self.world.write(self.end_silences)
        self.world.write(self.unacknowledge)
        self.configure("usual", "escalating", "everywhere")
        self.pass_(timedelta(hours=3))
        self.clock.advance(timedelta(hours=21))
        self.pass_(timedelta(minutes=10))

    def in_step(self) -> None:
        self.nothing_is_wrong()
        self.world.write(self.compare)

    async def compare(self, work: SqlUnitOfWork) -> None:
        now = self.clock.now()
        assert await work.outbox.waiting_channels() <= {other.mark for other in self.others}
        assert await work.ledger.due(now - timedelta(minutes=10)) == []
        states = await work.watched.states(ACCOUNT, await work.watched.links(ACCOUNT))
        assert {name: state.status for name, state in states.items()} == self.truth
        incidents = await open_incidents(work)
        assert not [i for i in incidents if i.kind is IncidentKind.BLIND]
        for state in states.values():
            self.noc_knows(
                state, await said(work, state.name) if self.noc.bundles else last(self.noc.heard, state.name)
            )
        for pager in self.pagers:
            assert pager.open <= {i.key for i in incidents}, pager.name
            assert pager.open >= self.owed(incidents, states), pager.name
        for other in self.others:
            assert other.open <= self.faults.stranded, other.mark

    @staticmethod
    def noc_knows(state: State, heard: str | None) -> None:
        if heard in {None, LISTED, REMOVED}:
            assert not state.is_problem, (state, heard)
        else:
            assert heard == state.status, (state, heard)

    @staticmethod
    def owed(incidents: list[Incident], states: dict[str, State]) -> set[str]:
        """Return the keys of what every pager holds open: lost sites, and urgent links elsewhere."""
        lost = {i.subject for i in incidents if i.kind is IncidentKind.SITE}
        sites = {link.name: link.site for link in LINKS}
        return {
            i.key
            for i in incidents
            if i.kind is IncidentKind.SITE
            or (
                i.kind is IncidentKind.INTERCONNECT
                and sites[i.subject] not in lost
                and states[i.subject].status in {"Down", "Unhealthy", "Pending"}
            )
        }

    # --- How it is done -------------------------------------------------------------------------------------

    def pass_(self, span: timedelta) -> None:
        """Let time pass; a process that died is followed by another."""
        self.api.words = self.truth | self.failing
        until = self.clock.now() + span
        self.world.do(Bench.step)
        while self.clock.now() < until:
            self.world.leap(until - self.clock.now())

    def configure(self, policy: str, routes: str, planned: str) -> None:
        self.world.policy = POLICIES[policy]
        self.world.rules = Rules(
            channels={},
            routes=ROUTES[routes],
            windows=[Window(name="patching", match=PLACES[planned], until=self.until)],
            remind=timedelta(hours=1),
        )
        self.restart()

    def restart(self) -> None:
        self.world.kill()
        self.world.rules = replace(self.world.rules, channels={each.name: each for each in self.receivers})

    async def send_again(self, work: SqlUnitOfWork) -> None:
        """Send again everything that was given up, as far as that is allowed."""
        d = tables.deliveries.c
        lost = list(await work.conn.scalars(select(d.id).where(d.outcome == Outcome.ABANDONED).order_by(d.id)))
        said = [await resend(work, number, self.clock.now(), remind=timedelta(hours=1)) for number in lost]
        FIGURES["sent again"] += said.count(None)

    def until(self, at: datetime) -> datetime | None:
        begin, end = self.planned
        return end if begin <= at < end else None

    async def end_silences(self, work: SqlUnitOfWork) -> None:
        now = self.clock.now()
        for silence in await work.ledger.silences(now):
            await work.ledger.end_silence(silence.id, now)
        await work.ledger.look_again(now)

    async def unacknowledge(self, work: SqlUnitOfWork) -> None:
        for incident in await open_incidents(work):
            await work.ledger.acknowledge(incident.key, None)
            subject = Subject(kind=incident.kind, account=incident.account, name=incident.subject)
            await work.ledger.look_again(self.clock.now(), subject=subject)


class Faults(logging.Handler):
    """Keeps what was logged of faults of our own (a database that fails is none), and what was said to be stranded."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self.stranded: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.stranded.update(getattr(record, "fields", {}).get("keys", ()))
        if record.exc_info:
            self.found.append(self.format(record))


async def no_gaps(work: SqlUnitOfWork) -> None:
    t = tables.transitions.c
    numbered = select(t.name, func.count(), func.max(t.number)).group_by(t.name)
    assert [row for row in await work.conn.execute(numbered) if row[1] != row[2]] == []


async def open_incidents(work: SqlUnitOfWork) -> list[Incident]:
    return [incident for kind in IncidentKind for incident in await work.record.open_incidents_of(kind)]


async def said(work: SqlUnitOfWork, name: str) -> str | None:
    """Say what noc was last told of a link, by the record."""
    d, n = tables.deliveries, tables.notifications
    query = select(n.c.id).join_from(d, n, n.c.id == d.c.notification)
    query = query.where(d.c.channel == "noc", d.c.outcome == Outcome.SENT).order_by(d.c.id)
    ids = list(await work.conn.scalars(query))
    told = await work.outbox.notifications(ids)
    return last([told[each] for each in ids], name)


def last(told: list[Notification], name: str) -> str | None:
    return next((each.status for each in reversed(told) if each.subject == name and each.status), None)


async def ignored(what: Awaitable[object]) -> None:
    await what


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file; each example begins with a copy."""
    path = tmp_path_factory.mktemp("scenario-46") / "empty.db"

    async def prepare() -> None:
        database = SqlDatabase(f"sqlite:///{path}")
        await database.prepare(migrate=True)
        await database.close()

    asyncio.run(prepare())
    return path


def test_scenario_46_whatever_happens_everybody_knows_in_the_end_how_things_stand(empty: Path, tmp_path: Path) -> None:
    def everything() -> Everything:
        path = shutil.copy(empty, tmp_path / f"{FIGURES['begun']}.db")
        FIGURES["begun"] += 1
        return Everything(f"sqlite:///{path}")

    print(f"seed {SEED}, {EXAMPLES} examples of {STEPS} steps")  # noqa: T201 - shown when it fails
    run_state_machine_as_test(
        seed(SEED)(everything),  # type: ignore[arg-type]  # a maker of machines serves as well
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
