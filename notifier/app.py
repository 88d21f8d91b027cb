"""The composition root: settings -> adapters -> pipeline."""

import asyncio
import copy
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from notifier.adapters.channels import open_channels
from notifier.adapters.channels.fingerprint import fingerprint
from notifier.adapters.cloudflare import CloudflareApi, Credential, Key, Token, trusted
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.heartbeat import Heartbeat
from notifier.domain.budget import RequestBudget
from notifier.domain.decision import Policy
from notifier.domain.figures import AccountFigures, Figures
from notifier.domain.flapping import Flapping
from notifier.domain.health import Vital
from notifier.domain.interconnect import Interconnect
from notifier.domain.pacing import Storm
from notifier.domain.state import State
from notifier.domain.tally import Tally
from notifier.domain.words import Voice
from notifier.errors import ConfigurationError
from notifier.pipeline.announcing import Announcer
from notifier.pipeline.audit import Audit
from notifier.pipeline.budgeting import Budgeting
from notifier.pipeline.delivery import Deliverer
from notifier.pipeline.discovery import Discovery, Selection
from notifier.pipeline.drilling import Drilling
from notifier.pipeline.enrolling import Enroller
from notifier.pipeline.health import Health
from notifier.pipeline.lease import Lease
from notifier.pipeline.polling import Pace, Poller
from notifier.pipeline.recording import Recorder, Transactions
from notifier.pipeline.settling import Settler
from notifier.pipeline.sharing import Sharing
from notifier.pipeline.standing import Rules
from notifier.pipeline.telling import Teller
from notifier.pipeline.timekeeping import Timekeeper
from notifier.pipeline.upkeep import Retention, Upkeep
from notifier.pipeline.watching import Watch
from notifier.ports import Channel, Clock, Cloudflare, Configured, Settlement, UnitOfWork
from notifier.settings import AccountSettings, Settings
from notifier.settings.alerting import objective_of, plan_of, routes_of, windows_of
from notifier.settings.budget import budget_of, kept_interval, set_aside

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that works, not yet scheduled: tests drive it by hand."""

    watches: Sequence[Watch]
    deliverers: Sequence[Deliverer]
    upkeep: Upkeep
    audit: Audit
    timekeeper: Timekeeper
    drilling: Drilling
    health: Health
    heartbeat: Heartbeat | None
    channels: Sequence[Channel]
    budgets: Mapping[Credential, RequestBudget]
    budgeting: Budgeting
    sharing: Sharing | None
    fingerprints: Mapping[str, str]
    retire: Callable[[str], Awaitable[None]]
    names: Mapping[str, str]
    tally: Tally
    clock: Clock

    async def begin(self) -> None:
        """Take up what the database holds (R13), and what the configuration makes of it (R18, R25).

        What another replica is configured for is left alone.
        """
        others = await self.sharing.begin() if self.sharing is not None else []
        await self.upkeep.adopt_channels(self.fingerprints, {n: m for each in others for n, m in each.channels.items()})
        watched = {watch.account for watch in self.watches} | {account for each in others for account in each.accounts}
        for account in sorted(await self.upkeep.accounts() - watched):
            await self.retire(account)
        await self.timekeeper.begin()
        await self.drilling.begin()
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

    def figures(self) -> Figures:
        """Return how it stands; nobody is asked for it."""
        now, ailing = self.clock.now(), self.health.ailments()
        return Figures(
            at=now,
            accounts=[self._account(watch, now) for watch in self.watches],
            channels={channel.name: copy.deepcopy(self.tally.deliveries(channel.name)) for channel in self.channels},
            budgets={
                credential.mark: (budget.used(now), budget.requests) for credential, budget in self.budgets.items()
            },
            vitals={vital: vital not in ailing for vital in Vital},
            violations=None if self.audit.found is None else len(self.audit.found),
            objective=self.timekeeper.objective,
            punctuality=self.timekeeper.found,
        )

    def _account(self, watch: Watch, now: datetime) -> AccountFigures:
        return AccountFigures(
            id=watch.account,
            name=self.names[watch.account],
            held=watch.lease.holds(now),
            interval=watch.poller.interval,
            links=watch.poller.beliefs,
            polls=copy.deepcopy(self.tally.polls(watch.account)),
            transitions=copy.deepcopy(self.tally.transitions(watch.account)),
        )

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


_Settle = Callable[[UnitOfWork, Sequence[Settlement]], Awaitable[tuple[list[Settlement], bool]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What stands for Cloudflare and the receivers where nobody is asked and nothing is sent.

    `settling` comes between what a channel has answered and what is written of it.
    """

    cloudflare: Callable[[str], Cloudflare]
    channels: Mapping[str, Channel]
    settling: Callable[[_Settle], _Settle]


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
    outside: Outside | None = None,
) -> Pipeline:
    """Put the pipeline together; nothing starts yet. Polls will run in `tasks`; `owner` names us in leases.

    `machine` is the clock that people have, if it is another one. What was asked, held and counted by the
    pipeline `before` this one goes on (R29, R32). A replay has an `outside` of its own.

    Raises:
        ConfigurationError: A channel's URL, or the heartbeat's, is not one.
    """
    channels = outside.channels if outside is not None else channels_of(settings)
    rules = Rules(
        channels=channels,
        routes=routes_of(settings),
        windows=windows_of(settings),
        wait=settings.group.wait,
        storm=Storm(messages=settings.group.storm.messages, per=settings.group.storm.per),
        remind=settings.remind,
    )
    teller = Teller(rules, machine or clock)
    settle: _Settle = Settler(teller).settle
    if outside is not None:
        settle = outside.settling(settle)
    tally = before.tally if before is not None else Tally()
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
            settle=settle,
            committed=committed,
            tally=tally.deliveries(channel.name),
        )
        deliverers.append(deliverer)
    wiring = _Wiring(settings, database, clock, tasks, teller, committed, tally, before, outside)
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
    timekeeper = Timekeeper(
        objective=objective_of(settings), database=database, clock=clock, teller=teller, committed=committed
    )
    watches = [wiring.watch(account) for account in settings.accounts]
    marks = {name: fingerprint(channel.url.get_secret_value()) for name, channel in settings.channels.items()}
    configured = {n: Configured(fingerprint=mark, stateful=channels[n].stateful) for n, mark in marks.items()}
    drilling = Drilling(
        plan=plan_of(settings),
        configured=configured,
        database=database,
        clock=clock,
        machine=machine or clock,
        teller=teller,
        committed=committed,
    )
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
        timekeeper=timekeeper,
        drilling=drilling,
        health=health,
        heartbeat=None if ping is None else Heartbeat(ping.get_secret_value()),
        channels=list(channels.values()),
        budgets=wiring.budgets,
        budgeting=wiring.budgeting(),
        sharing=sharing,
        fingerprints=marks,
        retire=wiring.retire,
        names=names,
        tally=tally,
        clock=clock,
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
        tally: Tally,
        before: Pipeline | None,
        outside: Outside | None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._tasks = tasks
        self._teller = teller
        self._committed = committed
        self._tally = tally
        self._budgets_before = before.budgets if before is not None else {}
        self._leases_before = before.leases if before is not None else {}
        self.budgets: dict[Credential, RequestBudget] = {}
        self._outside = outside
        self._trust = trusted()
        self._pollers: dict[str, tuple[Credential, Poller, Lease]] = {}
        self._links: Mapping[str, int] = {}
        self._budgeting: Budgeting | None = None

    def watch(self, account: AccountSettings) -> Watch:
        settings, clock = self._settings, self._clock
        credential = credential_of(account)
        cloudflare = self._cloudflare(account.id, credential)
        lease = self._lease(account.id)
        announcer, transactions = self._announcing(account.id, account.name, lease)
        recorder = Recorder(
            account=account.id,
            database=self._database,
            policy=policy_of(settings),
            announcer=announcer,
            transactions=transactions,
            clock=clock,
            tally=self._tally.transitions(account.id),
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
            tally=self._tally.polls(account.id),
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

    def _cloudflare(self, account: str, credential: Credential) -> Cloudflare:
        budget = self._budget(credential)
        if self._outside is not None:
            return self._outside.cloudflare(account)
        return CloudflareApi(
            account=account,
            url=self._settings.cloudflare.url,
            credential=credential,
            timeout=self._settings.cloudflare.timeout,
            budget=budget,
            clock=self._clock,
            trust=self._trust,
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

    def _wanted(self, mark: str) -> int:
        """Return how many requests to set aside for those links of one credential that are ours."""
        [credential] = (each for each in self.budgets if each.mark == mark)
        now = self._clock.now()
        mine = [poller for poller, lease in self._using(credential).values() if lease.holds(now)]
        if not mine:
            return 0
        links = sum(poller.watched for poller in mine)
        return set_aside(self._settings, links=links, of=self._watched(credential), interval=mine[0].interval)

    def _using(self, credential: Credential) -> dict[str, tuple[Poller, Lease]]:
        """Return who uses a credential, by account."""
        return {name: (poller, lease) for name, (other, poller, lease) in self._pollers.items() if other == credential}

    def _watched(self, credential: Credential) -> int:
        """Return how many links all replicas watch with a credential."""
        using = self._using(credential)
        return sum(max(poller.watched, self._links.get(name, 0)) for name, (poller, _) in using.items())

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
            tally=self._tally.transitions(account),
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
        pollers = [poller for poller, _ in self._using(credential).values()]
        interval = kept_interval(self._settings, self._watched(credential))
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


def channels_of(settings: Settings) -> dict[str, Channel]:
    """Make the channels; nothing is connected yet.

    Raises:
        ConfigurationError: A channel's URL is none.
    """
    return open_channels(
        {name: channel.url.get_secret_value() for name, channel in settings.channels.items()},
        {name: channel.format for name, channel in settings.channels.items()},
    )


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
