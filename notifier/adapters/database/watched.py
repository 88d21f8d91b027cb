"""Queries on what is watched and what is believed of it."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, Table, Text, bindparam, cast, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows
from notifier.adapters.database.tables import UtcDateTime, interconnects, states, views
from notifier.adapters.database.upserting import replacing
from notifier.domain.blindness import Extent, View
from notifier.domain.interconnect import Interconnect
from notifier.domain.listing import Known
from notifier.domain.site import Member, Site
from notifier.domain.state import State
from notifier.errors import ConflictError

_SAME_LINK = (states.c.account == interconnects.c.account) & (states.c.name == interconnects.c.name)


class SqlWatched:
    """Keeps `ports.Watched` on either database."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._postgresql = conn.dialect.name == "postgresql"

    async def links(self, account: str, names: Collection[str] | None = None) -> dict[str, Interconnect]:
        """Return the watched interconnects by name: these, or all."""
        values: rows.Values = {"account": account}
        if names is not None:
            values["names"] = self._list(names)
        found = await self._conn.execute(_links(postgresql=self._postgresql, named=names is not None), values)
        return {row.name: rows.to_link(row) for row in found}

    async def enrolled(self, account: str) -> dict[str, Known]:
        """Return every interconnect that was ever watched, by name."""
        found = await self._conn.execute(select(interconnects).where(interconnects.c.account == account))
        return {row.name: Known(link=rows.to_link(row), missing=row.missing, watched=row.watched) for row in found}

    async def save_links(
        self,
        account: str,
        links: Collection[Interconnect],
        at: datetime,
        missing: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Write which links to watch."""
        table = interconnects
        await self._conn.execute(update(table).where(table.c.account == account).values(watched=False))
        values = [
            rows.from_link(link) | {"watched": True, "listed_at": at, "missing": missing.get(link.name, 0)}
            for link in links
        ]
        if values:
            await self._conn.execute(replacing(table, postgresql=self._postgresql), values)

    async def states(self, account: str, names: Collection[str]) -> dict[str, State]:
        """Return the stored states by name."""
        values = {"account": account, "names": self._list(names)}
        found = await self._conn.execute(_states(postgresql=self._postgresql), values)
        return {row.name: rows.to_state(row) for row in found}

    def _list(self, names: Collection[str]) -> list[str] | str:
        """Make the one bound value that `_named` takes."""
        return list(names) if self._postgresql else json.dumps(list(names))

    async def save_states(self, changed: Collection[State]) -> None:
        """Write states, each as version + 1; ConflictError if one was saved meanwhile."""
        if changed:
            await self._save(states, [rows.from_state(state) for state in changed])

    async def mark_seen(self, account: str, seen: Mapping[str, datetime]) -> None:
        """Move forward when each link was last seen, all in one statement."""
        if not seen:
            return
        marks = self._marks(seen)
        await self._conn.execute(
            update(states)
            .where(states.c.account == account, states.c.name == marks.c.name, states.c.last_seen_at < marks.c.at)
            .values(last_seen_at=marks.c.at)
        )

    def _marks(self, seen: Mapping[str, datetime]) -> FromClause:
        """Make a table of names and moments out of one or two bound values."""
        if self._postgresql:
            names = bindparam(None, list(seen), type_=ARRAY(Text))
            moments = bindparam(None, list(seen.values()), type_=ARRAY(UtcDateTime))
            return func.unnest(names, moments).table_valued("name", "at").render_derived()
        # As SQLAlchemy writes moments on SQLite, so that they compare as text.
        written = {name: at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") for name, at in seen.items()}
        each = func.json_each(bindparam(None, json.dumps(written), type_=Text)).table_valued("key", "value")
        # Materialized, SQLite makes an index for it; else it reads the whole document once for every row.
        return select(each.c.key.label("name"), each.c.value.label("at")).cte().prefix_with("MATERIALIZED")

    async def view(self, account: str) -> View:
        """Return what can be seen of the account."""
        query = select(views).where(views.c.account == account).with_for_update()
        row = (await self._conn.execute(query)).one_or_none()
        return View(account=account) if row is None else rows.to_view(row)

    async def save_view(self, view: View) -> None:
        """Write it as version + 1; ConflictError if it was saved meanwhile."""
        await self._save(views, [rows.from_view(view)])

    async def extent(self, account: str) -> Extent:
        """Return how much of the account's watched links can't be seen."""
        query = (
            select(states.c.name, states.c.cause, states.c.blind, states.c.failed_polls)
            .join_from(
                interconnects,
                states,
                _SAME_LINK,
                isouter=True,
            )
            .where(interconnects.c.account == account, interconnects.c.watched)
            .order_by(interconnects.c.name)
        )
        found = (await self._conn.execute(query)).all()
        causes = ((row.name, rows.to_cause(row.cause)) for row in found if row.blind)
        return Extent(
            blind=tuple((name, cause) for name, cause in causes if cause is not None),
            failing=sum(1 for row in found if row.blind or row.failed_polls),
            watched=len(found),
        )

    async def changed(self, account: str, since: datetime) -> list[tuple[str, str, bool]]:
        """Return the watched links that changed since then, or have a candidate."""
        query = (
            select(states.c.name, states.c.status, states.c.since, states.c.candidate)
            .join(interconnects, _SAME_LINK)
            .where(states.c.account == account, interconnects.c.watched)
            .where(or_(cast(states.c.candidate, Text).is_not(None), states.c.since > since))
            .order_by(states.c.name)
        )
        found = await self._conn.execute(query)
        return [
            (row.name, row.candidate["status"], False) if row.candidate else (row.name, row.status, True)
            for row in found
        ]

    async def sites(self, account: str, names: Collection[str]) -> dict[str, Site]:
        """Return sites of the account with their watched links."""
        members: dict[str, list[Member]] = {name: [] for name in names}
        values = {"account": account, "names": self._list(names)}
        for row in await self._conn.execute(_members(postgresql=self._postgresql), values):
            members[row.site].append(rows.to_member(row))
        return {name: Site(account=account, name=name, members=tuple(found)) for name, found in members.items()}

    async def flapping(self, account: str) -> list[State]:
        """Return the states of the links that flap."""
        query = select(states).where(states.c.account == account, states.c.flapping).order_by(states.c.name)
        return [rows.to_state(row) for row in await self._conn.execute(query.with_for_update())]

    async def accounts(self) -> set[str]:
        """Return the accounts of which anything is watched or blind."""
        seen = await self._conn.execute(select(interconnects.c.account).distinct().where(interconnects.c.watched))
        blind = await self._conn.execute(select(views.c.account).where(views.c.incident.is_not(None)))
        return {row.account for row in (*seen, *blind)}

    async def _save(self, table: Table, values: list[rows.Values]) -> None:
        """Insert or replace, but only what is exactly one version older; all rows in one statement."""
        saved = (await self._conn.execute(_saving(table, postgresql=self._postgresql), values)).all()
        if len(saved) != len(values):
            raise ConflictError(f"{len(values) - len(saved)} of {len(values)} {table.name} changed meanwhile")


# Put together once: that takes longer than to run them.


@cache
def _links(*, postgresql: bool, named: bool) -> Select[Any]:
    i = interconnects
    links = select(i).where(i.c.account == bindparam("account"), i.c.watched)
    return links.where(_named(i.c.name, postgresql=postgresql)) if named else links


@cache
def _states(*, postgresql: bool) -> Select[Any]:
    named = _named(states.c.name, postgresql=postgresql)
    query = select(states).where(states.c.account == bindparam("account"), named)
    # Always in the same order, so that two writers can't wait for each other.
    return query.order_by(states.c.name).with_for_update()


@cache
def _members(*, postgresql: bool) -> Select[Any]:
    i, s = interconnects, states
    return (
        select(i.c.site, i.c.name, s.c.status, s.c.reason, s.c.incident, s.c.candidate)
        .join_from(i, s, _SAME_LINK, isouter=True)
        .where(i.c.account == bindparam("account"), i.c.watched, _named(i.c.site, postgresql=postgresql))
        .order_by(i.c.name)
    )


@cache
def _saving(table: Table, *, postgresql: bool) -> Any:
    newer = replacing(table, postgresql=postgresql, only=lambda new: table.c.version == new.version - 1)
    return newer.returning(table.c.version)


def _named(column: ColumnElement[Any], *, postgresql: bool) -> ColumnElement[bool]:
    """Match any number of `names` with one bound value."""
    if postgresql:
        return column == func.any(bindparam("names", type_=ARRAY(Text)))
    listed = func.json_each(bindparam("names", type_=Text)).table_valued("value")
    return column.in_(select(listed.c.value))
