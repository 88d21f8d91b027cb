"""The chain as it is kept: what was entered is sealed; what is too old is removed, and its entries summed up."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import tables
from notifier.adapters.database.entering import entry_of
from notifier.adapters.database.rows import Values, values
from notifier.adapters.database.tables import chain, deliveries, heads, notifications, observations, unsealed
from notifier.adapters.database.upserting import inserting
from notifier.domain.chain import Entry, EntryKind, Head, Run, joined
from notifier.ports import Outcome

REMOVED = "removed"  # the kind of a run
_SEALED_AT_ONCE = 1000
_REMOVED_AT_ONCE = 1000  # observations, and notifications
_MANY = 5000  # values in a statement


def to_entry(row: Any) -> Entry:
    """Read an entry, sealed or not."""
    return Entry(
        account=row.account,
        kind=EntryKind(row.kind),
        row=row.row,
        part=row.part,
        at=row.at,
        about=row.about,
        digest=row.digest,
    )


def to_run(row: Any) -> Run:
    """Read what a run of removed entries has left."""
    return Run(first=row.row, last=row.number, hash=row.hash, counts=row.counts)


def to_head(row: Any) -> Head:
    """Read where a chain ends."""
    return Head(account=row.account, number=row.number, hash=row.hash, lasting=row.lasting, base=row.base)


class SqlChain:
    """Keeps `ports.Chain` on either database.

    Who adds to an account's chain, or takes from it, holds its head. Nothing else does: recording and delivering never
    wait for it.
    """

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._postgresql = conn.dialect.name == "postgresql"

    async def unsealed(self) -> list[str]:
        """Return the accounts of which something is to be sealed."""
        return list(await self._conn.scalars(_ACCOUNTS))

    async def seal(self, account: str) -> bool:
        """Seal what is entered, in the order of its writing, 1000 entries at most; return whether there may be more."""
        head = await self._held(account, wait=False)
        if head is None:
            return False
        found = (await self._conn.execute(_UNSEALED, {"owner": account})).all()
        await self._append(head, [to_entry(row) for row in found])
        for part in _parts([row.id for row in found]):
            await self._conn.execute(delete(unsealed).where(unsealed.c.id.in_(part)))
        return len(found) == _SEALED_AT_ONCE

    async def _held(self, account: str, *, wait: bool) -> Head | None:
        """Hold an account's head until the transaction ends; None if somebody else does and we are not to `wait`."""
        mine = select(heads).where(heads.c.account == account).with_for_update(skip_locked=not wait)
        row = (await self._conn.execute(mine)).one_or_none()
        if row is None:
            making = inserting(heads, postgresql=self._postgresql)
            await self._conn.execute(making.on_conflict_do_nothing(), values(Head(account=account)))
            row = (await self._conn.execute(mine)).one_or_none()
        return None if row is None else to_head(row)

    async def _append(self, head: Head, entries: Collection[Entry]) -> None:
        if not entries:
            return
        sealed: list[Values] = []
        for entry in entries:
            head = head.sealed(entry)
            sealed.append({**values(entry), "number": head.number, "hash": head.hash})
        await self._conn.execute(_SEAL, sealed)
        await self._conn.execute(update(heads).where(heads.c.account == head.account).values(**values(head)))

    async def prune(self, at: datetime, *, deliveries_before: datetime, observations_before: datetime) -> bool:
        """Remove some of what is too old, and say so in the chain; return whether there may be more."""
        o, n, old = observations.c, notifications.c, _old(deliveries_before)
        seen = await self._some(select(o.id, o.account).where(_seen_before(observations_before)).order_by(o.at))
        told = await self._some(select(n.id, n.account).where(old).order_by(n.recorded_at))
        held = [await self._held(account, wait=True) for account in sorted({*seen.values(), *told.values()})]
        sent = (await self._conn.execute(_SENT, {"ids": list(told)})).all()
        gone = {
            EntryKind.OBSERVATION: await self._ids(delete(observations).where(o.id.in_(seen)).returning(o.id)),
            EntryKind.NOTIFICATION: await self._ids(delete(notifications).where(n.id.in_(told), old).returning(n.id)),
        }
        gone[EntryKind.ATTEMPT] = {row.id for row in sent if row.notification in gone[EntryKind.NOTIFICATION]}
        removed = await self._entries(gone)
        before = {"observations_before": observations_before, "deliveries_before": deliveries_before}
        for head in held:
            if head is not None and (entries := removed[head.account]):
                counts = await self._sum_up(head.account, entries)
                told_of = {"account": head.account, "at": at, "removed": counts, **before}
                row = (await self._conn.execute(_RETENTION, told_of)).one()
                await self._append(head, [entry_of(EntryKind.RETENTION, row)])
        for forgetting in (_FORGET_EVENTS, _FORGET_INPUTS):
            await self._conn.execute(forgetting, {"before": observations_before})
        return _REMOVED_AT_ONCE in {len(seen), len(told)}

    async def _some(self, query: Select[int, str]) -> dict[int, str]:
        return {row.id: row.account for row in await self._conn.execute(query.limit(_REMOVED_AT_ONCE))}

    async def _ids(self, removing: Any) -> set[int]:
        return set(await self._conn.scalars(removing))

    async def _entries(self, rows: Mapping[EntryKind, Collection[int]]) -> Mapping[str, list[Row[Any]]]:
        """Return the entries about these rows, by account."""
        found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
        for kind, ids in rows.items():
            for part in _parts(ids):
                for row in await self._conn.execute(select(chain).where(chain.c.kind == kind, chain.c.row.in_(part))):
                    found[row.account].append(row)
        return found

    async def _sum_up(self, account: str, entries: Sequence[Row[Any]]) -> dict[str, int]:
        """Put runs in the place of entries, joined with the runs beside them; return how many there were of a kind."""
        c = chain.c
        singly = [Run(first=row.number, last=row.number, hash=row.hash, counts={row.kind: 1}) for row in entries]
        runs, beside = joined(singly), select(chain).where(c.account == account, c.kind == REMOVED)
        near: dict[int, Run] = {}
        for part in _parts(runs):
            before, after = [run.first - 1 for run in part], [run.last + 1 for run in part]
            for where in (c.number.in_(before), c.row.in_(after)):
                near |= {row.number: to_run(row) for row in await self._conn.execute(beside.where(where))}
        for part in _parts([*near, *(row.number for row in entries)]):
            await self._conn.execute(delete(chain).where(c.account == account, c.number.in_(part)))
        summed = [_from_run(account, run) for run in joined([*runs, *near.values()])]
        await self._conn.execute(insert(chain), summed)
        return dict(Counter(row.kind for row in entries))


