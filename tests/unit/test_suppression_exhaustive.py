"""Every way a maintenance window can go (R24): what was told before it, what happens in it, what is told after it.

From each start, every sequence of three words within the window, each seen once or until it must be believed. What
is owed is said by a model that knows only the confirmed changes: the last one told, and the last one of all.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from notifier.domain.condition import Condition
from notifier.domain.decision import Change, Policy, Transition, decide
from notifier.domain.flapping import Flapping
from notifier.domain.incident import IncidentKind, Subject
from notifier.domain.matching import Matcher
from notifier.domain.notification import Action
from notifier.domain.state import State
from notifier.domain.status import is_worse, severity
from notifier.domain.suppression import Window, suppressed
from notifier.domain.telling import Told, judge
from notifier.pipeline.standing import Rules
from tests.support.bench import Bench, at_work
from tests.support.examples import ACCOUNT, LINK, NIGHT, observation, seconds, unknown
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.memory import MemoryDatabase

WORDS = ("Healthy", "Pending", "Unhealthy", "Down", "Maintenance")
ONCE, BELIEVED = 1, 3  # sightings: three, 15 s apart, confirm anything
STEPS = tuple(product(WORDS, (ONCE, BELIEVED)))
STARTS = (
    "",
    "Healthy",
    "Pending",
    "Unhealthy",
    "Down",
    "Maintenance",
    "Healthy Pending",
    "Healthy Down",
    "Pending Healthy",
    "Down Unhealthy",
    "Healthy Unhealthy Healthy",
    "Healthy Down Pending",
)
EVERY = seconds(15)
END = NIGHT + timedelta(hours=1)
SUBJECT = Subject(kind=IncidentKind.INTERCONNECT, account=ACCOUNT, name=LINK.name)
NEVER = Told(channel="any", subject=SUBJECT)
STEADY = Flapping(changes=99)

History = Sequence[Transition]


def window(begin: datetime) -> Window:
    return Window(name="patching", match=Matcher(), until=lambda at: END if begin <= at < END else None)


# --- The model ----------------------------------------------------------------------------------------------


def owed(before: History, within: History) -> str | None:
    """What a message channel is owed after the window: the status now, unless that is what it was last told.

    Who was never told anything takes the first good status for granted.
    """
    heard = before[-1].after if before else None
    for t in within:
        if heard is None and open_after(t) is None:
            heard = t.after
    now = (*before, *within)[-1:]
    return now[0].after if now and now[0].after != heard else None


def owed_pages(before: History, within: History) -> tuple[list[Action], list[Action]]:
    """What a stateful receiver is owed: in the window only the end of what it holds, after it what is open then."""
    held = open_after(before[-1]) if before else None
    now = open_after((*before, *within)[-1]) if before or within else None
    ended = held is not None and any(open_after(t) != held for t in within)
    if now is None or now != held:
        return [Action.CLOSE] * ended, [Action.OPEN] * (now is not None)
    worse = all(is_worse(within[-1].after, than=t.after) for t in before if t.incident == held) if within else False
    return [], [Action.UPDATE] * worse


def open_after(t: Transition) -> int | None:
    return None if t.change is Change.RECOVERED else t.incident


# --- The rules alone ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link, and what two channels did and know of it."""

    policy: Policy
    window: Window
    state: State = field(default_factory=unknown)
    at: datetime = NIGHT
    condition: Condition | None = None
    noc: Told = NEVER
    pager: Told = NEVER
    history: tuple[Transition, ...] = ()
    messages: tuple[str, ...] = ()
    pages: tuple[Action, ...] = ()

    def see(self, word: str, times: int) -> "Link":
        link = self
        for _ in range(times):
            link = link._poll(word)
        return link

    def _poll(self, word: str) -> "Link":
        decision = decide(self.state, observation(word, self.at), self.policy)
        link = replace(self, state=decision.state, at=self.at + EVERY)
        if (t := decision.transition) is None:
            return link
        link = replace(link, history=(*self.history, t))
        if t.change is Change.BASELINE:
            return link
        return replace(link, condition=condition(t, link.state)).judge(self.at, fresh=True)

    def judge(self, at: datetime, *, fresh: bool) -> "Link":
        """Compare what is with what was told, at both channels."""
        c = self.condition
        if c is None:
            return self
        kept = suppressed(c, (), [self.window], at)
        told = judge(c, self.noc, stateful=False, why="a route", kept=kept, fresh=fresh)
        paged = judge(c, self.pager, stateful=True, why="a route", kept=kept, fresh=fresh)
        return replace(
            self,
            noc=told.told,
            pager=paged.told,
            messages=self.messages if told.does is None else (*self.messages, c.status),
            pages=(*self.pages, *[Action.CLOSE] * (paged.closes is not None), *filter(None, [paged.does])),
        )


