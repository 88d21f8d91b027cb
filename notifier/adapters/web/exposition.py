"""The service's figures as Prometheus reads them; what each says is in docs/metrics.md."""

import asyncio
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import accumulate, product

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from notifier.domain.figures import AccountFigures, Figures, Reloads
from notifier.domain.incident import NOBODYS, IncidentKind
from notifier.domain.interconnect import Interconnect
from notifier.domain.objective import Count
from notifier.domain.status import DOWN, HEALTHY, PENDING, UNHEALTHY, Severity
from notifier.domain.tally import Distribution
from notifier.errors import DatabaseError
from notifier.ports import Clock, Counting, Counts

OPENMETRICS = "application/openmetrics-text"

_FRESH = timedelta(seconds=1)  # who asks more often gets the same again
_PATIENCE_S = 2  # with the database; Prometheus itself waits for 10 s
_STATES = {HEALTHY: "healthy", UNHEALTHY: "unhealthy", DOWN: "down", PENDING: "pending"}
_WELL, _OTHER = _STATES[HEALTHY], "other"
_ACCOUNTS = (IncidentKind.INTERCONNECT, IncidentKind.SITE, IncidentKind.BLIND)
_OWN = (IncidentKind.CHANNEL, IncidentKind.AUDIT, IncidentKind.OBJECTIVE, IncidentKind.DRILL)

_BUILD = InfoMetricFamily(
    "notifier_build",
    "The release that runs, and on which Python.",
    value={"version": version("cni-notifier"), "python": platform.python_version()},
)

_Families = Iterator[Metric]
_Series = Iterator[tuple[dict[str, str], bool]]


class Exposition:
    """What Prometheus is answered.

    Memory is asked first, then the database, which is left after 2 s: while it is away the rest is told all the same.
    It is written out in a thread, since 10,000 links take a tenth of a second, and no more than once a second.
    """

    def __init__(self, figures: Callable[[], Figures], *, database: Counting, reloads: Reloads, clock: Clock) -> None:
        self._figures = figures
        self._database = database
        self._reloads = reloads
        self._clock = clock
        self._process = ProcessCollector(registry=None)
        self._turn = asyncio.Lock()
        self._written: dict[str, tuple[datetime, bytes]] = {}

    async def written(self, accept: str) -> tuple[str, bytes]:
        """Return the media type, OpenMetrics if that is accepted, and the text."""
        known = OPENMETRICS in accept
        media = openmetrics.CONTENT_TYPE_LATEST if known else CONTENT_TYPE_PLAIN_0_0_4
        write = openmetrics.generate_latest if known else generate_latest
        async with self._turn:
            at, text = self._written.get(media, (None, b""))
            if at is None or self._clock.now() - at >= _FRESH:
                told = _Told(self._figures(), await self._counts(), self._reloads, self._process)
                text = await asyncio.to_thread(write, told)
                self._written[media] = self._clock.now(), text
        return media, text

    async def _counts(self) -> Counts | None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._database.counts()
        except (DatabaseError, TimeoutError):
            return None


class _Told:
    """Everything at one moment, as the library's writers ask for it."""

    def __init__(self, figures: Figures, counts: Counts | None, reloads: Reloads, process: ProcessCollector) -> None:
        self._figures = figures
        self._counts = counts
        self._reloads = reloads
        self._process = process

    def collect(self) -> _Families:
        figures = self._figures
        yield _BUILD
        yield from _accounts(figures.accounts)
        yield from _links(figures.accounts)
        yield from _polls(figures)
        yield from _deliveries(figures)
        yield from _budgets(figures)
        yield from _health(figures)
        yield from _objective(figures)
        yield _gauge("notifier_database_up", "Whether the database answered for this scrape.", self._counts is not None)
        if self._counts is not None:
            yield _incidents(self._counts, figures)
            yield from _outbox(self._counts, figures)
        yield from _configuration(self._reloads)
        yield from self._process.collect()


def _accounts(accounts: Sequence[AccountFigures]) -> _Families:
    info = InfoMetricFamily("notifier_account", "An account that is configured, and its id.", labels=["account"])
    holder = _gauge("notifier_lease_holder", "Whether this replica watches the account.", labels=["account"])
    for each in accounts:
        info.add_metric([each.name], {"id": each.id})
        holder.add_metric([each.name], each.held)
    yield info
    yield holder


