"""The service in the foreground: start, reload, stop; nothing lost at any of them."""

import asyncio
import logging
import os
import random
import signal
import socket
from collections.abc import Hashable, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial

from notifier.adapters.clock import SteadyClock, SystemClock
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.scheduler import Scheduler
from notifier.app import Pipeline, assemble
from notifier.domain.figures import Reloads
from notifier.errors import ConfigurationError, DatabaseError
from notifier.oversight import Oversight
from notifier.pipeline.budgeting import EVERY
from notifier.pipeline.sweeping import sweep
from notifier.ports import Clock
from notifier.settings import Settings
from notifier.settings.source import Source

_log = logging.getLogger(__name__)

_LIST_EVERY = timedelta(seconds=5)  # looks whether a listing is due
_FLUSH_EVERY = timedelta(seconds=10)
_LOOK_EVERY = timedelta(seconds=1)  # a page held back for its site waits no longer than it must
_CALM_EVERY = timedelta(seconds=15)
_DELIVER_EVERY = timedelta(seconds=2)  # retries fall due by time alone
_SEAL_EVERY = timedelta(seconds=2)
_AUDIT_EVERY = timedelta(minutes=1)
_DRILL_EVERY = timedelta(seconds=2)
_PRUNE_EVERY = timedelta(hours=1)
_MOVE_EVERY = timedelta(seconds=1)
_HEALTH_EVERY = timedelta(seconds=10)
_WATCH_EVERY = timedelta(seconds=5)  # the configuration, where that is wanted
_TICK_AT_MOST, _TICK_AT_LEAST = timedelta(seconds=1), timedelta(milliseconds=20)
_PATIENCE = timedelta(seconds=3)  # with what is in flight at a stop, and
_BRIEFLY = timedelta(seconds=1)  # with the leases: even with a silent database all of it stays below 10 s
_AGAIN = timedelta(seconds=2)  # after the database was away during a reload


class Service:
    """Takes the database, works until told to stop, and takes a new configuration without losing anything."""

    def __init__(self, source: Source, *, migrate: bool = False, clock: Clock | None = None) -> None:
        """`migrate` lets it bring a server database's schema up to date; an embedded one always is."""
        self._source = source
        self._stamp: Hashable = None
        self._migrate = migrate
        self._clock = clock or SteadyClock()
        self._machine = clock or SystemClock()
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{random.getrandbits(32):08x}"
        self._stopping = False
        self._reload_wanted = False
        self._woken = asyncio.Event()
        self.reloads = Reloads()

    def stop(self) -> None:
        """Ask it to end within 10 s with nothing lost."""
        self._stopping = True
        self._woken.set()

    def reload(self) -> None:
        """Ask it to take the configuration as it is written now; a bad one leaves everything as it is (R31)."""
        self._reload_wanted = True
        self._woken.set()

    async def run(self) -> None:
        """Work until stopped.

        Raises:
            ConfigurationError, DatabaseHeldError, DatabaseUnreachableError, SchemaError, ListenError: It can't start.
        """
        settings = self._load()
        self.reloads.taken_at = self._machine.now()
        database = SqlDatabase(settings.database.get_secret_value())
        database.hold()
        try:
            await database.prepare(migrate=self._migrate)
            overseeing = Oversight(settings, database, self._machine, clock=self._clock, reloads=self.reloads)
            async with asyncio.TaskGroup() as tasks, aclosing(overseeing) as oversight:
                await self._work(settings, database, tasks, oversight)
        finally:
            await database.close()

    async def _work(
        self, settings: Settings, database: SqlDatabase, tasks: asyncio.TaskGroup, oversight: Oversight
    ) -> None:
        pipeline = assemble(
            settings,
            database=database,
            clock=self._clock,
            machine=self._machine,
            tasks=tasks,
            owner=self._owner,
        )
        if database.embedded:
            async with database.begin() as work:
                await work.outbox.release()  # nobody else can be sending
        await pipeline.begin()
        running = _Running(settings, pipeline, tasks)
        self._watch(running)
        oversight.open(pipeline, tasks)
        links = sum(watch.poller.watched for watch in pipeline.watches)
        _log.info("started", extra={"fields": {"accounts": len(pipeline.watches), "known_links": links}})
        while not self._stopping:
            await self._woken.wait()
            self._woken.clear()
            if self._reload_wanted and not self._stopping:
                self._reload_wanted = False
                oversight.reloading()
                running = await self._reloaded(running, database, tasks)
                oversight.reloaded(running.pipeline, running.settings)
        _log.info("stopping")
        oversight.stopping()
        await running.finish()
        try:
            async with asyncio.timeout(_BRIEFLY.total_seconds()):
                await self._release(database)
                if running.pipeline.sharing is not None:
                    await running.pipeline.sharing.leave()
        except (DatabaseError, TimeoutError) as error:
            # The leases run out by themselves; until then nobody sends what was claimed.
            _log.warning("leases not given up", extra={"fields": {"cause": str(error) or "the database is slow"}})
        await running.pipeline.close()
        _log.info("stopped")

    def _load(self) -> Settings:
        self._stamp = self._source.stamp()  # before it is read: what is written meanwhile counts as a change
        settings = self._source.load()
        self._source.log(settings)
        return settings

    def _watch(self, running: "_Running") -> None:
        """Reload by itself when the configuration was written, where that is enabled."""

        async def look() -> None:
            if self._source.stamp() != self._stamp:
                self.reload()

        if running.settings.reload.on_change:
            running.scheduler.every(_WATCH_EVERY, look, name="configuration")

    async def _reloaded(self, running: "_Running", database: SqlDatabase, tasks: asyncio.TaskGroup) -> "_Running":
        """Take a new configuration, read and checked whole before anything stops; return what runs then."""
        try:
            settings = self._load()
            _require_same_place(settings, running.settings)
            pipeline = assemble(
                settings,
                database=database,
                clock=self._clock,
                machine=self._machine,
                tasks=tasks,
                owner=self._owner,
                before=running.pipeline,
            )
        except ConfigurationError as error:
            self._source.log(running.settings)
            self.reloads.refused += 1
            self.reloads.failed = True
            fields = {"problems": error.problems}
            _log.error("configuration not taken, everything goes on as before", extra={"fields": fields})
            return running
        await running.finish()
        await running.pipeline.close()
        await self._begin(pipeline, database)
        self.reloads.taken += 1
        self.reloads.failed = False
        self.reloads.taken_at = self._machine.now()
        _log.info("configuration taken", extra={"fields": {"accounts": len(pipeline.watches)}})
        renewed = _Running(settings, pipeline, tasks)
        self._watch(renewed)
        return renewed

    async def _begin(self, pipeline: Pipeline, database: SqlDatabase) -> None:
        """Take up what the database holds; if it is away, wait for it, unless told to stop."""
        waiting = False
        while True:
            try:
                await self._release(database)
                await pipeline.begin()
            except DatabaseError as error:
                if self._stopping:
                    raise
                if not waiting:
                    _log.error("waiting for the database", extra={"fields": {"cause": str(error)}})
                waiting = True
                await asyncio.sleep(_AGAIN.total_seconds())
            else:
                return

    async def _release(self, database: SqlDatabase) -> None:
        async with database.begin() as work:
            await work.outbox.release(self._owner)


