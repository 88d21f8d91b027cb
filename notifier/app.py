"""The composition root: settings -> adapters -> pipeline."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from notifier.adapters.channels import open_channels
from notifier.adapters.channels.fingerprint import fingerprint
from notifier.adapters.cloudflare import CloudflareApi, Credential, Key, Token, trusted
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.heartbeat import Heartbeat
from notifier.domain.budget import RequestBudget
from notifier.domain.decision import Policy
from notifier.domain.flapping import Flapping
from notifier.domain.interconnect import Interconnect
from notifier.domain.pacing import Storm
from notifier.domain.state import State
from notifier.domain.words import Voice
from notifier.errors import ConfigurationError
from notifier.pipeline.announcing import Announcer
from notifier.pipeline.audit import Audit
from notifier.pipeline.budgeting import Budgeting
from notifier.pipeline.delivery import Deliverer
from notifier.pipeline.discovery import Discovery, Selection
from notifier.pipeline.enrolling import Enroller
from notifier.pipeline.health import Health
from notifier.pipeline.lease import Lease
from notifier.pipeline.polling import Pace, Poller
from notifier.pipeline.recording import Recorder, Transactions
from notifier.pipeline.settling import Settler
from notifier.pipeline.sharing import Sharing
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.pipeline.upkeep import Retention, Upkeep
from notifier.pipeline.watching import Watch
from notifier.ports import Channel, Clock, Configured
from notifier.settings import AccountSettings, Settings
from notifier.settings.alerting import routes_of, windows_of
from notifier.settings.budget import RESERVE_AT_LEAST, budget_of, kept_interval

_log = logging.getLogger(__name__)

_UNEVEN = 1.25  # what a short time may take more than the mean


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that works, not yet scheduled: tests drive it by hand."""

    watches: Sequence[Watch]
    deliverers: Sequence[Deliverer]
    upkeep: Upkeep
    audit: Audit
    health: Health
    heartbeat: Heartbeat | None
    channels: Sequence[Channel]
    budgets: Mapping[Credential, RequestBudget]
    budgeting: Budgeting
    sharing: Sharing | None
    fingerprints: Mapping[str, str]
    retire: Callable[[str], Awaitable[None]]

    async def begin(self) -> None:
        """Take up what the database holds (R13), and what the configuration makes of it (R18, R25).

        What another replica is configured for is left alone.
        """
        others = await self.sharing.begin() if self.sharing is not None else []
        await self.upkeep.adopt_channels(self.fingerprints, {n: m for each in others for n, m in each.channels.items()})
        watched = {watch.account for watch in self.watches} | {account for each in others for account in each.accounts}
        for account in sorted(await self.upkeep.accounts() - watched):
            await self.retire(account)
        await self.upkeep.review()
        await self.budgeting.begin()
        if self.sharing is not None:
            await self.sharing.tick()
            return
        for watch in self.watches:
            await watch.begin()

    @property
    def leases(self) -> Mapping[str, Lease]:
        """The leases of the accounts."""
        return {watch.account: watch.lease for watch in self.watches}

    async def wake(self) -> None:
        """Have every channel look for what is due."""
        for deliverer in self.deliverers:
            deliverer.wake()

    async def beat(self) -> None:
        """Let the heartbeat's receiver hear how it is, if there is one (R30)."""
        if self.heartbeat is not None:
            await self.heartbeat.beat(self.health.ailments().values())

    async def close(self) -> None:
        """Let go of every connection."""
        for watch in self.watches:
            await watch.cloudflare.close()
        for channel in self.channels:
            await channel.close()
        if self.heartbeat is not None:
            await self.heartbeat.close()


