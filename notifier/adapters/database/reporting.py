"""What a report needs of either database: of one moment, on a connection that can't write."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from notifier.adapters.database import rows
from notifier.adapters.database.engine import connection
from notifier.adapters.database.tables import (
    deliveries,
    gaps,
    incidents,
    interconnects,
    notifications,
    silences,
    states,
    transitions,
)
from notifier.domain.availability import Period
from notifier.domain.decision import Change
from notifier.domain.incident import IncidentKind
from notifier.domain.notification import Kind
from notifier.domain.reporting import IncidentRecord, LinkRecord, Move
from notifier.domain.suppression import Silence
from notifier.ports import Outcome

# What is told under an incident's key when it is over.
_ENDS = (Kind.RECOVERED, Kind.REMOVED, Kind.UP, Kind.CALM, Kind.SITE_BACK, Kind.SEEN_AGAIN)
_KINDS = {kind.value: kind for kind in IncidentKind}
_CHANGES = {change.value: change for change in Change}
_ROWS = 2000  # that are fetched at once

_Link = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which interconnects are reported: those that fit all that is given."""

    account: str | None = None
    name: str | None = None
    site: str | None = None

    def of(self, account: Any, name: Any) -> list[ColumnElement[bool]]:
        """Narrow an account's column and a name's."""
        found = [] if self.account is None else [account == self.account]
        if self.name is not None:
            found.append(name == self.name)
        if self.site is not None:
            link = interconnects.alias().c
            found.append(exists().where(link.account == account, link.name == name, link.site == self.site))
        return found


class SqlReporting:
    """Reads what happened in a period, within one transaction."""

    def __init__(self, conn: AsyncConnection, asked: Asked) -> None:
        self._conn = conn
        self._asked = asked

    async def first(self) -> datetime | None:
        """Return when the first transition was confirmed; None if there is none."""
        found: datetime | None = await self._conn.scalar(select(func.min(transitions.c.confirmed_at)))
        return found

    async def incidents(self, period: Period) -> list[IncidentRecord]:
        """Return the incidents of interconnects, sites and accounts' sight that were open in a period."""
        found: list[IncidentRecord] = []
        async for part in self._parts(incidents_of(period, self._asked)):
            found += (IncidentRecord(_KINDS[kind], *rest) for kind, *rest in part)
        return found

    async def silences(self, period: Period) -> list[Silence]:
        """Return the silences that held in a period."""
        s = silences.c
        held = select(silences).where(s.from_at < period.until_at, s.until_at > period.from_at).order_by(s.id)
        return [rows.to_silence(row) for row in await self._conn.execute(held)]

    async def sites(self, period: Period) -> AsyncIterator[list[LinkRecord]]:
        """Yield the interconnects that are asked for, site after site of each account."""
        links = (await self._conn.execute(links_of(self._asked))).all()
        missed: defaultdict[_Link, list[Period]] = defaultdict(list)
        async for part in self._parts(gaps_of(period, self._asked)):
            for account, name, from_at, until_at in part:
                missed[account, name].append(Period(from_at, until_at))
        site: list[LinkRecord] = []
        async for link, moves in self._with_moves(links, period):
            if site and (site[0].account, site[0].site) != (link.account, link.site):
                yield site
                site = []
            site.append(
                LinkRecord(
                    account=link.account,
                    name=link.name,
                    site=link.site,
                    watched=bool(link.watched),
                    last_seen_at=link.last_seen_at,
                    moves=tuple(moves),
                    gaps=tuple(missed.pop((link.account, link.name), ())),
                )
            )
        if site:
            yield site

    async def _with_moves(self, links: Sequence[Any], period: Period) -> AsyncIterator[tuple[Any, list[Move]]]:
        """Give each link its moves, which come in the same order."""
        done, moves = 0, list[Move]()
        async for part in self._parts(moves_of(period, self._asked)):
            for place, change, *rest in part:
                while done < place - 1:
                    yield links[done], moves
                    done, moves = done + 1, []
                moves.append(Move(_CHANGES[change], *rest))
        for link in links[done:]:
            yield link, moves
            moves = []

    async def _parts(self, query: Select[Any]) -> AsyncIterator[Sequence[Any]]:
        """Yield rows, many at once; on PostgreSQL never all of them. SQLite's driver is asked once and has them."""
        if self._conn.dialect.name == "postgresql":
            async with self._conn.stream(query.execution_options(yield_per=_ROWS)) as found:
                async for part in found.partitions():
                    yield part
        else:
            yield (await self._conn.execute(query)).all()


@asynccontextmanager
async def reporting(engine: AsyncEngine, asked: Asked) -> AsyncIterator[SqlReporting]:
    """Begin to read; everything is of the same moment."""
    async with connection(engine) as conn:
        yield SqlReporting(conn, asked)


