"""Queries on which replica watches which account (R29); PostgreSQL's alone: SQLite has one process."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import schema
from notifier.adapters.database.bounds import FROZEN_MS
from notifier.adapters.database.moment import Moment
from notifier.adapters.database.tables import HEAD, leases, replicas
from notifier.adapters.database.upserting import inserting
from notifier.ports import Configured, Replica, Roster

_FORGOTTEN = timedelta(hours=1)
_LONGEST = timedelta(minutes=5)  # a lease can be set to

# PostgreSQL's own time limits don't run between a statement's preparation and its execution. Whoever freezes there
# would hold its locks until it wakes; another replica ends it, as the server does with those that freeze elsewhere.
_END_FROZEN = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    AND state = 'active' AND wait_event = 'ClientRead' AND query NOT ILIKE 'COPY%'
    AND state_change < clock_timestamp() - make_interval(secs => :longest)
""")


class SqlLeases:
    """Keeps `ports.Leases`.

    Nobody waits here for a process that froze within a transaction: each writes what is its own, and passes over
    what another is just writing.
    """

    def __init__(self, conn: AsyncConnection, moment: Moment, release: str = HEAD) -> None:
        """`release` is the schema that this program was made for."""
        self._conn = conn
        self._moment = moment
        self._release = release

    async def sign_in(self, replica: Replica, span: timedelta) -> Roster:
        """Write that a replica lives, and return who else does."""
        now = await self._moment(self._conn)
        await self._bring_back(now, span)
        await self._conn.execute(_END_FROZEN, {"longest": FROZEN_MS / 1000})
        row = {
            "name": replica.name,
            "schema": self._release,
            "accounts": dict(replica.accounts),
            "channels": {name: asdict(channel) for name, channel in replica.channels.items()},
            "seen_at": now,
        }
        writing = inserting(replicas, postgresql=True).values(row)
        await self._conn.execute(writing.on_conflict_do_update(index_elements=["name"], set_=row))
        newest = (await self._conn.execute(select(schema.VERSION.c.version_num))).scalar_one()
        alive = select(replicas).where(replicas.c.seen_at > now - span)
        present = [
            Replica(
                name=row.name,
                accounts=row.accounts,
                channels={name: Configured(**channel) for name, channel in row.channels.items()},
                outgrown=row.schema != newest,
            )
            for row in await self._conn.execute(alive)
        ]
        held = (await self._conn.execute(select(leases).where(leases.c.until_at > now))).all()
        others = [row.until_at - now for row in held if row.owner not in {None, replica.name}]
        owners = {row.account: row.owner for row in held if row.owner is not None}
        return Roster(replicas=present, owners=owners, next_end=min(others, default=None))

    async def _bring_back(self, now: datetime, span: timedelta) -> None:
        """Have nothing last longer because the database's clock was set back (R7)."""
        ahead = select(replicas.c.name).where(replicas.c.seen_at > now).with_for_update(skip_locked=True)
        await self._conn.execute(update(replicas).where(replicas.c.name.in_(ahead)).values(seen_at=now))
        too_long = select(leases.c.account).where(leases.c.until_at > now + _LONGEST)
        these = leases.c.account.in_(too_long.with_for_update(skip_locked=True))
        await self._conn.execute(update(leases).where(these).values(until_at=now + span))

    async def sign_out(self, name: str) -> None:
        """Write that a replica lives no more, and free what it holds."""
        now = await self._moment(self._conn)
        await self._conn.execute(update(leases).where(leases.c.owner == name).values(owner=None, until_at=now))
        gone = or_(replicas.c.name == name, replicas.c.seen_at < now - _FORGOTTEN)
        await self._conn.execute(delete(replicas).where(gone))

    async def renew(self, owner: str, fences: Mapping[str, int], span: timedelta) -> set[str]:
        """Hold these accounts for another `span`; return those that are not another's by now."""
        if not fences:
            return set()
        mine = (leases.c.owner == owner) & leases.c.account.in_(list(fences))
        until = await self._moment(self._conn) + span
        renewed = await self._conn.execute(
            update(leases).where(mine).values(until_at=until).returning(leases.c.account, leases.c.fence)
        )
        return {row.account for row in renewed if row.fence == fences[row.account]}

    async def take(self, owner: str, accounts: Collection[str], span: timedelta) -> dict[str, int]:
        """Take those of these accounts that are free; return their fences."""
        if not accounts:
            return {}
        now = await self._moment(self._conn)
        new = [{"account": account, "fence": 0, "until_at": now} for account in sorted(accounts)]
        await self._conn.execute(inserting(leases, postgresql=True).on_conflict_do_nothing(), new)
        free = (
            select(leases.c.account)
            .where(leases.c.account.in_(list(accounts)))
            .where(or_(leases.c.until_at <= now, leases.c.owner == owner))
            .with_for_update(skip_locked=True)  # who records under it holds it until that is written
        )
        found = (await self._conn.execute(free)).scalars().all()
        taken = await self._conn.execute(
            update(leases)
            .where(leases.c.account.in_(found))
            .values(owner=owner, fence=leases.c.fence + 1, until_at=now + span)
            .returning(leases.c.account, leases.c.fence)
        )
        return {row.account: row.fence for row in taken}

    async def give_up(self, owner: str, accounts: Collection[str]) -> None:
        """Free these accounts, if they are the owner's."""
        mine = (leases.c.owner == owner) & leases.c.account.in_(list(accounts))
        await self._conn.execute(update(leases).where(mine).values(owner=None, until_at=await self._moment(self._conn)))

    async def holds(self, account: str, fence: int) -> bool:
        """Whether nobody took the account since that fence; nobody can until the transaction ends."""
        # A key share: it keeps out who would take the account, and lets the owner renew it.
        query = select(leases.c.fence).where(leases.c.account == account).with_for_update(read=True, key_share=True)
        return (await self._conn.execute(query)).scalar_one_or_none() == fence
