"""The real pipeline, led through the past: its clock leaps from one moment at which something happens to the next."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat

from notifier.adapters.database.past import Agenda, Workbench
from notifier.app import Pipeline
from notifier.domain.incident import Subject, key_of
from notifier.domain.interconnect import Link
from notifier.domain.observation import Observation, Seen, Unseen
from notifier.domain.state import State
from notifier.past import Batch, Deed, Listing, Past
from notifier.pipeline.acting import Signature, acknowledge
from notifier.pipeline.retrying import resend
from notifier.pipeline.watching import Watch
from notifier.ports import Due, Listed, Look
from notifier.replay.outside import Before, Receivers
from notifier.settings import Settings

_TRAIL = timedelta(seconds=10)  # so long after it is due the service may do what is due by time alone
_CALM_TRAIL = timedelta(seconds=20)  # and look for links that flap no more, which it does more seldom
_SOON = timedelta(seconds=3)  # by then it has looked, if it is not held up
_STORM = timedelta(seconds=1)  # until a channel is tried again that bears no more for the moment
_NEVER = datetime.max.replace(tzinfo=UTC)

_Do = Callable[[], Awaitable[None]]


class TravellingClock:
    """Stands where it is set, and is never set back."""

    def __init__(self, start: datetime) -> None:
        self._now = self._until = start

    def now(self) -> datetime:
        """Return the moment at which the replay is."""
        return self._now

    def set(self, at: datetime, *, until: datetime) -> None:
        """Go on to a moment; `until` is the next at which something comes from outside."""
        self._now, self._until = max(self._now, at), until

    def pass_by(self, at: datetime) -> None:
        """Let time pass until then while something is done, but not until what comes from outside."""
        self._now = max(self._now, min(at, self._until))


class Engine:
    """Leads a pipeline through the past."""

    def __init__(
        self,
        past: Past,
        *,
        pipeline: Pipeline,
        bench: Workbench,
        clock: TravellingClock,
        before: Before,
        receivers: Receivers,
        settings: Settings,
        in_force: Settings,
    ) -> None:
        """`settings` are those that are tried, `in_force` those by which the past came about."""
        self._past = past
        self._pipeline = pipeline
        self._bench = bench
        self._clock = clock
        self._before = before
        self._receivers = receivers
        self._settings = settings
        names = [channel.name for channel in pipeline.channels]
        self._deliverers = dict(zip(names, pipeline.deliverers, strict=True))
        self._watches = {watch.account: watch for watch in pipeline.watches}
        self._looks = _Looks(past, in_force)
        self._moments = _moments(past)
        self._absences = list(_absences(past, self._moments))
        self._states: dict[Link, State] = {}
        self._assumed: dict[Link, datetime] = {}
        self._calmed_at: datetime | None = None  # None: something has happened since
        self._not_before: dict[str, datetime] = {}
        self._patience = _STORM
        self._agenda: Agenda | None = None  # None: something was written since it was asked for
        self._newest: dict[str, int | None] = {}
        self._silences: dict[int, int] = {}

    async def run(self) -> None:
        """Do everything, until the past ends."""
        await self._select()
        inputs = self._inputs()
        input_at, enter = next(inputs)
        while True:
            at, do = await self._due()
            if is_input := input_at <= at:
                at, do, (input_at, enter) = input_at, enter, next(inputs)
            if at > self._past.ends_at:
                return
            self._clock.set(at, until=input_at)
            if is_input:
                self._not_before.clear()
                self._calmed_at = None
            self._agenda = None
            await do()

    # --- What came from outside ---------------------------------------------------------------------------------

    def _inputs(self) -> Iterator[tuple[datetime, _Do]]:
        """Return what came from outside, in order; of one moment a start comes first, then acts. It never ends."""
        past = self._past
        acted = {deed.number for deed in past.deeds if deed.act == "add"}
        unsigned = [silence for silence in past.silences if silence.id not in acted]
        given: list[tuple[datetime, int, _Do]] = [
            *((start.at, 0, self._pipeline.upkeep.review) for start in past.starts),
            *((silence.from_at, 1, partial(self._silence, silence.id)) for silence in unsigned),
            *((deed.at, 1, partial(self._act, deed)) for deed in past.deeds),
            *((listing.at, 2, partial(self._list, listing)) for listing in past.listings),
            *((batch.at, 3, partial(self._record, batch)) for batch in past.batches),
        ]
        given.sort(key=lambda each: each[:2])
        return chain(((at, do) for at, _, do in given), repeat((_NEVER, self._calm)))

    async def _select(self) -> None:
        """Have what is watched at the beginning listed: the settings that are tried may not want all of it."""
        for watch in self._watches.values():
            if links := [link for link, _ in watch.poller.beliefs]:
                await self._hear(watch, Listed(tuple(links)))

    async def _hear(self, watch: Watch, answer: Listed | Unseen) -> None:
        self._before.answers[watch.account] = answer
        watch.discovery.begin()
        await watch.discovery.tick()

    async def _list(self, listing: Listing) -> None:
        watch = self._watches.get(listing.account)
        if watch is None:
            return
        listed = listing.listed
        await self._hear(watch, Listed(tuple(listed)) if isinstance(listed, Sequence) else Unseen(listed))
        async with self._bench.begin() as work:
            names = [name for account, name in self._states if account == listing.account]
            for name, state in (await work.watched.states(listing.account, names)).items():
                self._states[listing.account, name] = state
        for name in names:
            self._plan((listing.account, name))

    async def _record(self, batch: Batch) -> None:
        watch = self._watches.get(batch.account)
        if watch is None:
            return
        watched = {link.name for link, _ in watch.poller.beliefs}
        looks = [look for look in batch.looks if look.observation.name in watched]
        observations: list[Observation] = []
        seen: dict[str, datetime] = {}
        for look in looks:
            link, before = (batch.account, look.observation.name), look.seen_before
            if before is not None:
                # A look that changed nothing then may do so with other settings.
                if (same := self._looks.unchanged(link, before)) is not None and self._unsettled(link, same):
                    observations.append(Observation(account=link[0], name=link[1], at=before, sight=same))
                else:
                    seen.setdefault(link[1], before)
            observations.append(look.observation)
        if seen:
            await watch.recorder.seen(seen)
        await self._observe(watch, observations)

    async def _observe(self, watch: Watch, observations: Sequence[Observation]) -> None:
        if not observations:
            return
        for name, state in (await watch.recorder.record(observations)).items():
            self._states[watch.account, name] = state
            self._plan((watch.account, name))

    # --- Looks that are not on record ---------------------------------------------------------------------------

    def _plan(self, link: Link) -> None:
        """Ask a link again that is not believed to be what it was seen to be; each look is assumed to be the same."""
        self._assumed.pop(link, None)
        now = self._clock.now()
        known = self._looks.next_unchanged(link, now)
        if known is None:
            return
        until, same = known
        if not self._unsettled(link, same):
            return
        poll = self._settings.poll
        wait = poll.recheck if self._states[link].candidate is not None else poll.interval
        at = self._awake(min(now + wait, until))
        if now < at <= until:
            self._assumed[link] = at

    def _unsettled(self, link: Link, same: Seen | Unseen) -> bool:
        """Whether another look that sees the same would change anything."""
        state = self._states.get(link)
        if state is None:
            return False
        if isinstance(same, Unseen):
            return not state.blind
        doubtful = state.candidate is not None or state.failed_polls > 0 or state.blind
        return doubtful or state.status != same.status

    async def _assume(self, link: Link) -> None:
        account, name = link
        del self._assumed[link]
        now = self._clock.now()
        known = self._looks.next_unchanged(link, now)
        same = known[1] if known is not None else self._looks.unchanged(link, now)
        watch = self._watches[account]
        if same is not None and name in {each.name for each, _ in watch.poller.beliefs}:
            await self._observe(watch, [Observation(account=account, name=name, at=now, sight=same)])

    # --- What operators did -------------------------------------------------------------------------------------

    async def _act(self, deed: Deed) -> None:
        now = self._clock.now()
        match deed.act, deed.number:
            case "ack" | "unack", _ if deed.about is not None:
                await self._acknowledge(deed, deed.about)
            case "add", int(number):
                await self._silence(number)
            case "expire", int(number):
                async with self._bench.begin() as work:
                    if number in self._silences:
                        await work.ledger.end_silence(self._silences[number], now)
                    await work.ledger.look_again(now)
            case "retry", int(number):
                delivery = self._receivers.replayed(number)
                if delivery is not None:
                    async with self._bench.begin() as work:
                        await resend(work, delivery, now, remind=self._settings.remind)
            case _:
                pass

    async def _acknowledge(self, deed: Deed, about: Subject) -> None:
        """Acknowledge what is open of the subject, whatever its number is here; nothing, if it has no incident here."""
        async with self._bench.begin() as work:
            last = await work.record.last_incident(about.kind, about.account, about.name)
            if last is None or last.closed_at is not None or (deed.given is None and last.acknowledgement is None):
                return
            signed = Signature(by=deed.by, comment="", at=self._clock.now())
            await acknowledge(work, key_of(about, last.number), deed.given, signed)

    async def _silence(self, number: int) -> None:
        silence = next((each for each in self._past.silences if each.id == number), None)
        if silence is not None and number not in self._silences:
            async with self._bench.begin() as work:
                self._silences[number] = await work.ledger.add_silence(silence)

    # --- What is due by time alone ------------------------------------------------------------------------------

    async def _due(self) -> tuple[datetime, _Do]:
        """Return what time alone causes next, and when the service would get to it."""
        agenda, now = await self._ask(), self._clock.now()
        due: list[tuple[datetime, int, _Do]] = [
            (at, 0, partial(self._assume, link)) for link, at in self._assumed.items()
        ]
        if agenda.flapping:
            quiet = self._settings.detection.flapping.quiet
            # One that can't be called calm yet is looked at again when something has happened.
            calm = [at + quiet for at in agenda.flapping if self._calmed_at is None or at + quiet > self._calmed_at]
            if calm:
                due.append((self._get_to(min(calm), Due.CALM, _CALM_TRAIL, late=_CALM_TRAIL), 1, self._calm))
        if agenda.look_at is not None:
            # It does one thing after the other.
            first = max(agenda.look_at, now + timedelta.resolution, self._not_before.get(Due.LOOK, now))
            due.append((self._get_to(first, Due.LOOK, late=_SOON), 2, partial(self._look, agenda.look_at)))
        for place, channel in enumerate(self._deliverers, 3):
            # Whatever is promised wakes the channel: what waits there may be over by it.
            is_new = agenda.newest.get(channel) != self._newest.get(channel)
            if (at := now if is_new else agenda.deliver_at.get(channel)) is not None:
                job = _job(channel)
                at = self._get_to(max(at, self._not_before.get(job, at)), job)
                due.append((at, place, partial(self._deliver, channel, agenda)))
        at, _, do = min(due, key=lambda each: each[:2], default=(_NEVER, 0, self._calm))
        return max(at, now), do

    async def _ask(self) -> Agenda:
        if self._agenda is None:
            self._agenda = await self._bench.agenda()
        return self._agenda

    def _get_to(
        self, due_at: datetime, job: str, trail: timedelta = _TRAIL, *, late: timedelta = timedelta()
    ) -> datetime:
        """Say when the service gets to a job: when it did, if that is on record, else so `late` after it is due.

        Then it did nothing, because of what had happened since, or it is due with other settings only.
        """
        at, moments = self._awake(max(due_at, self._clock.now())), self._moments.get(job, [])
        place = bisect_left(moments, at)
        if place < len(moments) and moments[place] - at <= trail:
            return moments[place]
        unfinished = at + trail > self._past.ends_at and bool(moments)  # it may not have got to it yet
        return at + (trail if unfinished else late)

    def _awake(self, at: datetime) -> datetime:
        """Return the first moment from `at` on at which the service was at work."""
        return next((until for since, until in self._absences if since < at < until), at)

    async def _calm(self) -> None:
        self._calmed_at = self._clock.now()
        for watch in self._watches.values():
            await watch.recorder.calm()

    async def _look(self, due_at: datetime) -> None:
        await self._pipeline.upkeep.look()
        now, left = self._clock.now(), (await self._ask()).look_at
        stuck = left == due_at <= now
        self._patience = 2 * self._patience if stuck else _STORM
        self._not_before = {Due.LOOK: now + self._patience} if stuck else {}

    async def _deliver(self, channel: str, agenda: Agenda) -> None:
        deliverer = self._deliverers[channel]
        promised = self._receivers.promised
        self._newest[channel] = agenda.newest.get(channel)
        await deliverer.drain()
        if self._receivers.promised != promised:
            self._not_before.clear()
        left, now = (await self._ask()).deliver_at.get(channel), self._clock.now()
        if left is not None and left <= now:
            self._not_before[_job(channel)] = now + _STORM


class _Looks:
    """What was seen of each link between the looks that are on record: the same as before."""

    def __init__(self, past: Past, in_force: Settings) -> None:
        self._past = past
        self._blind_after = in_force.detection.blind_after
        self._rows: defaultdict[Link, list[Look]] = defaultdict(list)
        for batch in past.batches:
            for look in batch.looks:
                self._rows[look.observation.account, look.observation.name].append(look)

    def unchanged(self, link: Link, at: datetime) -> Seen | None:
        """Return what a look saw at that moment that changed nothing."""
        belief = self._past.believed(link, at)
        return None if belief is None or belief.status is None else Seen(belief.status, belief.reason)

    def next_unchanged(self, link: Link, now: datetime) -> tuple[datetime, Seen | Unseen] | None:
        """Return until when, after `now`, the link was surely looked at with nothing new, and what was seen."""
        rows = self._rows[link]
        place = bisect_right(rows, now, key=lambda look: look.observation.at)
        following = rows[place] if place < len(rows) else None
        last = rows[place - 1].observation.sight if place else None
        if isinstance(last, Unseen):
            # Once the link was removed, or is another one, what follows is on record.
            belief = self._past.believed(link, now)
            forgotten = belief is None or belief.status is None or belief.since > rows[place - 1].observation.at
            if forgotten or not self._saturated(rows[:place]):
                return None
            return (following.observation.at if following else self._past.ends_at) - timedelta.resolution, last
        until = following.seen_before if following else self._past.seen.get(link)
        same = self.unchanged(link, now)
        return (until, same) if until is not None and until > now and same is not None else None

    def _saturated(self, rows: Sequence[Look]) -> bool:
        """Whether one more failed poll would not have been put on record."""
        newest = [look.observation.sight for look in rows[-self._blind_after :]]
        at_once = isinstance(newest[-1], Unseen) and newest[-1].cause.blinds_at_once
        return at_once or (len(newest) == self._blind_after and all(isinstance(each, Unseen) for each in newest))


def _moments(past: Past) -> dict[str, list[datetime]]:
    """Return when the service got to each of its jobs."""
    found: defaultdict[str, set[datetime]] = defaultdict(set)
    for due, moments in past.came_to.items():
        found[due].update(moments)
    for telling in past.tellings:
        channel = _job(telling.channel)
        found[channel].update(attempt.started_at for attempt in telling.attempts)
        if not telling.attempts and telling.settled_at is not None:
            found[channel].add(telling.settled_at)
    return {job: sorted(moments) for job, moments in found.items()}


def _absences(past: Past, moments: Mapping[str, Sequence[datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Return when the service was not at work: from its last sign of life before each start."""
    written = [*(batch.at for batch in past.batches), *(listing.at for listing in past.listings)]
    signs = sorted({*written, *(at for each in moments.values() for at in each)})
    for start in past.starts:
        place = bisect_left(signs, start.at)
        last = max(filter(None, (start.alive_at, signs[place - 1] if place else None)), default=None)
        if last is not None and last < start.at:
            yield last, start.at


def _job(channel: str) -> str:
    return f"channel {channel}"
