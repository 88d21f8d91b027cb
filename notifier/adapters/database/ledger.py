"""Queries on how subjects stand and who was told what (R18-R25)."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows, tables
from notifier.adapters.database.entering import Entering
from notifier.adapters.database.journal import Journal
from notifier.adapters.database.upserting import replacing
from notifier.domain.chain import EntryKind
from notifier.domain.condition import Condition
from notifier.domain.incident import NOBODYS, Acknowledgement, Subject, key_of
from notifier.domain.suppression import Silence
from notifier.domain.telling import Told
from notifier.ports import Configured

_MANY = 200  # subjects named in one statement
_SUBJECT = ("kind", "account", "subject")


class SqlLedger:
    """Keeps `ports.Ledger` on either database."""

    def __init__(self, conn: AsyncConnection, journal: Journal, entering: Entering) -> None:
        self._conn = conn
        self._journal = journal
        self._entering = entering
        self._postgresql = conn.dialect.name == "postgresql"

    async def lock(self, *accounts: str) -> None:
        """Be alone in judging the accounts' subjects; SQLite has one writer anyway."""
        if not self._postgresql:
            return
        for account in sorted(set(accounts)):
            digest = hashlib.sha256(f"notifier/{account}".encode()).digest()
            key = int.from_bytes(digest[:8], signed=True)
            await self._conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    async def lock_all(self) -> None:
        """Be alone in judging anything."""
        if self._postgresql:
            known = select(tables.interconnects.c.account).union(select(tables.conditions.c.account))
            await self.lock(NOBODYS, *(await self._conn.execute(known)).scalars())

    async def accounts(self) -> set[str]:
        """Return the accounts of whose subjects anything is known."""
        return set((await self._conn.execute(select(tables.conditions.c.account).distinct())).scalars())

    async def conditions(self, account: str, subjects: Collection[Subject], sites: Collection[str]) -> list[Condition]:
        """Return the conditions of these subjects, and of every subject at these sites."""
        found: dict[Subject, Condition] = {}
        wanted = [(_AT_SITES, part) for part in _parts(sites)]
        wanted += [(_CONDITIONS, part) for part in _parts([_key(subject) for subject in subjects])]
        for statement, these in wanted:
            for row in await self._conn.execute(statement, {"owner": account, "these": these}):
                condition = rows.to_condition(row)
                found[condition.subject] = condition
        return list(found.values())

    async def save_conditions(self, conditions: Collection[Condition]) -> None:
        """Write conditions."""
        await self._replace(tables.conditions, [rows.from_condition(condition) for condition in conditions])

    async def unsettled(self, account: str) -> list[Subject]:
        """Return the account's subjects with an open incident, or with something kept back."""
        c, t = tables.conditions, tables.told
        kept = exists().where(_same(t, c), or_(t.c.kept.is_not(None), t.c.incident.is_not(None)))
        query = select(c).where(c.c.account == account, or_(c.c.incident.is_not(None), kept))
        return [rows.to_subject(row) for row in await self._conn.execute(query)]

    async def told(self, account: str, subjects: Collection[Subject]) -> list[Told]:
        """Return what the channels know of these subjects."""
        found: list[Told] = []
        for part in _parts([_key(subject) for subject in subjects]):
            told = await self._conn.execute(_TOLD, {"owner": account, "these": part})
            found += [rows.to_told(row) for row in told]
        return found

    async def told_by(self, notification: int, channel: str) -> Told | None:
        """Return what a channel knows, if a notification is the last it was told of that subject."""
        t = tables.told
        found = await self._conn.execute(select(t).where(t.c.notification == notification, t.c.channel == channel))
        row = found.first()
        return None if row is None else rows.to_told(row)

    async def save_told(self, told: Collection[Told]) -> None:
        """Write what channels know."""
        await self._replace(tables.told, [rows.from_told(each) for each in told])

    async def due(self, now: datetime) -> list[Subject]:
        """Return the subjects of which something is to be looked at again."""
        return [rows.to_subject(row) for row in await self._conn.execute(_DUE, {"now": now})]

    async def look_again(self, now: datetime, *, channel: str | None = None, subject: Subject | None = None) -> None:
        """Have everything that is kept back looked at again."""
        t = tables.told
        kept: list[ColumnElement[bool]] = [t.c.kept.is_not(None)]
        if channel is not None:
            kept.append(t.c.channel == channel)
        if subject is not None:
            kept += [t.c[name] == part for name, part in zip(_SUBJECT, _key(subject), strict=True)]
        # Whoever asks may have a clock ahead of the service's: nothing is put off by it.
        sooner = case((t.c.look_at < now, t.c.look_at), else_=now)
        await self._conn.execute(update(t).where(*kept).values(look_at=sooner))

    async def bring_back(self, account: str, now: datetime, *, remind: timedelta) -> None:
        """Bring back to `now` what lies in the future."""
        c, i, t, latest = tables.conditions, tables.incidents, tables.told, now + remind
        await self._conn.execute(
            update(i).where(i.c.account == account, i.c.closed_at.is_(None), i.c.opened_at > now).values(opened_at=now)
        )
        await self._conn.execute(update(c).where(c.c.account == account, c.c.changed_at > now).values(changed_at=now))
        await self._conn.execute(
            update(t).where(t.c.account == account, t.c.remind_at > latest).values(remind_at=latest)
        )

    async def reminders(self, now: datetime) -> list[Subject]:
        """Return the subjects of which somebody is to be reminded."""
        return [rows.to_subject(row) for row in await self._conn.execute(_REMINDERS, {"now": now})]

    async def silences(self, at: datetime) -> list[Silence]:
        """Return the silences that hold at a moment."""
        return [rows.to_silence(row) for row in await self._conn.execute(_SILENCES, {"at": at})]

    async def add_silence(self, silence: Silence) -> int:
        """Write a silence; return its id."""
        s = tables.silences
        written = await self._conn.execute(insert(s).values(rows.from_silence(silence)).returning(s.c.id))
        return int(written.scalar_one())

    async def end_silence(self, number: int, at: datetime) -> bool:
        """End a silence early."""
        s = tables.silences
        ended = await self._conn.execute(update(s).where(s.c.id == number, s.c.until_at > at).values(until_at=at))
        return bool(ended.rowcount)

    async def acknowledge(self, key: str, acknowledgement: Acknowledgement | None) -> bool:
        """Acknowledge an open incident, or take that back."""
        i, a = tables.incidents, acknowledgement
        values = {
            "acknowledged_by": a and a.by,
            "acknowledged_at": a and a.at,
            "acknowledged_until": a and a.until,
            "sticky": a is not None and a.sticky,
        }
        mine = update(i).where(i.c.key == key, i.c.closed_at.is_(None)).values(values).returning(i)
        row = (await self._conn.execute(mine)).one_or_none()
        if row is not None and a is not None:
            self._journal.incident(a.at, row, "acknowledged", by=a.by, until=a.until)
        return row is not None

    async def lapse(self, keys: Collection[str]) -> None:
        """End acknowledgements that are not sticky."""
        i = tables.incidents
        none = {"acknowledged_by": None, "acknowledged_at": None, "acknowledged_until": None}
        for part in _parts(keys):
            await self._conn.execute(update(i).where(i.c.key.in_(part), ~i.c.sticky).values(none))

    async def act(
        self,
        *,
        at: datetime,
        by: str,
        act: str,
        target: str,
        comment: str,
        given: Acknowledgement | Silence | None = None,
    ) -> None:
        """Keep what an operator did."""
        values = {"at": at, "done_by": by, "act": act, "target": target, "comment": comment, "given": _terms(given)}
        self._entering.note(EntryKind.ACT, await self._conn.execute(_ACT, values))
        self._journal.note("act", at, NOBODYS, target, by=by, act=act, comment=comment)

    async def explain(self, verdicts: Collection[tuple[int, str, str]], at: datetime) -> None:
        """Keep why a notification was not promised to a channel."""
        values = [{"notification": n, "channel": channel, "why": why, "at": at} for n, channel, why in verdicts]
        await self._replace(tables.verdicts, values)

    async def channels(self) -> dict[str, Configured]:
        """Return the channels as last configured."""
        return {
            row.name: Configured(fingerprint=row.fingerprint, stateful=row.stateful)
            for row in await self._conn.execute(select(tables.channels))
        }

    async def save_channels(self, channels: Mapping[str, Configured], at: datetime) -> None:
        """Write the channels that are configured; one that was known already stays so since then."""
        c, known = tables.channels, await self.channels()
        await self._conn.execute(delete(c).where(c.c.name.not_in([n for n in channels if channels[n] == known.get(n)])))
        values = [
            {"name": name, "since": at, **asdict(each)} for name, each in channels.items() if each != known.get(name)
        ]
        if values:
            await self._conn.execute(insert(c), values)

    async def rename_channel(self, old: str, new: str) -> None:
        """Give what a channel knows to another name."""
        t, its = tables.told, tables.told.alias()
        same = exists().where(its.c.channel == old, *(its.c[name] == t.c[name] for name in _SUBJECT))
        await self._conn.execute(delete(t).where(t.c.channel == new, t.c.channel != old, same))
        await self._conn.execute(update(t).where(t.c.channel == old).values(channel=new))

    async def held_open(self, channel: str) -> list[str]:
        """Return the keys of the incidents that a stateful channel counts as told of."""
        t = tables.told
        query = select(t).where(t.c.channel == channel, t.c.incident.is_not(None)).order_by(t.c.told_at)
        found = [rows.to_told(row) for row in await self._conn.execute(query)]
        return [key_of(told.subject, told.incident) for told in found if told.incident is not None]

    async def _replace(self, table: Table, values: list[rows.Values]) -> None:
        if values:
            await self._conn.execute(replacing(table, postgresql=self._postgresql), values)


