"""What we believe of one interconnect; saved at every change."""

from dataclasses import dataclass, replace
from datetime import datetime

from notifier.domain.observation import Cause
from notifier.domain.status import is_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A differing status, seen but not yet confirmed (R1, R2).

    Sightings of any problem add up, and so do sightings of anything good; `status` is the last one seen.
    `last_seen_before` is when something else was last seen; None if nothing ever was. `answers` are the hashes of the
    answers that showed it, each once, the first twenty of them.
    """

    status: str
    reason: str | None
    problem: bool
    sightings: int
    first_seen_at: datetime
    last_seen_before: datetime | None
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The confirmed status of one interconnect and all that is needed to decide about the next observation.

    `status` is None until something was confirmed for the first time.
    `since` is when this status was first seen; `problem_since` when the open incident's problem was.
    `number` counts transitions and `incidents` incidents, both from 1; `incident` is the open one's number.
    `observed_at` is the last poll of any outcome; `last_seen_at` the last that saw a status.
    `blind` stands beside the status: seeing is separate from state (R6).
    `changes` are the times of the newest confirmed changes, oldest first; while it is `flapping`, its incident
    stays open, whatever the status (R10).
    `version` is the stored record's, checked at each save (R14); 0 means never stored.
    """

    account: str
    name: str
    status: str | None = None
    reason: str | None = None
    since: datetime | None = None
    was_healthy: bool = False
    number: int = 0
    incidents: int = 0
    incident: int | None = None
    problem_since: datetime | None = None
    observed_at: datetime | None = None
    last_seen_at: datetime | None = None
    candidate: Candidate | None = None
    failed_polls: int = 0
    blind: bool = False
    cause: Cause | None = None
    changes: tuple[datetime, ...] = ()
    flapping: bool = False
    version: int = 0

    @property
    def is_problem(self) -> bool:
        """Whether the confirmed status is not as it should be."""
        return self.status is not None and is_problem(self.status, was_healthy=self.was_healthy)


def as_of(state: State, now: datetime) -> State:
    """Bring what lies in the future back to the present: a clock that was ahead wrote it (R7). The next look counts.

    Of several changes brought back one remains: it must not look as if the link flapped.
    """

    def past(at: datetime | None) -> datetime | None:
        return min(at, now) if at is not None else None

    candidate = state.candidate
    if candidate is not None:
        first, before = min(candidate.first_seen_at, now), past(candidate.last_seen_before)
        candidate = replace(candidate, first_seen_at=first, last_seen_before=before)
    return replace(
        state,
        since=past(state.since),
        problem_since=past(state.problem_since),
        observed_at=past(state.observed_at),
        last_seen_at=past(state.last_seen_at),
        candidate=candidate,
        changes=tuple(sorted({min(at, now) for at in state.changes})),
    )
