"""The composition root: settings -> adapters -> pipeline; start, signals, stop."""

import asyncio
import logging
import os
import random
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.adapters.channels import open_channels
from notifier.adapters.cloudflare import CloudflareApi, Credential, Key, Token
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.scheduler import Scheduler
from notifier.domain.budget import RequestBudget
from notifier.domain.decision import Policy
from notifier.domain.interconnect import Interconnect
from notifier.domain.schedule import stretched
from notifier.domain.state import State
from notifier.domain.words import Voice
from notifier.errors import ConfigurationError
from notifier.pipeline.delivery import Deliverer
from notifier.pipeline.discovery import Discovery, Selection
from notifier.pipeline.polling import Pace, Poller
from notifier.pipeline.recipients import Recipients
from notifier.pipeline.recording import Recorder
from notifier.pipeline.upkeep import Retention, Upkeep
from notifier.ports import Channel, Clock, Cloudflare
from notifier.settings import AccountSettings, Settings

_log = logging.getLogger(__name__)

_FLUSH_EVERY = timedelta(seconds=10)
_DELIVER_EVERY = timedelta(seconds=2)  # retries fall due by time alone
_PRUNE_EVERY = timedelta(hours=1)
_TICK_AT_MOST, _TICK_AT_LEAST = timedelta(seconds=1), timedelta(milliseconds=20)
_RESERVE = 0.05  # of the request budget: for listings, re-checks, and
_RESERVE_AT_LEAST = 8  # the unevenness of an even spread
_PATIENCE = timedelta(seconds=4)  # of each part of a stop; all of it stays below 10 s


