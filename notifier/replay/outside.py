"""What stands for Cloudflare and the receivers in a replay: they say what they said then; nobody is asked."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.domain.backoff import next_attempt
from notifier.domain.notification import Action, Kind
from notifier.domain.observation import Cause, CauseKind, Sight, Unseen
from notifier.past import Attempt, Past, Telling
from notifier.ports import (
    Accepted,
    Answer,
    Channel,
    Claimed,
    Listed,
    Message,
    Outcome,
    Refused,
    Settlement,
    TryAgain,
    UnitOfWork,
)

_Settle = Callable[[UnitOfWork, Sequence[Settlement]], Awaitable[tuple[list[Settlement], bool]]]
_Key = tuple[str, Action, Kind, str, str, datetime]

_SOON = timedelta(minutes=5)
_NOT_ASKED = Unseen(Cause(kind=CauseKind.OVER_BUDGET, text="a replay asks nobody"))


class Before:
    """Cloudflare as it was listed: `answers` by account are those of the moment."""

    def __init__(self) -> None:
        self.answers: dict[str, Listed | Unseen] = {}

    def account(self, account: str) -> "_Account":
        """Return one account's API."""
        return _Account(self.answers, account)


@dataclass(frozen=True, slots=True)
class _Account:
    """Keeps `ports.Cloudflare`."""

    answers: Mapping[str, Listed | Unseen]
    account: str

    async def listing(self) -> Listed | Unseen:
        """Say what was listed."""
        return self.answers.get(self.account, _NOT_ASKED)

    async def status(self, name: str) -> Sight:  # noqa: ARG002 - the port's
        """Looks are taken from the record."""
        return _NOT_ASKED

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A channel in all but what it sends: nothing. What its receiver made of a message is said when that is settled."""

    name: str
    stateful: bool
    bundles: bool

    @classmethod
    def of(cls, channel: Channel) -> "Silent":
        """Stand for a channel."""
        return cls(channel.name, channel.stateful, channel.bundles)

    async def send(self, message: Message) -> Answer:  # noqa: ARG002 - the port's
        """Send nothing."""
        return Accepted()

    async def close(self) -> None:
        """Nothing is open."""


class Receivers:
    """The receivers as they answered then.

    An attempt that is on record ends as it did; any other as the channel's attempts around it did, and so well if there
    were none. `promised` counts how often a settlement promised something further.
    """

    def __init__(self, past: Past, pass_by: Callable[[datetime], None]) -> None:
        """`pass_by` lets time pass until what is answered was asked: what follows goes by that."""
        self._pass_by = pass_by
        self._never = past.ends_at + timedelta.resolution
        self._then: defaultdict[_Key, list[Telling]] = defaultdict(list)
        self._known: dict[int, Telling | None] = {}
        self._answers: defaultdict[str, list[Attempt]] = defaultdict(list)
        self.promised = 0
        for telling in sorted(past.tellings, key=lambda telling: telling.number):
            told = telling.notification
            key = telling.channel, telling.action, told.kind, told.account, told.subject, told.recorded_at
            self._then[key].append(telling)
            self._answers[telling.channel] += telling.attempts
        for attempts in self._answers.values():
            attempts.sort(key=lambda attempt: attempt.started_at)

    def settling(self, settle: _Settle) -> _Settle:
        """Have written what the receivers answered then."""

        async def as_then(work: UnitOfWork, settlements: Sequence[Settlement]) -> tuple[list[Settlement], bool]:
            answered = [self._answered(each) for each in settlements]
            self._pass_by(max(each.started_at for each in answered))
            held, promised = await settle(work, answered)
            self.promised += promised
            return held, promised

        return as_then

    def replayed(self, number: int) -> int | None:
        """Return the number that a delivery on record has in the replay, if it is there."""
        return next((new for new, then in self._known.items() if then is not None and then.number == number), None)

    def _answered(self, settlement: Settlement) -> Settlement:
        claimed = settlement.claimed
        then = self._match(claimed)
        known = [] if then is None else [each for each in then.attempts if each.number >= claimed.attempt]
        if then is not None and known:
            return _as_on_record(settlement, then, known, self._never)
        return self._as_others(settlement)

    def _match(self, claimed: Claimed) -> Telling | None:
        if claimed.id not in self._known:
            told, promise = claimed.notification, claimed.promise
            key = promise.channel, promise.action, told.kind, told.account, told.subject, told.recorded_at
            waiting = self._then[key]
            self._known[claimed.id] = waiting.pop(0) if waiting else None
        return self._known[claimed.id]

    def _as_others(self, settlement: Settlement) -> Settlement:
        """Answer as the receiver last did before this moment, or as it did soon after, if that was worse."""
        attempts, now = self._answers[settlement.claimed.promise.channel], settlement.started_at
        place = bisect_right(attempts, now, key=lambda attempt: attempt.started_at)
        near = [each for each in attempts[max(place - 1, 0) : place + 1] if each.started_at <= now + _SOON]
        last = next((each for each in near if each.outcome is not Outcome.SENT), None)
        if last is None:
            return settlement
        if last.outcome is Outcome.ABANDONED:
            answer = Refused(cause=last.cause or "", code=last.code)
            return replace(settlement, outcome=Outcome.ABANDONED, answer=answer, cause=last.cause)
        due_at = next_attempt(settlement.claimed.attempt, now, retry_after=None, chance=0.5)
        over = due_at >= settlement.claimed.promise.give_up_at
        return replace(
            settlement,
            outcome=Outcome.ABANDONED if over else Outcome.PENDING,
            answer=TryAgain(cause=last.cause or "", code=last.code, arrived=False),
            cause=last.cause,
            due_at=None if over else due_at,
        )


def _as_on_record(settlement: Settlement, then: Telling, known: Sequence[Attempt], never: datetime) -> Settlement:
    """Answer as is on record of this attempt; one that is missing there was broken off, and the next came later.

    What was not tried again until the end of the past is due `never`.
    """
    attempt = next((each for each in known if each.number == settlement.claimed.attempt), None)
    following = next((each for each in known if each.number > settlement.claimed.attempt), None)
    if attempt is None:
        due_at = following.started_at if following else never
        broken = TryAgain(cause="broken off")
        return replace(settlement, outcome=Outcome.PENDING, answer=broken, cause=broken.cause, due_at=due_at)
    answer: Answer
    match attempt.outcome:
        case Outcome.SENT:
            answer = Accepted(code=attempt.code)
        case Outcome.ABANDONED if not then.uncertain:
            answer = Refused(cause=attempt.cause or "", code=attempt.code)
        case _:
            answer = TryAgain(cause=attempt.cause or "", code=attempt.code, arrived=then.uncertain)
    pending = attempt.outcome is Outcome.PENDING
    return replace(
        settlement,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outcome=attempt.outcome,
        answer=answer,
        cause=attempt.cause,
        due_at=(following.started_at if following else then.settled_at or never) if pending else None,
    )
