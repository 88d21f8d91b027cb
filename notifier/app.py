"""The composition root: settings -> adapters -> pipeline."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from notifier.adapters.channels import open_channels
from notifier.adapters.cloudflare import CloudflareApi, Credential, Key, Token
from notifier.adapters.database.database import SqlDatabase
from notifier.domain.budget import RequestBudget
from notifier.domain.decision import Policy
from notifier.domain.flapping import Flapping
from notifier.domain.interconnect import Interconnect
from notifier.domain.pacing import Storm
from notifier.domain.schedule import stretched
from notifier.domain.state import State
from notifier.domain.words import Voice
from notifier.errors import ConfigurationError
from notifier.pipeline.announcing import Announcer
from notifier.pipeline.audit import Audit
from notifier.pipeline.delivery import Deliverer
from notifier.pipeline.discovery import Discovery, Selection
from notifier.pipeline.enrolling import Enroller
from notifier.pipeline.polling import Pace, Poller
from notifier.pipeline.recording import Recorder, Transactions
from notifier.pipeline.settling import Settler
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.pipeline.upkeep import Retention, Upkeep
from notifier.ports import Channel, Clock, Cloudflare
from notifier.settings import AccountSettings, Settings
from notifier.settings.alerting import routes_of, windows_of

_log = logging.getLogger(__name__)

_RESERVE = 0.05  # of the request budget: for listings, re-checks, and
_RESERVE_AT_LEAST = 8  # the unevenness of an even spread


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
    enroller: Enroller
    found: Callable[[Sequence[Interconnect], Mapping[str, State]], None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that works, not yet scheduled: tests drive it by hand."""

    watches: Sequence[Watch]
    deliverers: Sequence[Deliverer]
    upkeep: Upkeep
    audit: Audit
    channels: Sequence[Channel]
    budgets: Mapping[Credential, RequestBudget]
    retire: Callable[[str], Awaitable[None]]

    async def begin(self, fingerprints: Mapping[str, str]) -> None:
        """Take up what the database holds (R13), and what the configuration makes of it (R18, R25).

        `fingerprints` tell the channels, by name, whatever they are called.
        """
        await self.upkeep.adopt_channels(fingerprints)
        watched = {watch.account.id for watch in self.watches}
        for account in sorted(await self.upkeep.accounts() - watched):
            await self.retire(account)
        await self.upkeep.review()
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
    budgets: Mapping[Credential, RequestBudget] = MappingProxyType({}),
) -> Pipeline:
    """Put the pipeline together; nothing starts yet. Polls will run in `tasks`; `owner` names us in leases.

    `budgets` are those of a pipeline before this one: what was asked counts on (R32).

    Raises:
        ConfigurationError: A channel's URL is not one.
    """
    channels = open_channels(
        {name: channel.url.get_secret_value() for name, channel in settings.channels.items()},
        {name: channel.format for name, channel in settings.channels.items()},
    )
    rules = Rules(
        channels=channels,
        routes=routes_of(settings),
        windows=windows_of(settings),
        wait=settings.group.wait,
        storm=Storm(messages=settings.group.storm.messages, per=settings.group.storm.per),
        remind=settings.remind,
    )
    teller = Teller(rules)
    settler = Settler(teller)
    deliverers: list[Deliverer] = []

    def committed() -> None:
        for deliverer in deliverers:
            deliverer.wake()

    for channel in channels.values():
        deliverer = Deliverer(
            channel=channel,
            database=database,
            clock=clock,
            owner=owner,
            chance=chance,
            storm=rules.storm,
            settle=settler.settle,
            committed=committed,
        )
        deliverers.append(deliverer)
    wiring = _Wiring(settings, database, clock, tasks, teller, committed, budgets)
    kept = settings.retention
    upkeep = Upkeep(
        database=database,
        clock=clock,
        retention=Retention(deliveries=kept.deliveries, observations=kept.observations),
        teller=teller,
        committed=committed,
    )
    names = {account.id: account.name for account in settings.accounts}
    audit = Audit(database=database, clock=clock, teller=teller, names=names, committed=committed)
    watches = [wiring.watch(account) for account in settings.accounts]
    return Pipeline(watches, deliverers, upkeep, audit, list(channels.values()), wiring.budgets, wiring.retire)


class _Wiring:
    """Makes the watches of all accounts; those with one credential share its request budget (R32)."""

    def __init__(
        self,
        settings: Settings,
        database: SqlDatabase,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        teller: Teller,
        committed: Callable[[], None],
        budgets: Mapping[Credential, RequestBudget],
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._tasks = tasks
        self._teller = teller
        self._committed = committed
        self._before = budgets
        self.budgets: dict[Credential, RequestBudget] = {}
        self._pollers: list[tuple[Credential, Poller]] = []

    def watch(self, account: AccountSettings) -> Watch:
        settings, clock = self._settings, self._clock
        credential = credential_of(account)
        cloudflare = CloudflareApi(
            account=account.id,
            url=settings.cloudflare.url,
            credential=credential,
            timeout=settings.cloudflare.timeout,
            budget=self._budget(credential),
            clock=clock,
        )
        announcer, transactions = self._announcing(account.id, account.name)
        recorder = Recorder(
            account=account.id,
            database=self._database,
            policy=policy_of(settings),
            announcer=announcer,
            transactions=transactions,
            clock=clock,
        )
        enroller = self._enroller(account.id, account.name, Selection(account.include, account.exclude).takes)
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
            enroller=enroller,
            clock=clock,
            every=settings.poll.discovery,
            after_failure=settings.poll.interval,
            found=found,
        )
        return Watch(account, cloudflare, recorder, poller, discovery, enroller, found)

    async def retire(self, account: str) -> None:
        """End everything of an account that is no longer configured (R18)."""
        await self._enroller(account, account, lambda _: False).retire("its account is no longer configured")

    def _enroller(self, account: str, name: str, takes: Callable[[str], bool]) -> Enroller:
        announcer, transactions = self._announcing(account, name)
        return Enroller(
            voice=self._voice(account, name),
            takes=takes,
            removed_after=self._settings.detection.removed_after,
            blind_after=self._settings.detection.blind_after,
            announcer=announcer,
            transactions=transactions,
            clock=self._clock,
        )

    def _announcing(self, account: str, name: str) -> tuple[Announcer, Transactions]:
        voice = self._voice(account, name)
        announcer = Announcer(
            voice=voice,
            teller=self._teller,
            severities=self._settings.severity,
            quiet=self._settings.detection.flapping.quiet,
        )
        return announcer, Transactions(account, self._database, self._committed)

    def _voice(self, account: str, name: str) -> Voice:
        return Voice(account=account, name=name, zone=ZoneInfo(self._settings.timezone))

    def _budget(self, credential: Credential) -> RequestBudget:
        if credential not in self.budgets:
            self.budgets[credential] = budget_of(self._settings, self._before.get(credential))
        return self.budgets[credential]

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


def budget_of(settings: Settings, before: RequestBudget | None = None) -> RequestBudget:
    """Return our share of Cloudflare's limit, for one credential; what was asked `before` counts on."""
    limit = settings.cloudflare.rate_limit
    return RequestBudget(max(1, int(limit.requests * limit.share)), limit.per, before)


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
        flapping=Flapping(changes=d.flapping.changes, within=d.flapping.within, quiet=d.flapping.quiet),
    )