def _parts(items: Collection[Any]) -> list[list[Any]]:
    """Cut what is named in a statement into pieces that every database takes."""
    listed = list(items)
    return [listed[start : start + _MANY] for start in range(0, len(listed), _MANY)]


def _terms(given: Acknowledgement | Silence | None) -> dict[str, Any] | None:
    match given:
        case Acknowledgement():
            return {"until": given.until and given.until.isoformat(), "sticky": given.sticky}
        case Silence():
            return {"until": given.until_at.isoformat()}  # the silence's own changes when it is ended early
        case None:
            return None


def _key(subject: Subject) -> tuple[str, str, str]:
    return subject.kind, subject.account, subject.name


def _same(one: Table, other: Table) -> ColumnElement[bool]:
    return and_(*(one.c[name] == other.c[name] for name in _SUBJECT))


# Put together once: that takes longer than to run them.


def _of_subjects(table: Table) -> Select[Any]:
    subject = tuple_(*(table.c[name] for name in _SUBJECT))
    return select(table).where(table.c.account == bindparam("owner"), subject.in_(_THESE))


_THESE: BindParameter[Any] = bindparam("these", expanding=True)
_AT_SITES = select(tables.conditions).where(
    tables.conditions.c.account == bindparam("owner"), tables.conditions.c.site.in_(_THESE)
)
_CONDITIONS = _of_subjects(tables.conditions)
_TOLD = _of_subjects(tables.told)
_NAMES = select(*(tables.told.c[name] for name in _SUBJECT)).distinct()
_DUE = _NAMES.where(tables.told.c.look_at <= bindparam("now"))
_REMINDERS = _NAMES.where(tables.told.c.remind_at <= bindparam("now"))
_ACT = insert(tables.acts).returning(tables.acts)
_SILENCES = (
    select(tables.silences)
    .where(tables.silences.c.from_at <= bindparam("at"), tables.silences.c.until_at > bindparam("at"))
    .order_by(tables.silences.c.id)
)
