"""THE state machine: the only place where a change of an interconnect is recognised (R1-R11)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from notifier.domain.condition import REMOVED
from notifier.domain.flapping import Flapping
from notifier.domain.observation import Observation, Seen, Unseen, answer_of
from notifier.domain.state import Candidate, State
from notifier.domain.status import HEALTHY, is_problem, is_worse

_ANSWERS = 20  # different ones whose hashes a transition keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When an observation is believed.

    `gap_after`: two sightings further apart than this have an interval between them in which nothing
    was observed (R11).
    """

    confirm: int = 2
    recover: int = 2
    recover_for: timedelta = timedelta(seconds=30)
    blind_after: int = 3
    gap_after: timedelta = timedelta(minutes=3)
    flapping: Flapping = field(default_factory=Flapping)


class Change(StrEnum):
    """What kind of transition it is; decides who is told what."""

    BASELINE = "baseline"  # first sight of something good: nobody is told (R4)
    PROBLEM = "problem"  # an incident begins
    WORSENED = "worsened"  # a worse problem, the same incident (R3)
    EASED = "eased"  # a lesser or other problem, the same incident (R3)
    RECOVERED = "recovered"  # the incident ends
    UP = "up"  # Healthy for the first time (R5)
    REMOVED = "removed"  # it is watched no more; an open incident ends (R9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A confirmed change of state, numbered per interconnect without gaps, with its bounds (R11).

    The change happened after `last_seen_before` (None: never seen before) and not after `first_seen_at`.
    `unobserved` says that nobody looked in between: the change lies in a gap.
    `incident` is the number of the incident it belongs to; `problem_since` when its problem was first seen.
    `flapping`: the link flaps from this one on, or did before; then a recovery does not end the incident (R10).
    `answers` are the hashes of Cloudflare's answers that led to it.
    """

    account: str
    name: str
    number: int
    change: Change
    before: str | None
    after: str
    reason: str | None
    last_seen_before: datetime | None
    first_seen_at: datetime
    confirmed_at: datetime
    sightings: int
    unobserved: bool = False
    incident: int | None = None
    problem_since: datetime | None = None
    flapping: bool = False
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An interval in which nothing was observed."""

    account: str
    name: str
    from_at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What an observation makes of a state.

    `notable` is False if nothing but the time of the last look changed, so nothing needs to be recorded.
    `flapping_began` with this transition.
    """

    state: State
    notable: bool = False
    transition: Transition | None = None
    gap: Gap | None = None
    flapping_began: bool = False


def decide(state: State, seen: Observation, policy: Policy) -> Decision:
    """Decide what one observation makes of a state.

    A late or repeated observation changes nothing.
    """
    if state.observed_at is not None and seen.at <= state.observed_at:
        return Decision(state)
    match seen.sight:
        case Unseen(cause):
            failed = min(state.failed_polls + 1, policy.blind_after)
            blind = state.blind or cause.blinds_at_once or failed >= policy.blind_after
            # Only the first cause of a kind is kept: the details of each failed poll are no news.
            kept = state.cause if state.cause and state.cause.kind == cause.kind else cause
            now_blind = replace(state, observed_at=seen.at, failed_polls=failed, blind=blind, cause=kept)
            return Decision(now_blind, notable=replace(now_blind, observed_at=state.observed_at) != state)
        case Seen() as sight:
            return _decide_seen(state, seen.at, sight, policy)
        case _:
            assert_never(seen.sight)


def _decide_seen(state: State, at: datetime, sight: Seen, policy: Policy) -> Decision:
    gap = _gap(state, at, policy)
    looked = replace(state, observed_at=at, last_seen_at=at, failed_polls=0, blind=False, cause=None, candidate=None)
    if sight.status == state.status:
        return Decision(looked, notable=_had_something_to_forget(state) or gap is not None, gap=gap)
    candidate = _sighted(state, at, sight)
    if not _believed(state, candidate, at, policy):
        return Decision(replace(looked, candidate=candidate), notable=True, gap=gap)
    transition = _transition(state, candidate, at, policy)
    return Decision(
        _after(looked, transition, policy),
        notable=True,
        transition=transition,
        gap=gap,
        flapping_began=transition.flapping and not state.flapping,
    )


def _had_something_to_forget(state: State) -> bool:
    return state.candidate is not None or state.failed_polls > 0 or state.blind


def _gap(state: State, at: datetime, policy: Policy) -> Gap | None:
    if state.last_seen_at is None or at - state.last_seen_at <= policy.gap_after:
        return None
    return Gap(account=state.account, name=state.name, from_at=state.last_seen_at, until_at=at)


def _sighted(state: State, at: datetime, sight: Seen) -> Candidate:
    """Count the sighting; a sighting of the other sort in between starts the count anew."""
    problem = is_problem(sight.status, was_healthy=state.was_healthy)
    before = state.candidate
    if before is not None and before.problem == problem:
        answers = _with_answer(before.answers, sight)
        sightings = before.sightings + 1
        return replace(before, status=sight.status, reason=sight.reason, sightings=sightings, answers=answers)
    return Candidate(
        status=sight.status,
        reason=sight.reason,
        problem=problem,
        sightings=1,
        first_seen_at=at,
        last_seen_before=state.last_seen_at,
        answers=_with_answer((), sight),
    )


def _with_answer(answers: tuple[str, ...], sight: Seen) -> tuple[str, ...]:
    answer = answer_of(sight)
    if answer is None or answer[1] in answers or len(answers) == _ANSWERS:
        return answers
    return (*answers, answer[1])


def _believed(state: State, candidate: Candidate, at: datetime, policy: Policy) -> bool:
    if candidate.problem:
        worse_at_once = state.status is not None and state.is_problem and is_worse(candidate.status, state.status)
        return worse_at_once or candidate.sightings >= policy.confirm
    if state.status is None:
        return True
    return candidate.sightings >= policy.recover and at - candidate.first_seen_at >= policy.recover_for


def _transition(state: State, candidate: Candidate, at: datetime, policy: Policy) -> Transition:
    change = _change(state, candidate)
    opens = change is Change.PROBLEM and state.incident is None
    before = candidate.last_seen_before
    return Transition(
        account=state.account,
        name=state.name,
        number=state.number + 1,
        change=change,
        before=state.status,
        after=candidate.status,
        reason=candidate.reason,
        last_seen_before=before,
        first_seen_at=candidate.first_seen_at,
        confirmed_at=at,
        sightings=candidate.sightings,
        unobserved=before is not None and candidate.first_seen_at - before > policy.gap_after,
        incident=state.incidents + 1 if opens else state.incident,
        problem_since=candidate.first_seen_at if opens else state.problem_since,
        flapping=state.flapping or policy.flapping.begins(_changes(state, change, at, policy)),
        answers=candidate.answers,
    )


def _change(state: State, candidate: Candidate) -> Change:
    if state.status is None:
        return Change.PROBLEM if candidate.problem else Change.BASELINE
    match state.is_problem, candidate.problem:
        case False, True:
            return Change.PROBLEM
        case True, False:
            return Change.RECOVERED
        case True, True:
            return Change.WORSENED if is_worse(candidate.status, state.status) else Change.EASED
        case _:
            return Change.UP


def _changes(state: State, change: Change, at: datetime, policy: Policy) -> tuple[datetime, ...]:
    """Count a change; a baseline is none."""
    return state.changes if change is Change.BASELINE else policy.flapping.newest(state.changes, at)


def _after(looked: State, transition: Transition, policy: Policy) -> State:
    over = transition.change is Change.RECOVERED and not transition.flapping
    return replace(
        looked,
        status=transition.after,
        reason=transition.reason,
        since=transition.first_seen_at,
        was_healthy=looked.was_healthy or transition.after == HEALTHY,
        number=transition.number,
        incidents=max(looked.incidents, transition.incident or 0),
        incident=None if over else transition.incident,
        problem_since=None if over else transition.problem_since,
        changes=_changes(looked, transition.change, transition.confirmed_at, policy),
        flapping=transition.flapping,
    )


def calm(state: State, now: datetime, policy: Policy) -> State | None:
    """End the flapping of a link that has not changed for long enough; None if it does not flap or may not be calm.

    If its status is no problem, the state has no incident any more: the one that was open ends (R10). Nothing is
    said of a link that can't be seen now, or of which a change is being confirmed.
    """
    doubtful = state.blind or state.candidate is not None
    if not state.flapping or doubtful or not policy.flapping.is_over(state.changes, now):
        return None
    still = replace(state, flapping=False, changes=())
    return still if state.is_problem else replace(still, incident=None, problem_since=None)


def removed(
    state: State, at: datetime, *, last_listed_at: datetime | None, why: str
) -> tuple[State, Transition | None]:
    """Forget what is believed of a link that is watched no more; an open incident ends (R9).

    `why` says who watches it no more, and why; it becomes the transition's reason. Of a link of which nothing was
    ever believed there is no transition. Numbers go on: none is ever given twice. What was observed before, and is
    recorded later, changes nothing any more.
    """
    gone = replace(
        state,
        observed_at=max(at, state.observed_at or at),
        status=None,
        reason=None,
        since=None,
        incident=None,
        problem_since=None,
        candidate=None,
        failed_polls=0,
        blind=False,
        cause=None,
        changes=(),
        flapping=False,
    )
    if state.status is None and state.incident is None:
        return gone, None
    transition = Transition(
        account=state.account,
        name=state.name,
        number=state.number + 1,
        change=Change.REMOVED,
        before=state.status,
        after=REMOVED,
        reason=why,
        last_seen_before=max(filter(None, (state.last_seen_at, last_listed_at)), default=None),
        first_seen_at=at,
        confirmed_at=at,
        sightings=0,
        incident=state.incident,
        problem_since=state.problem_since,
    )
    return replace(gone, number=transition.number), transition


def renewed(state: State) -> State:
    """Forget that the link was ever seen: it is another one under an old name, whose numbers go on (R9)."""
    return replace(state, was_healthy=False, last_seen_at=None)