def _links(accounts: Sequence[AccountFigures]) -> _Families:
    held = [each for each in accounts if each.held]
    says = "Whether the interconnect is in this state: healthy always, another one only while it is."
    yield _streamed("notifier_interconnect_state", says, _states_of(held))
    says = "1 while the interconnect can't be seen, else absent."
    yield _streamed("notifier_interconnect_blind", says, _blind_of(held))
    watched = _gauge("notifier_interconnects_watched", "Interconnects that are watched.", labels=["account"])
    states = _gauge("notifier_interconnects", "Interconnects by confirmed state.", labels=["account", "state"])
    unseen = _gauge("notifier_interconnects_blind", "Interconnects that can't be seen.", labels=["account"])
    for each in held:
        watched.add_metric([each.name], len(each.links))
        unseen.add_metric([each.name], sum(believed.blind for _, believed in each.links))
        numbers = Counter(_word_of(believed.status) for _, believed in each.links if believed.status is not None)
        for word in (*_STATES.values(), _OTHER):
            states.add_metric([each.name, word], numbers[word])
    yield from (watched, states, unseen)


def _states_of(accounts: Sequence[AccountFigures]) -> _Series:
    for account in accounts:
        for link, believed in account.links:
            if believed.status is None:
                continue
            word, names = _word_of(believed.status), _names(account, link)
            yield {**names, "state": _WELL}, word == _WELL
            if word != _WELL:
                yield {**names, "state": word}, True


def _blind_of(accounts: Sequence[AccountFigures]) -> _Series:
    return ((_names(each, link), True) for each in accounts for link, believed in each.links if believed.blind)


def _names(account: AccountFigures, link: Interconnect) -> dict[str, str]:
    return {"account": account.name, "name": link.name, "site": link.site or ""}


def _word_of(status: str) -> str:
    return _STATES.get(status, _OTHER)


def _polls(figures: Figures) -> _Families:
    interval = _gauge(
        "notifier_poll_interval_seconds", "How far apart the polls of an interconnect are.", labels=["account"]
    )
    newest = _gauge(
        "notifier_poll_age_seconds", "Since any interconnect of the account was last seen.", labels=["account"]
    )
    oldest = _gauge(
        "notifier_poll_oldest_age_seconds",
        "Since the interconnect was seen that was not seen for longest.",
        labels=["account"],
    )
    took = HistogramMetricFamily(
        "notifier_poll_duration_seconds", "How long polls took, but for those put off.", labels=["account"]
    )
    ended = CounterMetricFamily("notifier_polls", "Polls, by what came of them.", labels=["account", "outcome"])
    changed = CounterMetricFamily("notifier_transitions", "Confirmed changes of state.", labels=["account", "change"])
    for each in figures.accounts:
        name = each.name
        if each.held:
            interval.add_metric([name], each.interval.total_seconds())
            if seen := [at for _, state in each.links if (at := state.last_seen_at) is not None]:
                newest.add_metric([name], _age(max(seen), figures.at))
                oldest.add_metric([name], _age(min(seen), figures.at))
        _distribute(took, [name], each.polls.took)
        for outcome, number in each.polls.outcomes.items():
            ended.add_metric([name, _word(outcome)], number)
        for change, number in each.transitions.changes.items():
            changed.add_metric([name, change.value], number)
    yield from (interval, newest, oldest, took, ended, changed)


def _deliveries(figures: Figures) -> _Families:
    ended = CounterMetricFamily(
        "notifier_deliveries", "Deliveries, by what came of them or of an attempt.", labels=["channel", "outcome"]
    )
    latency = HistogramMetricFamily(
        "notifier_delivery_latency_seconds", "From the observation until the receiver took it.", labels=["channel"]
    )
    for channel, deliveries in figures.channels.items():
        _distribute(latency, [channel], deliveries.latency)
        for end, number in deliveries.ends.items():
            ended.add_metric([channel, _word(end)], number)
    yield from (ended, latency)


def _budgets(figures: Figures) -> _Families:
    used = _gauge(
        "notifier_request_budget_used", "Requests of the present window that this process made.", labels=["credential"]
    )
    limit = _gauge(
        "notifier_request_budget_limit",
        "Requests in a window that all processes together may make.",
        labels=["credential"],
    )
    for mark, (taken, requests) in figures.budgets.items():
        used.add_metric([mark], taken)
        limit.add_metric([mark], requests)
    yield from (used, limit)


