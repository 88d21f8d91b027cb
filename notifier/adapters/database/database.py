"""The database as the pipeline sees it: units of work."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import counting, schema
from notifier.adapters.database.auditing import SqlAuditing
from notifier.adapters.database.budgets import SqlBudgets
from notifier.adapters.database.chain import SqlChain
from notifier.adapters.database.drilling import SqlDrills
from notifier.adapters.database.engine import SqliteLock, connection, open_engine, open_reading_engine
from notifier.adapters.database.entering import Entering
from notifier.adapters.database.insight import SqlInsight
from notifier.adapters.database.journal import Journal
from notifier.adapters.database.leases import SqlLeases
from notifier.adapters.database.ledger import SqlLedger
from notifier.adapters.database.moment import Moment, server_time
from notifier.adapters.database.outbox import SqlOutbox
from notifier.adapters.database.reading import Reading
from notifier.adapters.database.record import SqlRecord
from notifier.adapters.database.verifying import Verifying
from notifier.adapters.database.watched import SqlWatched
from notifier.errors import DatabaseUnreachableError, SchemaError
from notifier.ports import Clock, Counts


class SqlUnitOfWork:
    """One transaction; keeps `ports.UnitOfWork`."""

    def __init__(self, conn: AsyncConnection, moment: Moment) -> None:
        self.conn = conn
        self._watched = SqlWatched(conn)
        self.journal = Journal(conn)
        self._entering = Entering(conn)
        self._record = SqlRecord(conn, self.journal, self._entering)
        self._ledger = SqlLedger(conn, self.journal, self._entering)
        self._outbox = SqlOutbox(conn, self.journal, self._entering)
        self._chain = SqlChain(conn)
        self._drills = SqlDrills(conn)
        self._audit = SqlAuditing(conn)
        self._leases = SqlLeases(conn, moment)
        self._budgets = SqlBudgets(conn, moment)

    @property
    def watched(self) -> SqlWatched:
        """What is watched."""
        return self._watched

    @property
    def record(self) -> SqlRecord:
        """What happened."""
        return self._record

    @property
    def ledger(self) -> SqlLedger:
        """Who knows what."""
        return self._ledger

    @property
    def outbox(self) -> SqlOutbox:
        """What was promised."""
        return self._outbox

    @property
    def chain(self) -> SqlChain:
        """What seals it."""
        return self._chain

    @property
    def drills(self) -> SqlDrills:
        """What was tried out."""
        return self._drills

    @property
    def audit(self) -> SqlAuditing:
        """Whether it adds up."""
        return self._audit

    @property
    def leases(self) -> SqlLeases:
        """Who watches what."""
        return self._leases

    @property
    def budgets(self) -> SqlBudgets:
        """Who may ask how often."""
        return self._budgets

    async def flush(self) -> None:
        """Write what the parts have taken down."""
        await self.journal.flush()
        await self._entering.flush()


class SqlDatabase:
    """SQLite or PostgreSQL, by URL; keeps `ports.Database` and `ports.Counting`.

    `embedded` says that it is a file of this process alone (SQLite). Its time is the server's, unless `moment` tells
    another.
    """

    def __init__(self, url: str, moment: Moment = server_time) -> None:
        self._moment = moment
        self.engine = open_engine(url)
        self.reading_engine = open_reading_engine(url)  # connects when it is asked for the first time
        self.embedded = self.engine.dialect.name == "sqlite"
        self._lock = SqliteLock(url) if self.embedded else None

    @property
    def absent(self) -> bool:
        """Whether it is a file that is not there yet."""
        file = self.engine.url.database
        return self.embedded and bool(file) and not Path(str(file)).exists()

    def hold(self) -> None:
        """Take an embedded database for this process alone (R29).

        Raises:
            DatabaseHeldError: Another process has it.
        """
        if self._lock is not None:
            self._lock.acquire()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlUnitOfWork]:
        """Open a unit of work; it commits at its end unless an exception leaves it."""
        async with connection(self.engine) as conn:
            work = SqlUnitOfWork(conn, self._moment)
            yield work
            await work.flush()

    def insight(self, clock: Clock, redact: Callable[[str], str]) -> SqlInsight:
        """Return what answers people's questions beside the work; `clock` is the one that people have.

        `redact` hides secrets in texts that came from elsewhere.
        """
        return SqlInsight(self.reading_engine, clock, redact)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        """Answer a person's questions; changes nothing, and makes no database where none is.

        Raises:
            DatabaseUnreachableError: It is not there.
            SchemaError: The schema isn't this release's.
        """
        await self.require()
        async with connection(self.engine) as conn:
            yield Reading(conn)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[AsyncConnection]:
        """See all as it is at one moment, beside whoever writes it."""
        async with connection(self.reading_engine) as conn:
            yield conn

    @asynccontextmanager
    async def verify(self) -> AsyncIterator[Verifying]:
        """Verify the record as it is at one moment."""
        async with self.look() as conn:
            yield Verifying(conn)

    async def counts(self) -> Counts:
        """Count what is open and what waits."""
        async with connection(self.reading_engine) as conn:
            return await counting.count(conn)

    async def require(self) -> None:
        """Make sure that there is a database to work with, as another process left it.

        Raises:
            DatabaseUnreachableError: It is not there.
            SchemaError: The schema isn't this release's.
        """
        if self.absent:
            raise DatabaseUnreachableError(
                f"no database at {self.engine.url.database}: start the service first (notifier run)"
            )
        await schema.require(self.engine)

    async def prepare(self, *, migrate: bool) -> None:
        """Make sure of the schema: an embedded database is migrated, a server's only if asked for.

        Raises:
            SchemaError: The schema isn't this release's.
        """
        try:
            await schema.require(self.engine)
        except SchemaError:
            if not (self.embedded or migrate):
                raise
            await self.migrate()

    async def migrate(self) -> None:
        """Bring the schema to this release's; harmless to repeat.

        Raises:
            SchemaError: It is newer.
        """
        await schema.require_known(self.engine)
        # Imported when it is needed, which is seldom: Alembic alone doubles the time a start takes.
        from notifier.adapters.database import migrating  # noqa: PLC0415

        await migrating.upgrade(self.engine)
        await schema.require(self.engine)

    async def close(self) -> None:
        """Let go of the connections and the file."""
        await self.reading_engine.dispose()
        await self.engine.dispose()
        if self._lock is not None:
            self._lock.release()
