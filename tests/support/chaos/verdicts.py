"""What is wrong with a run, from what the simulator told, what is on record and what the receivers took. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from notifier.domain.status import HEALTHY
from notifier.simulator import Journal, Link, Request
from tests.support.chaos.story import Life, Story

ENOUGH = 4  # agreeing answers to one process: two confirm, one may be lost, one is one more
SETTLED_S = 8  # after which it is on record, even on a busy machine
LATE_S = 2  # longer than an answer is under way
IN_FLIGHT_S = 1  # how long a process that was paused may still send what it had begun
_LATELY_S = 4  # in which every link is asked for
_CLOSE_S = 3  # two processes that ask for one account take turns in this time,
_TURNS = 3  # and more than so often


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A transition on record; `at` is when it was confirmed."""

    link: str
    number: int
    after: str
    at: float


class Shown(NamedTuple):
    """What was shown to one process `ENOUGH` times."""

    link: str
    state: str
    began: float
    until: float


def shown(told: Iterable[Request], story: Story) -> list[Shown]:
    """Return what must have been believed: each state that a process saw often enough, undisturbed."""
    found: list[Shown] = []
    for link, answers in _by_link(told).items():
        for (_, state), run in groupby(answers, key=lambda r: (id(story.life(r.door, r.at)), r.state)):
            first, *others = run
            life = story.life(first.door, first.at)
            if life is None or state is None or len(others) < ENOUGH - 1:
                continue
            until = others[ENOUGH - 2].at + SETTLED_S
            if story.undisturbed(life, first.at - IN_FLIGHT_S, until):
                found.append(Shown(link, state, first.at, until))
    return found


def missed(must: Iterable[Shown], changes: Iterable[Change]) -> Iterator[str]:
    """Find what was shown and never believed."""
    on_record = _changes(changes)
    for link, state, began, until in must:
        before = [change.after for change in on_record[link] if change.at <= began][-1:]
        during = [change.after for change in on_record[link] if began < change.at <= until]
        if state not in before + during:
            yield f"{link} was shown {state} from {began:.1f} and believed to be {before + during}"


def invented(told: Iterable[Request], changes: Iterable[Change], story: Story) -> Iterator[str]:
    """Find what is on record and was not shown: the state itself, and twice whether it is a problem or not."""
    answers = _by_link(told)
    for link, rows in _changes(changes).items():
        for before, change in pairwise(rows):
            since = min(before.at, story.paused_since(before.at, change.at)) - LATE_S  # it may have been read since
            seen = [r.state for r in answers[link] if since < r.at <= change.at]
            alike = [state for state in seen if (state == HEALTHY) == (change.after == HEALTHY)]
            if change.after not in seen or len(alike) < 2:
                yield f"{link} #{change.number} {change.after} at {change.at:.1f} was shown {seen} since {since:.1f}"


def misnumbered(changes: Iterable[Change]) -> Iterator[str]:
    """Find links whose transitions are not numbered one by one in the order of their time."""
    for link, rows in _changes(changes).items():
        numbers = [row.number for row in rows]
        if numbers != list(range(1, len(rows) + 1)):
            yield f"{link} has the transitions {numbers}"


