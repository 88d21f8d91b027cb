"""All that is recorded of one incident, with where it stands in the chain."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.chain import REMOVED
from notifier.adapters.database.tables import (
    acts,
    attempts,
    chain,
    deliveries,
    gaps,
    incidents,
    interconnects,
    notifications,
    observations,
    transitions,
)
from notifier.domain.chain import REMOVABLE, START, EntryKind
from notifier.domain.incident import IncidentKind
from notifier.errors import NotPossibleError, NotThereError

_BEFORE = timedelta(minutes=10)  # of an incident of which no transition says since when it may have been
_OFFERED = 10  # incidents to choose from
_AT_MOST = 10_000  # rows of a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row of the record, and its place in the chain: None where it has none, or none yet."""

    kind: EntryKind
    row: Mapping[str, Any]
    place: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An incident with all that was seen and recorded from its beginning (`since`) to its end, or to now (`until`).

    `links` are those that it is about, `beside` the others of their sites; `before` says what each of all these was
    when it began, where that is known. `seen` is what was recorded of them, `told` what was told of the incident and
    what operators did about it: kind by kind, each in the order of time. Of a kind that was `cut` there are more: only
    so many, the first, are here.
    """

    incident: Row[Any]
    links: Sequence[Row[Any]]
    beside: Sequence[Row[Any]]
    since: datetime
    until: datetime
    before: Mapping[str, str]
    seen: Sequence[Kept]
    told: Sequence[Kept]
    cut: Mapping[EntryKind, int]


class Gathering:
    """Gathers evidence within one transaction."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._cut: dict[EntryKind, int] = {}

    async def of(self, named: str, ids: Mapping[str, str], now: datetime) -> Evidence:
        """Gather all of an incident, named by its key or by what it is about; `ids` are account ids by name.

        Raises:
            NotThereError, NotPossibleError: There is no such incident, or several.
        """
        incident = await self._choose(named, ids)
        links = await self._links(incident)
        names = {link.name for link in links}
        until = incident.closed_at or max(now, incident.opened_at)
        t = transitions.c
        looks = select(func.min(t.last_seen_before).label("first"), func.max(t.confirmed_at).label("last")).where(
            t.account == incident.account,
            t.name.in_(names),
            t.confirmed_at >= incident.opened_at,
            t.first_seen_at <= until,
        )
        look = (await self._conn.execute(looks)).one()
        since = min(look.first or until, incident.opened_at - _BEFORE)
        confirmed = max(look.last or until, until)  # that it is over is known only afterwards
        sites = {link.site for link in links} - {None}
        i = interconnects.c
        others = select(interconnects).where(i.account == incident.account, i.site.in_(sites), i.name.not_in(names))
        beside = (await self._conn.execute(others.order_by(i.name))).all()
        everything = names | {link.name for link in beside}
        return Evidence(
            incident=incident,
            links=links,
            beside=beside,
            since=since,
            until=until,
            before=await self._before(incident.account, everything, incident.opened_at),
            seen=await self._seen(incident.account, everything, since, confirmed),
            told=await self._told(incident),
            cut=self._cut,
        )

    async def _choose(self, named: str, ids: Mapping[str, str]) -> Row[Any]:
        i = incidents.c
        by_key = (await self._conn.execute(select(incidents).where(i.key == named))).one_or_none()
        if by_key is not None:
            return by_key
        about = select(incidents).where(i.subject.in_({named, ids.get(named, named)}))
        newest = about.order_by(i.closed_at.is_not(None), i.opened_at.desc(), i.id.desc()).limit(_OFFERED)
        found = (await self._conn.execute(newest)).all()
        if not found:
            raise NotThereError(f"no incident {named}; notifier incidents shows them")
        if len(found) > 1 and (found[0].closed_at is not None or found[1].closed_at is None):
            listed = [f"  {row.key}, {row.opened_at:%Y-%m-%d %H:%M:%SZ}" for row in found]
            raise NotPossibleError("\n".join([f"several incidents are about {named}; choose one by its key:", *listed]))
        return found[0]

    async def _links(self, incident: Row[Any]) -> Sequence[Row[Any]]:
        i = interconnects.c
        which: ColumnElement[bool]
        match incident.kind:
            case IncidentKind.INTERCONNECT:
                which = i.name == incident.subject
            case IncidentKind.SITE:
                which = i.site == incident.subject
            case IncidentKind.BLIND:
                o = observations.c
                unseen = select(o.name).where(o.account == incident.account, o.status.is_(None))
                period = (o.at >= incident.opened_at - _BEFORE, o.at <= (incident.closed_at or o.at))
                which = i.name.in_(unseen.where(*period))
            case _:
                raise NotPossibleError(f"{incident.key} is about no interconnect: there is nothing to show Cloudflare")
        mine = select(interconnects).where(i.account == incident.account, which)
        return (await self._conn.execute(mine.order_by(i.site, i.name))).all()

    async def _before(self, account: str, names: Collection[str], at: datetime) -> dict[str, str]:
        t = transitions.c
        newest = (
            select(t.name, func.max(t.number).label("number"))
            .where(t.account == account, t.name.in_(names), t.first_seen_at <= at)
            .group_by(t.name)
            .subquery()
        )
        same = and_(t.account == account, t.name == newest.c.name, t.number == newest.c.number)
        return {row.name: row.after for row in await self._conn.execute(select(t.name, t.after).join(newest, same))}

    async def _seen(self, account: str, names: Collection[str], since: datetime, until: datetime) -> list[Kept]:
        o, t, g = observations.c, transitions.c, gaps.c
        queries = {
            EntryKind.OBSERVATION: select(observations)
            .where(o.account == account, o.name.in_(names), o.at >= since, o.at <= until)
            .order_by(o.at, o.id),
            EntryKind.TRANSITION: select(transitions)
            .where(t.account == account, t.name.in_(names), t.confirmed_at >= since, t.confirmed_at <= until)
            .order_by(t.confirmed_at, t.id),
            EntryKind.GAP: select(gaps)
            .where(g.account == account, g.name.in_(names), g.until_at >= since, g.from_at <= until)
            .order_by(g.until_at, g.id),
        }
        return [kept for kind, query in queries.items() for kept in await self._kept(kind, query)]

    async def _told(self, incident: Row[Any]) -> list[Kept]:
        n, d, a = notifications.c, deliveries.c, attempts.c
        about = select(n.id).where(n.incident_key == incident.key)
        tried = select(d.id).where(d.notification.in_(about))
        queries = {
            EntryKind.NOTIFICATION: select(notifications).where(n.incident_key == incident.key).order_by(n.id),
            EntryKind.ATTEMPT: select(attempts)
            .where(a.delivery.in_(tried))
            .order_by(a.started_at, a.delivery, a.number),
            EntryKind.ACT: select(acts).where(acts.c.target == incident.key).order_by(acts.c.id),
        }
        return [kept for kind, query in queries.items() for kept in await self._kept(kind, query)]

    async def _kept(self, kind: EntryKind, query: Any) -> list[Kept]:
        rows = (await self._conn.execute(query.limit(_AT_MOST + 1))).mappings().all()
        if len(rows) > _AT_MOST:
            rows, self._cut[kind] = rows[:_AT_MOST], _AT_MOST
        id_ = "delivery" if kind is EntryKind.ATTEMPT else "id"
        part = "number" if kind is EntryKind.ATTEMPT else None
        places = await self._places(kind, {row[id_] for row in rows})
        return [
            Kept(kind=kind, row=dict(row), place=places.get((row[id_], None if part is None else row[part])))
            for row in rows
        ]

    async def _places(self, kind: EntryKind, ids: Collection[int]) -> dict[tuple[int, int | None], dict[str, Any]]:
        c = chain.c
        found: defaultdict[tuple[int, int | None], dict[str, Any]] = defaultdict(dict)
        for entry in await self._conn.execute(select(chain).where(c.kind == kind, c.row.in_(ids))):
            mine = c.account == entry.account
            previous = select(c.hash).where(mine, c.number == entry.number - 1)
            lasting = c.kind.not_in([*REMOVABLE, REMOVED])
            base = select(c.hash).where(mine, c.number < entry.number, lasting).order_by(c.number.desc()).limit(1)
            found[entry.row, entry.part] = {
                "previous": (await self._conn.scalar(previous) or START).hex(),
                "base": (await self._conn.scalar(base) or START).hex(),
                "number": entry.number,
                "account": entry.account,
                "kind": entry.kind,
                "row": entry.row,
                "part": entry.part,
                "at": entry.at,
                "about": entry.about,
                "digest": entry.digest.hex(),
                "hash": entry.hash.hex(),
            }
        return found
