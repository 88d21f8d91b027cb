"""Who is told what, decided inside the transaction that records it (R12, R18-R25).

Every change, and every moment at which something kept back is due again, ends in the same comparison: how the
subjects of a site stand, against what each channel knows of them (`domain.telling.judge`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from notifier.domain import words
from notifier.domain.backoff import gives_up_at
from notifier.domain.condition import Condition
from notifier.domain.incident import IncidentKind, Subject, key_of
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.routing import Reach
from notifier.domain.site import Site
from notifier.domain.telling import Told, Verdict, judge
from notifier.pipeline.standing import HOLD, Rules, Standing
from notifier.ports import Channel, Clock, Promise, UnitOfWork

_MILD = {
    Kind.RECOVERED,
    Kind.UP,
    Kind.EASED,
    Kind.RETURNED,
    Kind.CALM,
    Kind.SITE_BACK,
    Kind.SEEN_AGAIN,
    Kind.CHANNEL_WORKS,
    Kind.AUDIT_PASSED,
    Kind.OBJECTIVE_MET,
    Kind.DRILL_PASSED,
    Kind.REMINDER,
}


@dataclass(frozen=True, slots=True)
class News:
    """A change of a subject: how it stands now, and the words that tell it.

    `sighted_at` is when a confirmed change was first seen; None for what does not count for the objective.
    """

    condition: Condition
    notification: Notification
    sighted_at: datetime | None = None

    @classmethod
    def of_trouble(cls, subject: Subject, told: Notification, incident: int | None) -> "News":
        """Tell of a trouble of the notifier's own: the number of the incident that it is; None: it is over."""
        condition = Condition(
            subject=subject,
            status=told.status or "",
            before=told.before,
            problem=incident is not None,
            severity=told.severity,
            incident=incident,
            changed_at=told.recorded_at,
        )
        return cls(condition, told)


@dataclass(frozen=True, slots=True)
class _Case:
    """One condition before one channel, and what is to be done; `place` is that of its words, if they are new."""

    condition: Condition
    channel: Channel
    before: Told
    verdict: Verdict
    place: int | None


@dataclass(slots=True)
class _Draft:
    """What a transaction will write: words with the deliveries that carry them, and what they make known."""

    promised: list[tuple[Notification, list[Promise]]] = field(default_factory=list)
    known: list[tuple[Told, int | None]] = field(default_factory=list)
    verdicts: list[tuple[int | None, int, str, str]] = field(default_factory=list)
    sighted: dict[int | None, datetime] = field(default_factory=dict)

    def carry(self, notification: Notification) -> int:
        """Take words in; return their place."""
        self.promised.append((notification, []))
        return len(self.promised) - 1

    def words(self, place: int | None, original: Notification | None) -> Notification:
        """Return the words at a place, or those that were stored before."""
        if place is not None:
            return self.promised[place][0]
        if original is None:
            raise LookupError("a condition's words are gone")  # retention keeps them
        return original

    def promise(self, place: int, promise: Promise) -> None:
        """Promise the words at a place."""
        self.promised[place][1].append(promise)

    async def write(self, work: UnitOfWork, conditions: Mapping[int, Condition], now: datetime) -> bool:
        """Write it all; `conditions` are the new ones, by the place of their words. True if something was promised."""
        ids = await work.outbox.promise(self.promised)
        await work.ledger.save_conditions([replace(c, notification=ids[place]) for place, c in conditions.items()])
        told = [t if place is None else replace(t, notification=ids[place]) for t, place in self.known]
        await work.ledger.save_told(told)
        why = {(id_ if place is None else ids[place], channel): why for place, id_, channel, why in self.verdicts}
        await work.ledger.explain([(id_, channel, reason) for (id_, channel), reason in why.items() if id_], now)
        return any(promises for _, promises in self.promised)