def heard(documents: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return the numbers of the transitions that a channel took, by link, as they came."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for document in documents:
        if (number := re.search(r" #(\d+)$", document["name"])) is not None:
            numbers[document["data"]["interconnect"]].append(int(number[1]))
    return numbers


def untold(numbers: Mapping[str, Sequence[int]], changes: Iterable[Change]) -> Iterator[str]:
    """Find transitions after the first that the channel did not take, those it made up, and disorder."""
    for link, rows in _changes(changes).items():
        owed, got = [row.number for row in rows[1:]], numbers.get(link, [])
        if sorted(set(got)) != owed:
            yield f"{link} has the transitions {owed}, of which were told {got}"
        if any(later - earlier not in {0, 1} for earlier, later in pairwise(got)):
            yield f"{link} was told in the order {got}"


class Page(NamedTuple):
    """An incident on record: when it was open, and what came of its opening at the pager."""

    key: str
    kind: str
    site: str | None
    began: float
    ended: float | None
    outcome: str | None


def mispaged(pages: Iterable[Page], opens: Mapping[str, int], closes: Mapping[str, int]) -> Iterator[str]:
    """Find incidents that were not opened once and closed once, those that there are not, and those kept quiet.

    One that was over before it could be sent is neither opened nor closed; nor is that of a link whose site was lost.
    """
    pages = list(pages)
    lost = [page for page in pages if page.kind == "site"]
    for key in sorted((opens.keys() | closes.keys()) - {page.key for page in pages}):
        yield f"{key} was paged and is not on record"
    for page in pages:
        paged = opens.get(page.key, 0), closes.get(page.key, 0)
        over = page.outcome == "moot" or (page.outcome is None and any(_at_once(page, site) for site in lost))
        if page.ended is None:
            yield f"{page.key} is still open on record"
        elif paged != (1, 1) and not (over and paged == (0, 0)):
            yield f"{page.key} was opened {paged[0]} times and closed {paged[1]} times; its opening: {page.outcome}"


def misheld(links: Iterable[Link], held: Iterable[str]) -> Iterator[str]:
    """Find links in a problem of which the pager holds nothing open, nor of their site, and those that need it not."""
    subjects = {key.rpartition(":")[0] for key in held}
    for link in links:
        own, site = f"cni:{link.account.id}:{link.name}", f"cni:{link.account.id}:site:{link.site}"
        if (link.state == HEALTHY) == bool(subjects & {own, site}):
            yield f"{link.name} is {link.state}, and held open are {sorted(subjects & {own, site})}"


def _at_once(page: Page, site: Page) -> bool:
    """Whether both were open at a time; the end counts from when it was first seen, and is believed later."""
    began = max(page.began, site.began)
    return page.site == site.site and began <= min(page.ended or began, site.ended or began) + SETTLED_S


def contested(asked: Iterable[Request], story: Story) -> Iterator[str]:
    """Find accounts for which two processes asked at one time; what one sends on as it wakes up doesn't count."""
    by_account: defaultdict[str, list[tuple[float, Life]]] = defaultdict(list)
    for request in asked:
        life = story.life(request.door, request.at)
        if request.account and life and not life.resumed_within(IN_FLIGHT_S, request.at):
            by_account[request.account].append((request.at, life))
    for account, turns in by_account.items():
        changed = [at for (_, one), (at, other) in pairwise(turns) if one is not other]
        for first, last in zip(changed, changed[_TURNS:], strict=False):
            if last - first < _CLOSE_S:
                yield f"{account} was asked for by two processes at {first:.1f}"
                break


def doubled(taken: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Find leases that were given twice under one number."""
    for (account, fence), times in Counter(taken).items():
        if times > 1:
            yield f"{account} was taken {times} times under fence {fence}"


def overdrawn(asked: Iterable[Request], tokens: Mapping[str, str], requests: int, per_s: float) -> Iterator[str]:
    """Find tokens that were used more often than their budget allows in any time so long."""
    for token, most in busiest(asked, tokens, per_s).items():
        if most > requests:
            yield f"{token} asked {most} times in {per_s} s, and may {requests} times"


def busiest(asked: Iterable[Request], tokens: Mapping[str, str], per_s: float) -> dict[str, int]:
    """Return how often each token was used in the time so long in which it was used most."""
    journals: defaultdict[str, Journal] = defaultdict(Journal)
    for request in asked:
        if request.account is not None:
            journals[tokens[request.account]].add(request)
    return {token: journal.most_within(per_s) for token, journal in journals.items()}


def failovers(asked: Sequence[Request], story: Story) -> list[float]:
    """Return how long each account of a process that was killed was not asked for, where another took over."""
    found: list[float] = []
    for life in (life for life in story.lives if life.killed):
        died = life.span.ended
        mine = {r.account for r in asked if r.door == life.door and died - _LATELY_S < r.at < died}
        for account in mine - {None}:
            after = (r.at for r in asked if r.account == account and r.at > died and r.door != life.door)
            if (first := next(after, None)) is not None:
                found.append(first - died)
    return sorted(found)


def _by_link(told: Iterable[Request]) -> dict[str, list[Request]]:
    found: defaultdict[str, list[Request]] = defaultdict(list)
    for request in told:
        if request.link is not None and request.state is not None:
            found[request.link].append(request)
    return found


def _changes(changes: Iterable[Change]) -> dict[str, list[Change]]:
    found: defaultdict[str, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda change: (change.link, change.at, change.number)):
        found[change.link].append(change)
    return found
