"""What is owed to one channel: the difference between how a subject stands and what that channel was last told.

One pure comparison does for all of R18 and R20-R25. It is made when something changed, and again when what kept a
message back may have ended; the outcome is the same whoever makes it, and however often.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from notifier.domain.condition import Condition
from notifier.domain.incident import IncidentKind, Subject, number_in
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.status import is_worse
from notifier.domain.suppression import Kept

REFUSED = "the channel, which did not take it,"
REFUSED_FOR = timedelta(hours=1)  # until that is tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one channel knows of one subject.

    `status` is the last it was told, None if never any; at a stateful receiver the worst that is known to have been
    taken of its open incident.
    `problem` says whether that was one, or may have been if there is no status; `incident` which one it was of (of a
    stateful receiver: which it may hold open).
    `kept` says why something newer is kept back, `look_at` when to look again (None: not by time alone).
    `remind_at` is when a message channel is reminded (R21). `notification` is the last it was told.
    """

    channel: str
    subject: Subject
    status: str | None = None
    problem: bool = False
    incident: int | None = None
    notification: int = 0
    told_at: datetime | None = None
    kept: str | None = None
    look_at: datetime | None = None
    remind_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be done at one channel, and what it knows then.

    `closes` is the number of the incident to be closed at a stateful receiver; `does` what becomes of the
    condition's own words there. `why` explains it, or why there is nothing to do.
    """

    told: Told
    why: str
    closes: int | None = None
    does: Action | None = None


def judge(
    condition: Condition, told: Told, *, stateful: bool, why: str | None, kept: Kept | None, fresh: bool
) -> Verdict:
    """Compare a condition with what a channel was told of it.

    `why` says which route leads there, None if none does; `kept` what keeps messages back, if anything does. Neither
    keeps back what closes an incident that a receiver holds open (R18). `fresh`: the condition has just come about.
    """
    if stateful:
        return _judge_stateful(condition, told, why, kept)
    last = _last_told(condition, told, fresh=fresh)
    if last == condition.status:
        return Verdict(told=_in_step(replace(told, incident=condition.incident), last), why="it knows that already")
    if why is None and not told.problem:
        return Verdict(told=_in_step(told, told.status), why="no route leads there")
    if kept is not None:
        return Verdict(told=_held_back(replace(told, status=last), kept), why=f"kept back: {kept.why}")
    return Verdict(told=_informed(told, condition), why=why or _KNOWS, does=Action.TELL)


_KNOWS = "it was told of the problem"


def _judge_stateful(c: Condition, told: Told, why: str | None, kept: Kept | None) -> Verdict:
    """A receiver that keeps incidents is told of their beginning, of worsening, and of their end, under one key."""
    closes = told.incident if told.incident != c.incident else None
    if closes is not None:
        told = replace(told, incident=None, problem=False, status=None)
    if not c.problem or (told.status is not None and not _raises(c, told.status)):
        said = "the incident is over" if closes is not None else "nothing to open or to raise"
        return Verdict(told=_in_step(told, told.status), why=said, closes=closes)
    if why is None and told.incident is None:
        return Verdict(told=_in_step(told, told.status), why="no route leads there", closes=closes)
    if kept is not None:
        return Verdict(told=_held_back(told, kept), why=f"kept back: {kept.why}", closes=closes)
    does = Action.OPEN if told.incident is None else Action.UPDATE
    return Verdict(told=_informed(told, c), why=why or _KNOWS, closes=closes, does=does)


def _raises(c: Condition, last: str) -> bool:
    """Whether that is worse than the last; of the audit, whether more was found."""
    return c.status != last if c.subject.kind is IncidentKind.AUDIT else is_worse(c.status, last)


def _last_told(c: Condition, told: Told, *, fresh: bool) -> str | None:
    """Return the status that a channel believes in; one that was never told believes what was so before.

    Of one that may have been told of a problem nobody knows. What was kept back from a channel all along it never
    believed in: such a problem ends as it began, untold.
    """
    if told.status is not None or told.problem:
        return told.status
    if fresh and told.kept is None:
        return c.before
    return None if c.problem else c.status


def _in_step(told: Told, status: str | None) -> Told:
    return replace(told, status=status, kept=None, look_at=None)


def _held_back(told: Told, kept: Kept) -> Told:
    return replace(told, kept=kept.why, look_at=kept.until)


def _informed(told: Told, c: Condition) -> Told:
    return replace(
        told,
        status=c.status,
        problem=c.problem,
        incident=c.incident,
        kept=None,
        look_at=None,
    )


@dataclass(frozen=True, slots=True)
class Heard:
    """The last that a channel took of a subject; or may have taken, if that is not sure."""

    words: Notification
    surely: bool


def undelivered(
    told: Told, lost: Notification, does: Action, *, uncertain: bool, heard: Heard | None, at: datetime
) -> Told:
    """Take back what a channel was counted as told, after it was given up for good (R16): it is owed again.

    It is tried again an hour later, or as soon as the channel takes anything. An opening of which an attempt may have
    arrived (`uncertain`) still has to be closed. Of what was to be updated nothing is known any more: its opening may
    have been given up as well. What was to be closed counts as open. A message channel knows what it `heard`.
    """
    refused = replace(told, kept=REFUSED, look_at=at + REFUSED_FOR, remind_at=None)
    match does:
        case Action.CLOSE:
            return replace(told, problem=True, incident=number_in(lost.incident_key))
        case Action.OPEN:
            return replace(refused, status=None, problem=uncertain, incident=told.incident if uncertain else None)
        case Action.UPDATE:
            return replace(refused, status=None)
        case Action.TELL if heard is None:
            return replace(refused, status=None, problem=lost.kind in _AFTER_A_PROBLEM)
        case Action.TELL if not heard.surely:
            return replace(refused, status=None, problem=True)
        case Action.TELL:
            return replace(refused, status=heard.words.status, problem=heard.words.kind not in _ENDS)
        case _:
            assert_never(does)


def taken(told: Told, telling: Notification, does: Action) -> Told:
    """Count a channel as told after all: somebody has what it had refused sent once more."""
    is_open = does in {Action.OPEN, Action.UPDATE}
    problem = is_open or (does is Action.TELL and telling.kind not in _ENDS)
    incident = number_in(telling.incident_key) if problem else None
    return replace(told, status=telling.status, problem=problem, incident=incident, kept=None, look_at=None)


_AFTER_A_PROBLEM = {
    Kind.WORSENED,
    Kind.EASED,
    Kind.RECOVERED,
    Kind.SITE_BACK,
    Kind.SEEN_AGAIN,
    Kind.CHANNEL_WORKS,
    Kind.AUDIT_PASSED,
    Kind.OBJECTIVE_MET,
    Kind.DRILL_PASSED,
}
_ENDS = {
    Kind.RECOVERED,
    Kind.UP,
    Kind.REMOVED,
    Kind.RETURNED,
    Kind.SITE_BACK,
    Kind.SEEN_AGAIN,
    Kind.CHANNEL_WORKS,
    Kind.AUDIT_PASSED,
    Kind.OBJECTIVE_MET,
    Kind.DRILL_PASSED,
}