def condition(t: Transition, state: State) -> Condition:
    return Condition(
        subject=SUBJECT,
        status=t.after,
        before=t.before,
        problem=state.is_problem,
        severity=severity(t.after),
        incident=state.incident,
        changed_at=t.confirmed_at,
    )


def endings(link: Link, steps: int) -> Iterator[Link]:
    """All the ways it can go from here."""
    if steps == 0:
        yield link
        return
    for word, times in STEPS:
        yield from endings(link.see(word, times), steps - 1)


@pytest.mark.parametrize("told_before", [True, False], ids=["told", "in the window"])
@pytest.mark.parametrize("confirm", [1, 2])
@pytest.mark.parametrize("start", STARTS, ids=lambda start: start or "nothing yet")
def test_after_a_window_everybody_is_told_what_differs_from_what_they_were_last_told_and_nothing_else(
    start: str, confirm: int, *, told_before: bool
) -> None:
    words = start.split()
    begin = NIGHT + BELIEVED * EVERY * len(words) if told_before else NIGHT
    first = Link(policy=Policy(confirm=confirm, flapping=STEADY), window=window(begin))
    for word in words:
        first = first.see(word, BELIEVED)
    assert bool(first.messages) == (told_before and first.condition is not None)
    split = len(first.history) if told_before else 0
    cases = 0
    for inside in endings(first, 3):
        before, within = inside.history[:split], inside.history[split:]
        said = [t.after for t in inside.history]
        closed, opened = owed_pages(before, within)
        assert inside.messages == first.messages, said
        assert inside.pages[len(first.pages) :] == tuple(closed), said
        after = inside.judge(END, fresh=False)
        assert after.messages[len(inside.messages) :] == tuple(filter(None, [owed(before, within)])), said
        assert after.pages[len(inside.pages) :] == tuple(opened), said
        assert after.judge(END, fresh=False) == after, said
        assert after.pager.incident == after.state.incident, said
        healthy = replace(after, at=END).see("Healthy", BELIEVED)
        assert healthy.pager.incident is None, said
        assert healthy.messages[-1:] in {(), ("Healthy",)}, said
        cases += 1
    assert cases == len(STEPS) ** 3


# --- The whole pipeline -------------------------------------------------------------------------------------

CHANCE = random.Random(24)  # noqa: S311 - no secret
SAMPLE = [(CHANCE.choice(STARTS), CHANCE.choice((1, 2)), CHANCE.choices(STEPS, k=3)) for _ in range(60)]


async def show(bench: Bench, cloudflare: FakeCloudflare, word: str, times: int) -> None:
    """Answer with a word until it was asked for so often."""
    cloudflare.words[LINK.name] = word
    enough = len(cloudflare.asked) + times
    while len(cloudflare.asked) < enough:
        await bench.advance(seconds(5), step=seconds(5))


@pytest.mark.parametrize(("start", "confirm", "steps"), SAMPLE)
async def test_the_whole_pipeline_tells_so_after_a_window(
    start: str, confirm: int, steps: list[tuple[str, int]]
) -> None:
    memory, clock, cloudflare = MemoryDatabase(), FakeClock(), FakeCloudflare()
    cloudflare.add(LINK)
    noc, pager = FakeChannel("noc"), FakeChannel("on-call", stateful=True)
    begin = END
    planned = Window(name="patching", match=Matcher(), until=lambda at: END if begin <= at < END else None)
    rules = Rules(channels={"noc": noc, "on-call": pager}, windows=[planned], wait=timedelta(0))
    policy = Policy(confirm=confirm, flapping=STEADY)
    async with at_work(memory, clock, cloudflare, noc, pager, policy=policy, rules=rules) as bench:
        for word in start.split():
            await show(bench, cloudflare, word, BELIEVED)
        begin = clock.now()
        messages, pages, split = len(noc.taken), len(pager.taken), len(memory.tables.transitions)
        for word, times in steps:
            await show(bench, cloudflare, word, times)
        await show(
            bench, cloudflare, memory.tables.transitions[-1].after if memory.tables.transitions else word, BELIEVED
        )
        inside = len(noc.taken), len(pager.taken)
        clock.advance(END - clock.now())
        await bench.step()
    before, within = memory.tables.transitions[:split], memory.tables.transitions[split:]
    closed, opened = owed_pages(before, within)
    assert inside == (messages, pages + len(closed))
    assert [m.notification.status for m in noc.taken[messages:]] == list(filter(None, [owed(before, within)]))
    assert [m.action for m in pager.taken[pages:]] == [*closed, *opened]
