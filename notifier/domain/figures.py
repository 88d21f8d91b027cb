"""How the service stands at a moment, in figures: what is to be graphed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.domain.health import Vital
from notifier.domain.interconnect import Interconnect
from notifier.domain.objective import Objective, Punctuality
from notifier.domain.state import State
from notifier.domain.tally import Deliveries, Polls, Transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """One account; `name` is what people call it. `held`: it is this process that watches it.

    `links` are those it watches, with what it believes of them; `interval` is how far apart their polls are.
    """

    id: str
    name: str
    held: bool
    interval: timedelta
    links: Sequence[tuple[Interconnect, State]]
    polls: Polls
    transitions: Transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What this process knows by itself, without asking anybody.

    `channels` are those configured, `budgets` the permits used and the limit by the credential's mark. `vitals` says
    of each whether it is well; `violations` is how many the last audit found, None if that is not known. `objective`
    is the configured one, `punctuality` how it is kept; None if that is not known.
    """

    at: datetime
    accounts: Sequence[AccountFigures]
    channels: Mapping[str, Deliveries]
    budgets: Mapping[str, tuple[int, int]]
    vitals: Mapping[Vital, bool]
    violations: int | None
    objective: Objective | None = None
    punctuality: Punctuality | None = None


@dataclass(slots=True)
class Reloads:
    """How the reloads went: `failed` says that the newest configuration was not taken (R31).

    `taken_at` is when the one that holds was, at the start or since (aware UTC).
    """

    taken: int = 0
    refused: int = 0
    failed: bool = False
    taken_at: datetime | None = None