# --- The statements -------------------------------------------------------------------------------------------


def links_of(asked: Asked) -> Select[Any]:
    """Find the interconnects, in the order of their sites."""
    i, s = interconnects.c, states.c
    query = select(i.account, i.name, i.site, i.watched, s.last_seen_at)
    query = query.join_from(interconnects, states, and_(s.account == i.account, s.name == i.name), isouter=True)
    query = query.where(*asked.of(i.account, i.name))
    return query.order_by(*_IN_ORDER)


def moves_of(period: Period, asked: Asked) -> Select[Any]:
    """Find the transitions in a period with each link's last before and first after; each with the place of its link.

    Places count from 1 in the order of `links_of`. A link's transitions are numbered without gaps: those in the period
    say which number is the last before it, and which the first after. Of a link that has none in it, the last before
    is looked for from the newest backwards.
    """
    t, i = transitions.c, interconnects.c
    within = (t.confirmed_at >= period.from_at, t.confirmed_at < period.until_at, *asked.of(t.account, t.name))
    inside = (
        select(t.account, t.name, (func.min(t.number) - 1).label("low"), (func.max(t.number) + 1).label("high"))
        .where(*within)
        .group_by(t.account, t.name)
        .cte("inside")
    )
    o = transitions.alias("earlier").c
    last = (
        select(o.number)
        .where(o.account == i.account, o.name == i.name, o.confirmed_at < period.from_at)
        .order_by(o.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    links = (
        select(
            *(i.account, i.name),
            func.coalesce(inside.c.low, last, 0).label("low"),
            func.coalesce(inside.c.high, last + 1, 1).label("high"),
            func.row_number().over(order_by=_IN_ORDER).label("place"),
        )
        .join_from(interconnects, inside, and_(inside.c.account == i.account, inside.c.name == i.name), isouter=True)
        .where(*asked.of(i.account, i.name))
        .cte("links")
    )
    its = and_(t.account == links.c.account, t.name == links.c.name)
    moves = (
        select(
            *(links.c.place, t.change, t.before, t.last_seen_before, t.first_seen_at, t.confirmed_at, t.incident),
            t.number,
        ).join_from(transitions, links, and_(its, more))
        for more in (and_(*within), t.number == links.c.low, t.number == links.c.high)
    )
    found = union_all(*moves).subquery("found").c
    return select(*list(found)[:-1]).order_by(found.place, found.number)


_IN_ORDER = (interconnects.c.account, interconnects.c.site.is_(None), interconnects.c.site, interconnects.c.name)


def gaps_of(period: Period, asked: Asked) -> Select[Any]:
    """Find the gaps that lie in a period, wholly or in part."""
    g = gaps.c
    query = select(g.account, g.name, g.from_at, g.until_at)
    return query.where(g.until_at > period.from_at, g.from_at < period.until_at, *asked.of(g.account, g.name))


def incidents_of(period: Period, asked: Asked) -> Select[Any]:
    """Find the incidents that were open in a period; of those opened in it, when the first word of it was accepted."""
    i, n, d = incidents.c, notifications.c, deliveries.c
    of_links = and_(i.kind == IncidentKind.INTERCONNECT, *asked.of(i.account, i.subject))
    of_account = [] if asked.account is None else [i.account == asked.account]
    of_site = [] if asked.site is None else [i.subject == asked.site]
    whole = and_(i.kind == IncidentKind.SITE, *of_account, *of_site)
    sight = and_(i.kind == IncidentKind.BLIND, *of_account)
    these = and_(
        i.opened_at < period.until_at,
        or_(i.closed_at.is_(None), i.closed_at > period.from_at),
        or_(of_links, sight, *([whole] if asked.name is None else [])),
    )
    told = (
        select(n.incident_key, func.min(d.settled_at).label("told_at"))
        .join_from(notifications, deliveries, d.notification == n.id)
        .where(n.recorded_at >= period.from_at, n.incident_key.in_(select(i.key).where(these)))
        .where(n.kind.not_in(_ENDS), d.outcome == Outcome.SENT)
        .group_by(n.incident_key)
        .subquery("told")
    )
    return (
        select(
            *(i.kind, i.account, i.subject, i.number, i.key, i.severity, i.opened_at, i.closed_at),
            told.c.told_at,
        )
        .join_from(incidents, told, told.c.incident_key == i.key, isouter=True)
        .where(these)
    )


Statements = Mapping[str, Select[Any]]


def statements_of(period: Period, asked: Asked) -> Statements:
    """Return what a report asks, by name."""
    return {
        "links": links_of(asked),
        "moves": moves_of(period, asked),
        "gaps": gaps_of(period, asked),
        "incidents": incidents_of(period, asked),
    }