def _from_run(account: str, run: Run) -> Values:
    counts = dict(sorted(run.counts.items()))
    return {"account": account, "number": run.last, "kind": REMOVED, "row": run.first, "hash": run.hash} | {
        "counts": counts
    }


def _parts(items: Collection[Any]) -> list[list[Any]]:
    """Cut what is named in a statement into pieces that every database takes."""
    listed = list(items)
    return [listed[start : start + _MANY] for start in range(0, len(listed), _MANY)]


def _seen_before(moment: datetime) -> ColumnElement[bool]:
    o, u = observations.c, unsealed.c
    return and_(o.at < moment, o.id.not_in(select(u.row).where(u.kind == EntryKind.OBSERVATION)))


def _old(before: datetime) -> ColumnElement[bool]:
    """Whether a notification is told, and long ago.

    Words that may still be said stay: those of how a subject stands, and those that a channel was last told. So does
    what is not sealed yet.
    """
    d, n, u = deliveries.c, notifications.c, unsealed.c
    settled_late = func.coalesce(d.settled_at, n.recorded_at) >= before
    unsettled = exists().where(d.notification == n.id, or_(d.outcome == Outcome.PENDING, settled_late))
    spoken = select(tables.conditions.c.notification).union_all(select(tables.told.c.notification))
    words = select(u.row).where(u.kind == EntryKind.NOTIFICATION)
    tried = select(d.notification).join(unsealed, and_(u.row == d.id, u.kind == EntryKind.ATTEMPT))
    return and_(n.recorded_at < before, ~unsettled, n.id.not_in(spoken), n.id.not_in(words), n.id.not_in(tried))


# Put together once: that takes longer than to run them.

_ACCOUNTS = select(unsealed.c.account).distinct().order_by(unsealed.c.account)
_UNSEALED = (
    select(unsealed).where(unsealed.c.account == bindparam("owner")).order_by(unsealed.c.id).limit(_SEALED_AT_ONCE)
)
_SEAL = insert(chain)
_SENT = select(deliveries.c.id, deliveries.c.notification).where(
    deliveries.c.notification.in_(bindparam("ids", expanding=True))
)
_RETENTION = insert(tables.retentions).returning(tables.retentions)
_FORGET_EVENTS = delete(tables.events).where(
    tables.events.c.at < bindparam("before"),
    # The newest stays: from it SQLite knows which numbers it has given.
    tables.events.c.id < select(func.max(tables.events.c.id)).scalar_subquery(),
)


def _forget_inputs() -> Any:
    """What was listed last before then stays: it says what was there."""
    i = tables.inputs.c
    newest = select(func.max(i.id)).where(i.at < bindparam("before")).group_by(i.account, i.kind)
    return delete(tables.inputs).where(i.at < bindparam("before"), i.id.not_in(newest))


_FORGET_INPUTS = _forget_inputs()
