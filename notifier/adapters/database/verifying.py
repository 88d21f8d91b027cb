"""Walks the chain over the rows themselves, piece by piece: what it takes does not grow with what is kept."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, exists, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import tables
from notifier.adapters.database.chain import REMOVED, to_entry, to_head, to_run
from notifier.adapters.database.tables import chain, heads, transitions, unsealed
from notifier.domain.chain import EntryKind, Walk

EACH = 500  # entries at once

ROWS: dict[EntryKind, Table] = {
    EntryKind.OBSERVATION: tables.observations,
    EntryKind.TRANSITION: tables.transitions,
    EntryKind.GAP: tables.gaps,
    EntryKind.NOTIFICATION: tables.notifications,
    EntryKind.ATTEMPT: tables.attempts,
    EntryKind.ACT: tables.acts,
    EntryKind.RETENTION: tables.retentions,
}

_Place = tuple[str, int, int | None]  # which row: kind, id and part


class Verifying:
    """Verifies chains within one transaction, which sees one moment."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    async def accounts(self) -> list[str]:
        """Return the accounts of which anything is recorded in a chain."""
        return sorted(await self._conn.scalars(_ACCOUNTS))

    async def walk(self, account: str, noted: Collection[bytes] = ()) -> Walk:
        """Verify an account's chain from its beginning; `noted` are hashes that have to be in it."""
        walk = Walk(account, noted)
        async for entries, rows in self._pieces(_SEALED, account):
            for each in entries:
                if each.kind == REMOVED:
                    walk.run(to_run(each))
                else:
                    walk.entry(each.number, to_entry(each), each.hash, rows.get(_place(each)))
        async for entries, rows in self._pieces(_UNSEALED, account):
            for each in entries:
                walk.waiting(to_entry(each), rows.get(_place(each)))
        head = (await self._conn.execute(_HEAD, {"owner": account})).one_or_none()
        walk.end(None if head is None else to_head(head))
        if (after := (await self._conn.execute(_MISSING, {"owner": account})).one_or_none()) is not None:
            walk.missing(after.name, after.number - 1)
        return walk

    async def _pieces(
        self, query: Select[Any], account: str
    ) -> AsyncIterator[tuple[Sequence[Row[Any]], Mapping[_Place, Mapping[str, Any]]]]:
        """Yield entries in their order, some at a time, each time with the rows that they are about."""
        place = -1
        while found := (await self._conn.execute(query, {"owner": account, "place": place})).all():
            yield found, await rows_of(self._conn, found)
            place = found[-1].place


async def rows_of(conn: AsyncConnection, entries: Collection[Any]) -> dict[_Place, Mapping[str, Any]]:
    """Return the rows that entries are about, where they are still there."""
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for each in entries:
        if each.kind != REMOVED:
            wanted[each.kind].add(each.row)
    found: dict[_Place, Mapping[str, Any]] = {}
    for kind, ids in wanted.items():
        for row in (await conn.execute(_THESE[EntryKind(kind)], {"ids": list(ids)})).mappings():
            attempt = kind == EntryKind.ATTEMPT
            found[(kind, row["delivery"], row["number"]) if attempt else (kind, row["id"], None)] = row
    return found


def _place(entry: Any) -> _Place:
    return entry.kind, entry.row, entry.part


def _these(table: Table) -> Select[Any]:
    id_ = table.c.delivery if table is tables.attempts else table.c.id
    return select(table).where(id_.in_(bindparam("ids", expanding=True)))


def _following(table: Table, place: Any) -> Select[Any]:
    after = place > bindparam("place")
    return (
        select(table, place.label("place"))
        .where(table.c.account == bindparam("owner"), after)
        .order_by(place)
        .limit(EACH)
    )


def _missing() -> Select[Any]:
    """A transition whose number follows on none; in the order of an index."""
    t, before = transitions.c, transitions.alias().c
    preceded = exists().where(before.account == t.account, before.name == t.name, before.number == t.number - 1)
    mine = select(t.name, t.number).where(t.account == bindparam("owner"), t.number > 1, ~preceded)
    return mine.order_by(t.name, t.number).limit(1)


_ACCOUNTS = union(select(heads.c.account), select(unsealed.c.account))
_HEAD = select(heads).where(heads.c.account == bindparam("owner"))
_SEALED = _following(chain, chain.c.number)
_UNSEALED = _following(unsealed, unsealed.c.id)
_MISSING = _missing()
_THESE = {kind: _these(table) for kind, table in ROWS.items()}