class _Running:
    """A pipeline at work by a schedule."""

    def __init__(self, settings: Settings, pipeline: Pipeline, tasks: asyncio.TaskGroup) -> None:
        self.settings = settings
        self.pipeline = pipeline
        self.scheduler = Scheduler(SystemClock())
        pipeline.health.begin()
        _schedule(pipeline, self.scheduler, settings)
        self._sending = [tasks.create_task(deliverer.run()) for deliverer in pipeline.deliverers]
        self.scheduler.start()

    async def finish(self) -> None:
        """Start nothing more, and let what is in flight end."""
        await asyncio.gather(self.scheduler.stop(_PATIENCE), _finish(self.pipeline, self._sending))
        self.pipeline.health.rest()


def _require_same_place(settings: Settings, running: Settings) -> None:
    places = {
        "database": settings.database != running.database,
        "web.listen": settings.web.listen != running.web.listen,
    }
    if moved := [f"{name}: it can't be changed while the service runs; restart it" for name in places if places[name]]:
        raise ConfigurationError(moved)


def _schedule(pipeline: Pipeline, scheduler: Scheduler, settings: Settings) -> None:
    poll = settings.poll
    tick = min(_TICK_AT_MOST, max(_TICK_AT_LEAST, min(poll.interval, poll.recheck) / 10))
    pollers = [watch.poller for watch in pipeline.watches]
    scheduler.every(tick, partial(sweep, pollers, tick), name="sweep")
    for watch in pipeline.watches:
        account = watch.account
        discover = watch.ours(watch.discovery.tick)
        scheduler.every(min(poll.interval, poll.discovery, _LIST_EVERY), discover, name=f"discovery {account}")
        scheduler.every(_FLUSH_EVERY, watch.poller.flush, name=f"last seen {account}")
        scheduler.every(_CALM_EVERY, watch.ours(watch.recorder.calm), name=f"flapping {account}")
    if pipeline.sharing is not None:
        scheduler.every(settings.replicas.lease / 15, pipeline.sharing.tick, name="leases")
    else:
        scheduler.every(EVERY, pipeline.budgeting.tick, name="request budget")
    scheduler.every(_LOOK_EVERY, pipeline.upkeep.look, name="what is due by time")
    scheduler.every(_DELIVER_EVERY, pipeline.wake, name="delivery")
    scheduler.every(_SEAL_EVERY, pipeline.upkeep.seal, name="sealing")
    scheduler.every(_AUDIT_EVERY, pipeline.audit.check, name="audit")
    scheduler.every(_AUDIT_EVERY, pipeline.timekeeper.check, name="objective")
    scheduler.every(_DRILL_EVERY, pipeline.drilling.tick, name="drills")
    scheduler.every(_PRUNE_EVERY, pipeline.upkeep.prune, name="retention")
    scheduler.every(_MOVE_EVERY, pipeline.health.moves, name="sign of life")
    scheduler.every(_HEALTH_EVERY, pipeline.health.look, name="health")
    # Not at once: who dies within a minute, again and again, is not alive.
    scheduler.every(settings.heartbeat.every, pipeline.beat, name="heartbeat", at_once=False)


async def _finish(pipeline: Pipeline, sending: Sequence[asyncio.Task[None]]) -> None:
    """Let polls and sends in flight end; cancel what takes too long: it is done again after the next start."""
    for deliverer in pipeline.deliverers:
        deliverer.stop()
    polls = [asyncio.ensure_future(watch.poller.stop()) for watch in pipeline.watches]
    _, late = await asyncio.wait({*polls, *sending}, timeout=_PATIENCE.total_seconds())
    for task in late:
        task.cancel()
    if late:
        _log.warning("cut short", extra={"fields": {"tasks": len(late)}})
        await asyncio.gather(*late, return_exceptions=True)


async def serve(source: Source, *, migrate: bool, clock: Clock | None = None) -> int:
    """Run the service until SIGTERM or SIGINT, a second one ends it at once; SIGHUP reloads. Return the exit code."""
    service = Service(source, migrate=migrate, clock=clock)
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        service.stop()
        loop.remove_signal_handler(number)  # the next one has its usual effect

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    await service.run()
    return 0