def _health(figures: Figures) -> _Families:
    vital = _gauge("notifier_vital", "Whether this sign of life is as it should be.", labels=["vital"])
    for each, well in figures.vitals.items():
        vital.add_metric([each.value], well)
    yield vital
    violations = _gauge(
        "notifier_audit_violations", "What the last audit found; absent if that is not known.", labels=[]
    )
    if figures.violations is not None:
        violations.add_metric([], figures.violations)
    yield violations


def _objective(figures: Figures) -> _Families:
    objective, found = figures.objective, figures.punctuality
    if objective is None:
        return
    yield _gauge(
        "notifier_objective_within_seconds",
        "How soon after the first sighting of a change channels are to take it.",
        objective.notify_within.total_seconds(),
    )
    yield _gauge(
        "notifier_objective_target_ratio", "What share of notifications that is wanted of.", float(objective.share)
    )
    ratio = _gauge("notifier_objective_ratio", "What share was in time, over the objective's time.", labels=[])
    told = _gauge(
        "notifier_objective_notifications",
        "Notifications of confirmed changes in that time, by whether they were in time.",
        labels=["channel", "outcome"],
    )
    if found is not None:
        if found.share is not None:
            ratio.add_metric([], float(found.share))
        for channel in figures.channels:
            each = found.channels.get(channel, Count())
            told.add_metric([channel, "in_time"], each.in_time)
            told.add_metric([channel, "late"], each.late)
    yield from (ratio, told)


def _incidents(counts: Counts, figures: Figures) -> Metric:
    family = _gauge("notifier_incidents_open", "Incidents that are open.", labels=["account", "kind", "severity"])
    names = {each.id: each.name for each in figures.accounts}
    numbers = dict.fromkeys([*product(names, _ACCOUNTS, Severity), *product([NOBODYS], _OWN, Severity)], 0) | dict(
        counts.incidents
    )
    for (account, kind, severity), number in numbers.items():
        family.add_metric([names.get(account, account), kind.value, severity.value], number)
    return family


def _outbox(counts: Counts, figures: Figures) -> _Families:
    depth = _gauge("notifier_outbox_depth", "Deliveries that are not settled yet.", labels=["channel"])
    age = _gauge(
        "notifier_outbox_oldest_age_seconds",
        "Since the oldest of them was promised; 0 if there is none.",
        labels=["channel"],
    )
    for channel in sorted({*figures.channels, *counts.pending}):
        number, since = counts.pending.get(channel, (0, figures.at))
        depth.add_metric([channel], number)
        age.add_metric([channel], _age(since, figures.at))
    yield from (depth, age)


def _configuration(reloads: Reloads) -> _Families:
    done = CounterMetricFamily("notifier_config_reloads", "Reloads of the configuration.", labels=["outcome"])
    done.add_metric(["success"], reloads.taken)
    done.add_metric(["failed"], reloads.refused)
    yield done
    yield _gauge(
        "notifier_config_last_reload_successful", "Whether the newest configuration was taken.", not reloads.failed
    )
    if reloads.taken_at is not None:
        yield _gauge(
            "notifier_config_last_reload_success_timestamp_seconds",
            "When the configuration that holds was taken.",
            reloads.taken_at.timestamp(),
        )


def _streamed(name: str, says: str, series: _Series) -> Metric:
    """Make a gauge whose series are made while they are written: to collect 10,000 as garbage would stop the loop."""
    family = Metric(name, says, "gauge")
    samples = (Sample(name, labels, value) for labels, value in series)
    family.samples = samples  # type: ignore[assignment]  # who writes goes through them once
    return family


def _gauge(name: str, says: str, value: float | None = None, labels: Sequence[str] | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, value=value, labels=labels)


def _distribute(family: HistogramMetricFamily, labels: Sequence[str], values: Distribution) -> None:
    bounds = [*map(floatToGoString, values.bounds), "+Inf"]
    family.add_metric(labels, list(zip(bounds, accumulate(values.counts), strict=True)), values.sum)


def _age(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())  # another replica's clock may be ahead


def _word(outcome: str) -> str:
    return outcome.replace(" ", "_")