class Teller:
    """Promises to each channel what it is owed."""

    def __init__(self, rules: Rules, machine: Clock | None = None) -> None:
        """`machine` is the clock by which people set silences and windows, if it is not the one that is passed."""
        self.rules = rules
        self._machine = machine

    async def tell(
        self,
        work: UnitOfWork,
        account: str,
        news: Sequence[News],
        now: datetime,
        notices: Sequence[News] = (),
        sites: Mapping[str, Site] = MappingProxyType({}),
    ) -> bool:
        """Record news of an account and promise what follows; `notices` tell something that changes no condition.

        Of one subject at most one piece of news at a time. The account's ledger is locked. `sites`: those that this
        transaction has read already, as they are now. True if something was promised.
        """
        draft = _Draft()
        fresh = {each.condition.subject: draft.carry(each.notification) for each in news}
        draft.sighted = {fresh[n.condition.subject]: n.sighted_at for n in news if n.sighted_at is not None}
        changed = {each.condition.subject: each.condition for each in news}
        beside = await work.ledger.conditions(account, [each.condition.subject for each in notices], ())
        standing = await self._standing(work, account, [*beside, *changed.values()], now, sites)
        told = await _told_by(work, account, standing.conditions)
        await self._settle(work, draft, standing, self._cases(standing, told, fresh))
        for notice in notices:
            self._notice(draft, standing, told, notice)
        return await draft.write(work, {fresh[subject]: condition for subject, condition in changed.items()}, now)

    async def look_again(self, work: UnitOfWork, account: str, subjects: Collection[Subject], now: datetime) -> bool:
        """Promise what is owed of these subjects by now: a window ended, a channel came, nobody acknowledged."""
        await work.ledger.lock(account)
        stored = await work.ledger.conditions(account, subjects, ())
        standing = await self._standing(work, account, stored, now)
        told = await _told_by(work, account, {*subjects, *standing.conditions})
        draft = _Draft()
        for each in (known for subject in told for known in told[subject].values() if known.look_at is not None):
            if each.subject not in standing.conditions or each.channel not in self.rules.channels:
                draft.known.append((replace(each, look_at=None), None))  # nobody is there to be told
        await self._settle(work, draft, standing, self._cases(standing, told, {}))
        return await draft.write(work, {}, now)

    async def remind(self, work: UnitOfWork, account: str, subjects: Collection[Subject], now: datetime) -> bool:
        """Remind of what is still a problem, unless somebody has it in hand or it is kept back (R21)."""
        await work.ledger.lock(account)
        stored = await work.ledger.conditions(account, subjects, ())
        standing = await self._standing(work, account, stored, now)
        originals = await work.outbox.notifications({c.notification for c in stored})
        draft = _Draft()
        for told in await work.ledger.told(account, subjects):
            if told.remind_at is None or told.remind_at > now:
                continue
            condition, channel = standing.conditions.get(told.subject), self.rules.channels.get(told.channel)
            if condition is None or channel is None or not (told.problem and condition.problem and self.rules.remind):
                draft.known.append((replace(told, remind_at=None), None))
                continue
            draft.known.append((replace(told, remind_at=now + self.rules.remind), None))
            original = originals.get(condition.notification)
            quiet = standing.acknowledged(condition) or standing.suppression(condition) or condition.flapping
            if original is None or quiet:
                continue
            site = standing.sites.get(condition.site or "")
            reminder = words.tell_reminder(condition, original, now, site=site)
            promise = self._promise(channel, condition, reminder, Action.TELL, "reminder", now)
            draft.promise(draft.carry(reminder), promise)
        return await draft.write(work, {}, now)

    async def _standing(
        self,
        work: UnitOfWork,
        account: str,
        about: Sequence[Condition],
        now: datetime,
        sites: Mapping[str, Site] = MappingProxyType({}),
    ) -> Standing:
        """Read everything that lies at the sites of these conditions; they themselves are as they are given."""
        names = {c.site for c in about if c.site is not None}
        unread = names - sites.keys()
        conditions = {c.subject: c for c in (*await work.ledger.conditions(account, (), names), *about)}
        calendar = now if self._machine is None else self._machine.now()
        return Standing(
            now=now,
            calendar=calendar,
            rules=self.rules,
            silences=await work.ledger.silences(calendar),
            conditions=conditions,
            sites={**sites, **(await work.watched.sites(account, unread) if unread else {})},
            incidents=await work.record.incidents([c.key for c in conditions.values() if c.key is not None]),
        )

    def _cases(
        self, standing: Standing, told: Mapping[Subject, Mapping[str, Told]], fresh: Mapping[Subject, int]
    ) -> list[_Case]:
        """Compare every condition with what every channel knows of it; sites first, for they bear on their links."""
        cases: list[_Case] = []
        site_told: set[tuple[str, str | None]] = set()
        for condition in _sites_first(standing.conditions.values()):
            reach = standing.reached(condition)
            for name, channel in self.rules.channels.items():
                before = told.get(condition.subject, {}).get(name) or Told(channel=name, subject=condition.subject)
                inhibited = (name, condition.site) in site_told
                verdict = judge(
                    condition,
                    before,
                    stateful=channel.stateful,
                    why=_why(reach.get(name), before, condition),
                    kept=standing.kept(condition, channel, before, reach.get(name), site_told=inhibited),
                    fresh=condition.subject in fresh,
                )
                cases.append(_Case(condition, channel, before, verdict, fresh.get(condition.subject)))
                if condition.subject.kind is IncidentKind.SITE and _is_open(condition, verdict.told):
                    site_told.add((name, condition.site))
        return cases

    async def _settle(self, work: UnitOfWork, draft: _Draft, standing: Standing, cases: Sequence[_Case]) -> None:
        """Promise what the verdicts ask for, and keep what they make known."""
        old = {
            case.condition.notification
            for case in cases
            if case.place is None and (case.verdict.does is not None or case.verdict.closes is not None)
        }
        originals = await work.outbox.notifications(old)
        for case in cases:
            verdict, told, carried = case.verdict, case.verdict.told, None
            original = originals.get(case.condition.notification)
            if verdict.closes is not None:
                carried = self._close(draft, standing, case, original, verdict.closes)
            if verdict.does is not None:
                carried = self._tell(draft, standing, case, original, verdict.does)
                remind = case.condition.problem and not case.channel.stateful and self.rules.remind
                remind_at = standing.now + self.rules.remind if remind else None
                told = replace(told, told_at=standing.now, remind_at=remind_at)
            elif case.place is not None or case.before.kept not in {None, told.kept}:
                why = verdict.why if case.place is not None else f"{case.before.kept}; then: {verdict.why}"
                draft.verdicts.append((case.place, case.condition.notification, case.channel.name, why))
            stored = case.before.told_at is not None or case.before.kept is not None
            if told != case.before and (stored or carried is not None or told.kept is not None):
                draft.known.append((told, carried))

    def _close(self, draft: _Draft, standing: Standing, case: _Case, original: Notification | None, number: int) -> int:
        """Promise the end of an incident under the key that opened it (R18)."""
        text, place = draft.words(case.place, original), case.place
        key = key_of(case.condition.subject, number)
        if place is None or text.incident_key != key:
            text = replace(text, incident_key=key, recorded_at=standing.now)
            place = draft.carry(text)
        why, now = case.verdict.why, standing.now
        promise = self._promise(case.channel, case.condition, text, Action.CLOSE, why, now)
        draft.promise(place, replace(promise, sighted_at=draft.sighted.get(case.place)))
        return place

    def _tell(self, draft: _Draft, standing: Standing, case: _Case, original: Notification | None, does: Action) -> int:
        """Promise a condition's words; later than others they are told with the reason for that.

        What was kept back does not count for the objective; to have looked at a site first is part of telling.
        """
        text, place = draft.words(case.place, original), case.place
        sighted_at = draft.sighted.get(place)
        if place is None:
            if case.before.kept == HOLD:
                sighted_at = text.observed_at
            else:
                site = standing.sites.get(case.condition.site or "")
                text = words.retold(text, _why_now(case.before), standing.now, site=site)
            place = draft.carry(text)
        why, now = case.verdict.why, standing.now
        promise = self._promise(case.channel, case.condition, text, does, why, now)
        draft.promise(place, replace(promise, sighted_at=sighted_at))
        return place

    def _notice(
        self, draft: _Draft, standing: Standing, told: Mapping[Subject, Mapping[str, Told]], notice: News
    ) -> None:
        """Tell message channels something beside the conditions: that a link flaps, or has stopped to."""
        about = replace(notice.condition, severity=notice.notification.severity)
        place = draft.carry(notice.notification)
        reach = standing.reached(about)
        suppression = standing.suppression(notice.condition)
        for name, channel in self.rules.channels.items():
            knows = told.get(about.subject, {}).get(name)
            why = _why(reach.get(name), knows, about) if reach.get(name) is None or _at_once(reach[name]) else None
            if channel.stateful or why is None:
                continue
            if suppression is not None:
                draft.verdicts.append((place, 0, name, f"kept back: {suppression.why}"))
                continue
            promise = self._promise(channel, about, notice.notification, Action.TELL, why, standing.now)
            draft.promise(place, promise)

    def _promise(
        self, channel: Channel, c: Condition, told: Notification, does: Action, why: str, now: datetime
    ) -> Promise:
        """Make a delivery; what lies at one site waits for its company, where one message can tell all of it (R20)."""
        gathered = channel.bundles and c.site is not None
        recorded_at = min(told.recorded_at, now)  # the words may be those of a clock that was ahead (R7)
        at_site = gathered or c.subject.kind is IncidentKind.SITE
        return Promise(
            channel=channel.name,
            lane=f"{c.subject.account}/site/{c.site}" if at_site else f"{c.subject.account}/{c.subject.name}",
            action=does,
            urgency=1 if does is Action.CLOSE or told.kind in _MILD else 0,
            due_at=recorded_at + self.rules.wait if gathered else recorded_at,
            give_up_at=gives_up_at(recorded_at, does),
            why=why,
        )


def _sites_first(conditions: Iterable[Condition]) -> list[Condition]:
    return sorted(conditions, key=lambda c: (c.subject.kind is not IncidentKind.SITE, c.subject.name))


def _is_open(condition: Condition, told: Told) -> bool:
    return condition.incident is not None and told.incident == condition.incident


def _at_once(reach: Reach) -> bool:
    return reach.after is None


def _why(reach: Reach | None, told: Told | None, condition: Condition) -> str | None:
    """Say why a channel is told: a route leads there, or it was told of this incident before."""
    if reach is not None:
        return reach.why
    known = told is not None and (
        told.problem or (condition.incident is not None and told.incident == condition.incident)
    )
    return "it was told of the problem" if known else None


def _why_now(before: Told) -> str:
    return f"{before.kept} kept it back" if before.kept else "this channel, or a route to it, is new"


async def _told_by(work: UnitOfWork, account: str, subjects: Collection[Subject]) -> dict[Subject, dict[str, Told]]:
    found: defaultdict[Subject, dict[str, Told]] = defaultdict(dict)
    for told in await work.ledger.told(account, subjects):
        found[told.subject][told.channel] = told
    return dict(found)
