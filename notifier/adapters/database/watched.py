"""Queries on what is watched and what is believed of it."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ARRAY, FromClause, Table, Text, bindparam, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows
from notifier.adapters.database.tables import UtcDateTime, interconnects, states, views
from notifier.domain.blindness import Extent, View
from notifier.domain.interconnect import Interconnect
from notifier.domain.listing import Known
from notifier.domain.site import Member, Site
from notifier.domain.state import State
from notifier.errors import ConflictError

_MANY = 500  # names in one statement
_SAME_LINK = (states.c.account == interconnects.c.account) & (states.c.name == interconnects.c.name)


class SqlWatched:
    """Keeps `ports.Watched` on either database."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._postgresql = conn.dialect.name == "postgresql"

    async def links(self, account: str) -> dict[str, Interconnect]:
        """Return the watched interconnects by name."""
        found = await self._conn.execute(
            select(interconnects).where(interconnects.c.account == account, interconnects.c.watched)
        )
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
            insert = self._insert(table)
            await self._conn.execute(insert.on_conflict_do_update(**_replacing(insert, table)), values)

    async def states(self, account: str, names: Collection[str]) -> dict[str, State]:
        """Return the stored states by name."""
        query = select(states).where(states.c.account == account, self._named(names))
        # Always in the same order, so that two writers can't wait for each other.
        found = await self._conn.execute(query.order_by(states.c.name).with_for_update())
        return {row.name: rows.to_state(row) for row in found}

    def _named(self, names: Collection[str]) -> Any:
        """Match any number of names with one bound value."""
        if self._postgresql:
            return states.c.name == func.any(bindparam(None, list(names), type_=ARRAY(Text)))
        listed = func.json_each(bindparam(None, json.dumps(list(names)), type_=Text)).table_valued("value")
        return states.c.name.in_(select(listed.c.value))

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
        columns = (states.c.status, states.c.reason, states.c.incident, states.c.candidate)
        for some in _parts(names):
            query = (
                select(interconnects.c.site, interconnects.c.name, *columns)
                .join_from(interconnects, states, _SAME_LINK, isouter=True)
                .where(interconnects.c.account == account, interconnects.c.watched, interconnects.c.site.in_(some))
                .order_by(interconnects.c.name)
            )
            for row in await self._conn.execute(query):
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

    def _insert(self, table: Table) -> Any:
        return postgresql_insert(table) if self._postgresql else sqlite_insert(table)

    async def _save(self, table: Table, values: list[rows.Values]) -> None:
        """Insert or replace, but only what is exactly one version older; all rows in one statement."""
        insert = self._insert(table)
        saving = insert.on_conflict_do_update(
            **_replacing(insert, table), where=table.c.version == insert.excluded.version - 1
        ).returning(table.c.version)
        saved = (await self._conn.execute(saving, values)).all()
        if len(saved) != len(values):
            raise ConflictError(f"{len(values) - len(saved)} of {len(values)} {table.name} changed meanwhile")


def _parts(names: Collection[str]) -> list[list[str]]:
    listed = list(names)
    return [listed[start : start + _MANY] for start in range(0, len(listed), _MANY)]


def _replacing(insert: Any, table: Table) -> dict[str, Any]:
    key = list(table.primary_key)
    rest = {column.name: insert.excluded[column.name] for column in table.c if column not in key}
    return {"index_elements": key, "set_": rest}