class SystemClock:
    """The machine's clock, as the pipeline and the commands read it; the scheduler has its own."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Watch:
    """One account's part of the pipeline."""

    account: AccountSettings
    cloudflare: Cloudflare
    recorder: Recorder
    poller: Poller
    discovery: Discovery
    found: Callable[[Sequence[Interconnect], Mapping[str, State]], None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that works, not yet scheduled: tests drive it by hand."""

    watches: Sequence[Watch]
    deliverers: Sequence[Deliverer]
    upkeep: Upkeep
    channels: Sequence[Channel]

    async def begin(self) -> None:
        """Take up what the database holds (R13)."""
        await self.upkeep.drop_channels([channel.name for channel in self.channels])
        for watch in self.watches:
            links, states = await watch.recorder.known()
            watch.found(links, states)

    async def wake(self) -> None:
        """Have every channel look for what is due."""
        for deliverer in self.deliverers:
            deliverer.wake()

    async def close(self) -> None:
        """Let go of every connection."""
        for watch in self.watches:
            await watch.cloudflare.close()
        for channel in self.channels:
            await channel.close()


def assemble(
    settings: Settings,
    *,
    database: SqlDatabase,
    clock: Clock,
    tasks: asyncio.TaskGroup,
    owner: str,
    chance: Callable[[], float] = random.random,
) -> Pipeline:
    """Put the pipeline together; nothing starts yet. Polls will run in `tasks`; `owner` names us in leases.

    Raises:
        ConfigurationError: A channel's URL is not one.
    """
    channels = open_channels({name: channel.url.get_secret_value() for name, channel in settings.channels.items()})
    recipients = Recipients({channel.name: channel.stateful for channel in channels.values()})
    deliverers: list[Deliverer] = []

    def committed() -> None:
        for deliverer in deliverers:
            deliverer.wake()

    for channel in channels.values():
        deliverer = Deliverer(
            channel=channel,
            database=database,
            recipients=recipients,
            clock=clock,
            owner=owner,
            chance=chance,
            committed=committed,
        )
        deliverers.append(deliverer)
    wiring = _Wiring(settings, database, clock, tasks, recipients, committed)
    kept = settings.retention
    retention = Retention(deliveries=kept.deliveries, observations=kept.observations)
    upkeep = Upkeep(database=database, clock=clock, recipients=recipients, retention=retention)
    watches = [wiring.watch(account) for account in settings.accounts]
    return Pipeline(watches, deliverers, upkeep, list(channels.values()))


class _Wiring:
    """Makes the watches of all accounts; those with one credential share its request budget (R32)."""

    def __init__(
        self,
        settings: Settings,
        database: SqlDatabase,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        recipients: Recipients,
        committed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._tasks = tasks
        self._recipients = recipients
        self._committed = committed
        self._budgets: dict[Credential, RequestBudget] = {}
        self._pollers: list[tuple[Credential, Poller]] = []

    def watch(self, account: AccountSettings) -> Watch:
        settings, clock = self._settings, self._clock
        credential = credential_of(account)
        cloudflare = CloudflareApi(
            account=account.id,
            url=settings.cloudflare.url,
            credential=credential,
            timeout=settings.cloudflare.timeout,
            budget=self._budgets.setdefault(credential, budget_of(settings)),
            clock=clock,
        )
        recorder = Recorder(
            voice=Voice(account=account.id, name=account.name, zone=ZoneInfo(settings.timezone)),
            database=self._database,
            policy=policy_of(settings),
            recipients=self._recipients,
            clock=clock,
            committed=self._committed,
        )
        poller = Poller(
            account=account.id,
            cloudflare=cloudflare,
            recorder=recorder,
            clock=clock,
            pace=Pace(interval=settings.poll.interval, recheck=settings.poll.recheck),
            tasks=self._tasks,
        )
        self._pollers.append((credential, poller))

        def found(links: Sequence[Interconnect], states: Mapping[str, State]) -> None:
            poller.watch(links, states)
            self._keep_pace(credential)

        discovery = Discovery(
            cloudflare=cloudflare,
            recorder=recorder,
            clock=clock,
            selection=Selection(account.include, account.exclude),
            every=settings.poll.discovery,
            after_failure=settings.poll.interval,
            found=lambda links: found(links, {}),
        )
        return Watch(account, cloudflare, recorder, poller, discovery, found)

    def _keep_pace(self, credential: Credential) -> None:
        """Stretch the interval of the accounts of one credential if its budget can't keep it (R32)."""
        pollers = [poller for other, poller in self._pollers if other == credential]
        interval = kept_interval(self._settings, sum(poller.watched for poller in pollers))
        if interval == pollers[0].interval:
            return
        for poller in pollers:
            poller.pace(interval)
        fields = {"wanted": self._settings.poll.interval, "kept": interval}
        _log.warning("poll interval set by the request budget", extra={"fields": fields})


def credential_of(account: AccountSettings) -> Credential:
    """Return what the account is asked with."""
    if account.token is not None:
        return Token(account.token.get_secret_value())
    if account.email is None or account.key is None:
        raise ConfigurationError([f"accounts: {account.id}: expected token, or email and key"])
    return Key(email=account.email, secret=account.key.get_secret_value())


def budget_of(settings: Settings) -> RequestBudget:
    """Return our share of Cloudflare's limit, for one credential."""
    limit = settings.cloudflare.rate_limit
    return RequestBudget(max(1, int(limit.requests * limit.share)), limit.per)


def kept_interval(settings: Settings, links: int) -> timedelta:
    """Return the poll interval that the request budget can keep for so many links of one credential (R32)."""
    budget = budget_of(settings)
    return stretched(
        settings.poll.interval,
        links=links,
        budget_requests=budget.requests,
        per=budget.per,
        reserve=max(_RESERVE_AT_LEAST, round(budget.requests * _RESERVE)),
    )


def policy_of(settings: Settings) -> Policy:
    """Return when an observation is believed."""
    d = settings.detection
    return Policy(
        confirm=d.confirm,
        recover=d.recover,
        recover_for=d.recover_for,
        blind_after=d.blind_after,
        gap_after=d.blind_after * settings.poll.interval,
    )


class Service:
    """The service in the foreground: takes the database, works until told to stop, loses nothing."""

    def __init__(self, settings: Settings, *, migrate: bool = False, clock: Clock | None = None) -> None:
        """`migrate` lets it bring a server database's schema up to date; an embedded one always is."""
        self._settings = settings
        self._migrate = migrate
        self._clock = clock or SystemClock()
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{random.getrandbits(32):08x}"
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask it to end within 10 s with nothing lost."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped.

        Raises:
            ConfigurationError, DatabaseHeldError, DatabaseUnreachableError, SchemaError: It can't start.
        """
        database = SqlDatabase(self._settings.database.get_secret_value())
        database.hold()
        try:
            await database.prepare(migrate=self._migrate)
            async with asyncio.TaskGroup() as tasks:
                await self._work(database, tasks)
        finally:
            await database.close()

    async def _work(self, database: SqlDatabase, tasks: asyncio.TaskGroup) -> None:
        pipeline = assemble(self._settings, database=database, clock=self._clock, tasks=tasks, owner=self._owner)
        if database.embedded:
            async with database.begin() as work:
                await work.outbox.release()  # nobody else can be sending
        await pipeline.begin()
        scheduler = Scheduler()
        _schedule(pipeline, scheduler, self._settings)
        sending = [tasks.create_task(deliverer.run()) for deliverer in pipeline.deliverers]
        scheduler.start()
        links = sum(watch.poller.watched for watch in pipeline.watches)
        _log.info("started", extra={"fields": {"accounts": len(pipeline.watches), "known_links": links}})
        await self._stop.wait()
        _log.info("stopping")
        await scheduler.stop(_PATIENCE)
        await _finish(pipeline, sending)
        async with database.begin() as work:
            await work.outbox.release(self._owner)
        await pipeline.close()
        _log.info("stopped")


def _schedule(pipeline: Pipeline, scheduler: Scheduler, settings: Settings) -> None:
    poll = settings.poll
    tick = min(_TICK_AT_MOST, max(_TICK_AT_LEAST, min(poll.interval, poll.recheck) / 10))
    for watch in pipeline.watches:
        account = watch.account.id
        scheduler.every(tick, watch.poller.sweep, name=f"sweep {account}")
        scheduler.every(min(poll.interval, poll.discovery), watch.discovery.tick, name=f"discovery {account}")
        scheduler.every(_FLUSH_EVERY, watch.poller.flush, name=f"last seen {account}")
    scheduler.every(_DELIVER_EVERY, pipeline.wake, name="delivery")
    scheduler.every(_PRUNE_EVERY, pipeline.upkeep.prune, name="retention")


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


async def serve(settings: Settings, *, migrate: bool) -> int:
    """Run the service until SIGTERM or SIGINT; a second signal ends it at once. Return the exit code."""
    service = Service(settings, migrate=migrate)
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        service.stop()
        loop.remove_signal_handler(number)  # the next one has its usual effect

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await service.run()
    return 0
