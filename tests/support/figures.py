"""Figures in which there is something of everything."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from notifier.domain.figures import AccountFigures, Figures, Reloads
from notifier.domain.health import Vital
from notifier.domain.incident import NOBODYS, IncidentKind
from notifier.domain.interconnect import Interconnect
from notifier.domain.objective import Count, Objective, Punctuality
from notifier.domain.state import State
from notifier.domain.status import Severity
from notifier.domain.tally import Deliveries, Polls, Transitions
from notifier.errors import DatabaseUnreachableError
from notifier.ports import Counts
from tests.support.examples import ACCOUNT, LINK, NIGHT, observation, run, seconds, unknown
from tests.support.messages import DOWN

RELOADS = Reloads(taken=2, refused=1, failed=True, taken_at=NIGHT)
COUNTS = Counts(
    incidents={
        (ACCOUNT, IncidentKind.INTERCONNECT, Severity.CRITICAL): 1,
        (NOBODYS, IncidentKind.CHANNEL, Severity.WARNING): 1,
    },
    pending={"noc": (3, NIGHT - seconds(90)), "removed": (1, NIGHT - timedelta(hours=1))},
)


class Counter:
    """Keeps `ports.Counting`: answers, is away, or says nothing."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.silent = False

    async def counts(self) -> Counts:
        self.asked += 1
        if self.away:
            raise DatabaseUnreachableError("cannot reach the database")
        if self.silent:
            await asyncio.Event().wait()
        return COUNTS


def watched(
    name: str, status: str | None, *, blind: bool = False, site: str | None = "ams-a"
) -> tuple[Interconnect, State]:
    """Return a link that was last seen 30 s ago."""
    state = replace(unknown(name), status=status, blind=blind, last_seen_at=NIGHT - seconds(30))
    return replace(LINK, name=name, site=site), state


def account(*links: tuple[Interconnect, State], name: str = "production", held: bool = True) -> AccountFigures:
    """Return an account that was polled once, and in which a link has changed."""
    polls, transitions = Polls(), Transitions()
    polls.ended(observation("Healthy", NIGHT).sight, seconds(0.3))
    transitions.recorded(d.transition for d in run("Healthy Down Down") if d.transition is not None)
    return AccountFigures(
        id=ACCOUNT if name == "production" else f"id of {name}",
        name=name,
        held=held,
        interval=timedelta(minutes=1),
        links=links,
        polls=polls,
        transitions=transitions,
    )


def figures(*accounts: AccountFigures, at: datetime = NIGHT) -> Figures:
    """Return figures of these accounts, or of one with links in several states."""
    deliveries = Deliveries()
    deliveries.sent(DOWN, NIGHT + seconds(20))
    links = [
        watched("icon-ams-01", "Healthy"),
        watched("icon-ams-02", "Down"),
        watched("icon-ams-03", None, blind=True),
    ]
    return Figures(
        at=at,
        accounts=accounts or [account(*links)],
        channels={"noc": deliveries},
        budgets={"mark": (7, 600)},
        vitals=dict.fromkeys(Vital, True) | {Vital.AUDIT: False},
        violations=2,
        objective=Objective(notify_within=seconds(90), share=Fraction(99, 100), over=timedelta(days=28)),
        punctuality=Punctuality({"noc": Count(39, 1)}),
    )
