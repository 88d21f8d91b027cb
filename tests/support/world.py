"""A world in which everything can go wrong, and that keeps count: what receivers hold, how often the process died."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Select, and_, event, exists, func, select, union_all
from sqlalchemy.engine.interfaces import DBAPIConnection

from notifier.adapters.database import tables
from notifier.adapters.database.database import SqlDatabase, SqlUnitOfWork
from notifier.domain.decision import Policy
from notifier.domain.notification import Action, Notification
from notifier.errors import DatabaseError
from notifier.pipeline.standing import Rules
from notifier.ports import Accepted, Answer, Message, Outcome, Refused, TryAgain
from tests.support.bench import Bench, at_work
from tests.support.fakes import FakeChannel, FakeClock, FakeCloudflare
from tests.support.inline import work_inline

_PATIENCE_S = 300  # for hours that pass here, on a machine that does much else
_NEVER = datetime.max.replace(tzinfo=UTC)


class KilledError(BaseException):
    """The process is dead: nobody catches this."""


class DiskFullError(DatabaseError):
    """The database fails because it is meant to."""


class Doom(StrEnum):
    """What befalls a transaction."""

    FAILS = "fails"
    DIES_BEFORE = "the process dies before it commits"
    DIES_AFTER = "the process dies when it has committed"


class MortalDatabase:
    """Keeps `ports.Database`; of the transactions to come, one can be doomed; `faults` are those it meant not."""

    def __init__(self, real: SqlDatabase) -> None:
        self._real = real
        self._doom: tuple[int, Doom] | None = None
        self.faults: list[str] = []

    def spare(self) -> None:
        """Let all go well from now on."""
        self._doom = None

    def doom(self, after: int, how: Doom) -> None:
        """Doom the transaction that comes after so many others."""
        self._doom = (after, how)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlUnitOfWork]:
        how = self._struck()
        try:
            async with self._real.begin() as work:
                yield work
                if how is Doom.FAILS:
                    raise DiskFullError("disk full")  # noqa: TRY301 - it stands for the commit
                if how is Doom.DIES_BEFORE:
                    raise KilledError
        except DiskFullError:
            raise
        except DatabaseError as error:
            self.faults.append(repr(error.__cause__))
            raise
        if how is Doom.DIES_AFTER:
            raise KilledError

    def _struck(self) -> Doom | None:
        if self._doom is None:
            return None
        after, how = self._doom
        self._doom = (after - 1, how) if after else None
        return None if after else how


class Mood(StrEnum):
    """What a receiver does with what it is sent."""

    TAKES = "takes it"
    REFUSES = "refuses it for good"
    AWAY = "can't be reached"
    SILENT = "lets it be lost, perhaps"
    MUMBLES = "takes it, and its answer is lost"
    KILLS = "takes it, and the notifier dies before the answer"


class Receiver(FakeChannel):
    """Keeps incidents as PagerDuty does: to open an open one changes nothing, nor does to close a closed one."""

    def __init__(self, name: str, *, stateful: bool = False, mark: str | None = None) -> None:
        super().__init__(name, stateful=stateful, mark=mark)
        self.mood = Mood.TAKES
        self.heard: list[Notification] = []
        self.open: set[str] = set()
        self.opens: Counter[str] = Counter()

    async def send(self, message: Message) -> Answer:
        match self.mood:
            case Mood.TAKES:
                self._take(message)
                return Accepted(code=202)
            case Mood.REFUSES:
                return Refused(cause="404", code=404)
            case Mood.AWAY:
                return TryAgain(cause="connection refused", arrived=False)
            case Mood.SILENT:
                return TryAgain(cause="timed out")
            case Mood.MUMBLES:
                self._take(message)
                return TryAgain(cause="connection lost")
            case Mood.KILLS:
                self._take(message)
                self.mood = Mood.TAKES
                raise KilledError

    def _take(self, message: Message) -> None:
        key = message.notification.incident_key or ""
        self.heard.append(message.notification)
        match message.action:
            case Action.OPEN | Action.UPDATE:
                self.opens[key] += key not in self.open
                self.open.add(key)
            case Action.CLOSE:
                self.open.discard(key)
            case Action.TELL:
                pass


class World:
    """The notifier at work on an SQLite file, process after process; everything happens in one event loop."""

    def __init__(self, url: str, clock: FakeClock, cloudflare: FakeCloudflare, receivers: list[Receiver]) -> None:
        self.clock = clock
        self.cloudflare = cloudflare
        self.receivers = receivers
        self.policy = Policy()
        self.rules = Rules(channels={each.name: each for each in receivers})
        self.processes = 0
        self.real = SqlDatabase(url)
        work_inline(self.real.engine)
        event.listen(self.real.engine.sync_engine, "connect", _hasten)
        self.database = MortalDatabase(self.real)
        self._runner = asyncio.Runner()
        self._life: asyncio.Task[None] | None = None
        self._orders: asyncio.Queue[tuple[Callable[[Bench], Awaitable[None]], asyncio.Event]] = asyncio.Queue()

    def do(self, what: Callable[[Bench], Awaitable[None]]) -> None:
        """Have the process do something, in a new one if the last is dead; it may die of it."""
        self._runner.run(self._do(what))

    def leap(self, span: timedelta) -> None:
        """Let time pass."""
        self.do(lambda bench: bench.leap(span, self._due))

    def write(self, what: Callable[[SqlUnitOfWork], Awaitable[None]]) -> None:
        """Do something to the record from outside, as the command line does."""

        async def write() -> None:
            async with self.real.begin() as work:
                await what(work)

        self._runner.run(write())

    def kill(self) -> None:
        """Kill the process, if there is one."""
        self._runner.run(self._kill())

    def close(self) -> None:
        """End it all."""
        self.kill()
        self._runner.run(self.real.close())
        self._runner.close()

    async def _do(self, what: Callable[[Bench], Awaitable[None]]) -> None:
        while self._life is None:
            started = asyncio.Event()
            self.processes += 1
            self._life = asyncio.create_task(self._live(started))
            await self._until(started)
        done = asyncio.Event()
        self._orders.put_nowait((what, done))
        await self._until(done)

    async def _live(self, started: asyncio.Event) -> None:
        self._orders = asyncio.Queue()
        async with self.database.begin() as work:
            await work.outbox.release()
        async with at_work(
            self.database, self.clock, self.cloudflare, *self.receivers, policy=self.policy, rules=self.rules
        ) as bench:
            started.set()
            while True:
                what, done = await self._orders.get()
                await what(bench)
                done.set()

    async def _until(self, done: asyncio.Event) -> None:
        """Wait until it is done, or the process has died; of anything but what is meant to kill it, the test fails."""
        assert self._life is not None
        waiting = asyncio.create_task(done.wait())
        ended, _ = await asyncio.wait({waiting, self._life}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if waiting in ended:
            return
        waiting.cancel()
        await self._kill()
        assert ended, "it finds no end"

    async def _kill(self) -> None:
        if self._life is None:
            return
        self._life.cancel()
        await asyncio.wait({self._life})
        ended, self._life = self._life, None
        if not ended.cancelled() and (why := ended.exception()) is not None:
            _only_meant(why)

    async def _due(self) -> datetime:
        """Say when the record next holds something that is due."""
        async with self.real.begin() as work:
            first: datetime | None = await work.conn.scalar(_FIRST_DUE)
        return first or _NEVER


def _first_due() -> Select[tuple[datetime]]:
    d, t, earlier = tables.deliveries, tables.told, tables.deliveries.alias()
    pending = d.c.outcome == Outcome.PENDING
    lane = and_(earlier.c.channel == d.c.channel, earlier.c.lane == d.c.lane)
    behind = exists().where(lane, earlier.c.outcome == Outcome.PENDING, earlier.c.id < d.c.id)
    moments = union_all(
        select(func.coalesce(d.c.leased_until, d.c.due_at, type_=d.c.due_at.type).label("at")).where(pending, ~behind),
        select(t.c.look_at).where(t.c.look_at.is_not(None)),
        select(t.c.remind_at).where(t.c.remind_at.is_not(None)),
    ).subquery()
    return select(func.min(moments.c.at))


_FIRST_DUE = _first_due()


def _hasten(connection: DBAPIConnection, _record: object) -> None:
    """The process dies here, the machine never does."""
    connection.cursor().execute("PRAGMA synchronous=OFF")


def _only_meant(why: BaseException) -> None:
    """A process dies of being killed, or of a database that fails while it starts."""
    meant = (KilledError, DiskFullError)
    rest = why.split(meant)[1] if isinstance(why, BaseExceptionGroup) else None if isinstance(why, meant) else why
    if rest is not None:
        raise rest