def assemble(
    settings: Settings,
    *,
    database: SqlDatabase,
    clock: Clock,
    machine: Clock | None = None,
    tasks: asyncio.TaskGroup,
    owner: str,
    chance: Callable[[], float] = random.random,
    before: Pipeline | None = None,
) -> Pipeline:
    """Put the pipeline together; nothing starts yet. Polls will run in `tasks`; `owner` names us in leases.

    `machine` is the clock that people have, if it is another one. What was asked, and what is held, by the pipeline
    `before` this one counts on (R29, R32).

    Raises:
        ConfigurationError: A channel's URL, or the heartbeat's, is not one.
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
    teller = Teller(rules, machine or clock)
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
    wiring = _Wiring(settings, database, clock, tasks, teller, committed, before)
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
    marks = {name: fingerprint(channel.url.get_secret_value()) for name, channel in settings.channels.items()}
    configured = {n: Configured(fingerprint=mark, stateful=channels[n].stateful) for n, mark in marks.items()}
    sharing = None if database.embedded else wiring.sharing(owner, watches, configured, upkeep)
    health = Health(
        database=database,
        clock=clock,
        pollers=[watch.poller for watch in watches],
        channels=channels.keys(),
        audit=audit,
        sharing=sharing,
        timeout=settings.cloudflare.timeout,
    )
    ping = settings.heartbeat.url
    return Pipeline(
        watches=watches,
        deliverers=deliverers,
        upkeep=upkeep,
        audit=audit,
        health=health,
        heartbeat=None if ping is None else Heartbeat(ping.get_secret_value()),
        channels=list(channels.values()),
        budgets=wiring.budgets,
        budgeting=wiring.budgeting(),
        sharing=sharing,
        fingerprints=marks,
        retire=wiring.retire,
    )


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
        before: Pipeline | None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._tasks = tasks
        self._teller = teller
        self._committed = committed
        self._budgets_before = before.budgets if before is not None else {}
        self._leases_before = before.leases if before is not None else {}
        self.budgets: dict[Credential, RequestBudget] = {}
        self._trust = trusted()
        self._pollers: dict[str, tuple[Credential, Poller, Lease]] = {}
        self._links: Mapping[str, int] = {}
        self._budgeting: Budgeting | None = None

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
            trust=self._trust,
        )
        lease = self._lease(account.id)
        announcer, transactions = self._announcing(account.id, account.name, lease)
        recorder = Recorder(
            account=account.id,
            database=self._database,
            policy=policy_of(settings),
            announcer=announcer,
            transactions=transactions,
            clock=clock,
        )
        enroller = self._enroller(account.id, account.name, Selection(account.include, account.exclude).takes, lease)
        poller = Poller(
            account=account.id,
            cloudflare=cloudflare,
            recorder=recorder,
            clock=clock,
            pace=Pace(interval=settings.poll.interval, recheck=settings.poll.recheck),
            tasks=self._tasks,
            lease=lease,
        )
        self._pollers[account.id] = credential, poller, lease

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
        return Watch(
            account=account.id,
            cloudflare=cloudflare,
            recorder=recorder,
            poller=poller,
            discovery=discovery,
            enroller=enroller,
            lease=lease,
            clock=clock,
            found=found,
        )

    async def retire(self, account: str) -> None:
        """End everything of an account that is no longer configured (R18)."""
        enroller = self._enroller(account, account, lambda _: False, Lease.for_ever())
        await enroller.retire("its account is no longer configured")

    def sharing(
        self, owner: str, watches: Sequence[Watch], channels: Mapping[str, Configured], upkeep: Upkeep
    ) -> Sharing:
        return Sharing(
            name=owner,
            watches={watch.account: watch for watch in watches},
            channels=channels,
            database=self._database,
            clock=self._clock,
            span=self._settings.replicas.lease,
            seen=self._seen,
            review=upkeep.review,
        )

    def budgeting(self) -> Budgeting:
        if self._budgeting is None:
            self._budgeting = Budgeting(
                budgets={credential.mark: budget for credential, budget in self.budgets.items()},
                wanted=self._wanted,
                shared=not self._database.embedded,
                database=self._database,
                clock=self._clock,
            )
        return self._budgeting

    async def _seen(self, links: Mapping[str, int]) -> None:
        """Keep the pace that the links of all replicas allow, and set aside what ours will need."""
        self._links = links
        for credential in self.budgets:
            self._keep_pace(credential)
        await self.budgeting().tick()

    def _wanted(self, mark: str, span: timedelta) -> int:
        """Return how many requests our links of one credential take in a time, and some for re-checks and listings."""
        mine = [
            poller
            for credential, poller, lease in self._pollers.values()
            if credential.mark == mark and lease.holds(self._clock.now())
        ]
        if not mine:
            return 0
        polls = sum(poller.watched * (span / poller.interval) for poller in mine)
        return round(polls * _UNEVEN) + max(RESERVE_AT_LEAST, budget_of(self._settings).requests // 10)

    def _lease(self, account: str) -> Lease:
        if self._database.embedded:
            return Lease.for_ever()
        return self._leases_before.get(account) or Lease()

    def _enroller(self, account: str, name: str, takes: Callable[[str], bool], lease: Lease) -> Enroller:
        announcer, transactions = self._announcing(account, name, lease)
        return Enroller(
            voice=self._voice(account, name),
            takes=takes,
            removed_after=self._settings.detection.removed_after,
            blind_after=self._settings.detection.blind_after,
            announcer=announcer,
            transactions=transactions,
            clock=self._clock,
        )

    def _announcing(self, account: str, name: str, lease: Lease) -> tuple[Announcer, Transactions]:
        voice = self._voice(account, name)
        announcer = Announcer(
            voice=voice,
            teller=self._teller,
            severities=self._settings.severity,
            quiet=self._settings.detection.flapping.quiet,
        )
        return announcer, Transactions(account, self._database, self._committed, lease)

    def _voice(self, account: str, name: str) -> Voice:
        return Voice(account=account, name=name, zone=ZoneInfo(self._settings.timezone), page=_page(self._settings))

    def _budget(self, credential: Credential) -> RequestBudget:
        if credential not in self.budgets:
            self.budgets[credential] = budget_of(self._settings, self._budgets_before.get(credential))
        return self.budgets[credential]

    def _keep_pace(self, credential: Credential) -> None:
        """Stretch the interval of the accounts of one credential if its budget can't keep it (R32)."""
        accounts = {name: poller for name, (other, poller, _) in self._pollers.items() if other == credential}
        pollers = list(accounts.values())
        links = sum(max(poller.watched, self._links.get(name, 0)) for name, poller in accounts.items())
        interval = kept_interval(self._settings, links)
        if interval == pollers[0].interval:
            return
        for poller in pollers:
            poller.pace(interval)
        fields = {"wanted": self._settings.poll.interval, "kept": interval}
        _log.warning("poll interval set by the request budget", extra={"fields": fields})


def _page(settings: Settings) -> Callable[..., str] | None:
    """Return what gives the status page's address, or that of what lies below it; None if it has none."""
    if settings.web.listen is None or settings.web.url is None:
        return None
    root = settings.web.url.rstrip("/")
    return lambda *path: "/".join([root, *(quote(part, safe="") for part in path)])


def credential_of(account: AccountSettings) -> Credential:
    """Return what the account is asked with."""
    if account.token is not None:
        return Token(account.token.get_secret_value())
    if account.email is None or account.key is None:
        raise ConfigurationError([f"accounts: {account.id}: expected token, or email and key"])
    return Key(email=account.email, secret=account.key.get_secret_value())


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
