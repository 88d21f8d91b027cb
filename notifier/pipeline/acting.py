"""What operators do: take an incident in hand, keep messages back; each act is recorded with who and why (R22, R24)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from notifier.domain.duration import format_duration
from notifier.domain.incident import Acknowledgement, Incident, IncidentKind, Subject
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence
from notifier.domain.words.voice import utc
from notifier.errors import NotPossibleError, NotThereError
from notifier.insight import Silenced
from notifier.ports import Clock, Database, UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who acts, why, and when."""

    by: str
    comment: str
    at: datetime


async def acknowledge(
    work: UnitOfWork,
    named: str,
    given: Acknowledgement | None,
    signed: Signature,
    ids: Mapping[str, str] = MappingProxyType({}),
) -> Incident:
    """Acknowledge an open incident, or (None) take that back; return it as it was before.

    It is named by its key, or by what it is about if that is the only one; `ids` are account ids by name.

    Raises:
        NotThereError, NotPossibleError: There is no such open incident; or nothing to take back.
    """
    found = await _choose(work, named, ids, signed.at)
    if given is None and found.acknowledgement is None:
        raise NotPossibleError(f"{found.key} is not acknowledged")
    await work.ledger.lock(found.account)
    if not await work.ledger.acknowledge(found.key, given):
        raise NotPossibleError(f"{found.key} has been closed just now")
    if found.acknowledgement is not None:  # what waited for that one may be due, or wait for another time
        subject = Subject(kind=found.kind, account=found.account, name=found.subject)
        await work.ledger.look_again(signed.at, subject=subject)
    name = "ack" if given else "unack"
    told = {"by": signed.by, "act": name, "target": found.key, "comment": signed.comment}
    await work.ledger.act(at=signed.at, **told, given=given)
    return found


async def silence(work: UnitOfWork, given: Silence, at: datetime) -> Silenced:
    """Write a silence; return its id, and the watched interconnects that it covers."""
    number = await work.ledger.add_silence(given)
    await work.ledger.act(at=at, by=given.by, act="add", target=f"silence {number}", comment=given.comment, given=given)
    covered = [
        name
        for account in sorted(await work.watched.accounts())
        for name, link in (await work.watched.links(account)).items()
        if given.match.covers(account, name, link.site)
    ]
    return Silenced(id=number, covered=tuple(covered))


async def expire(work: UnitOfWork, number: int, signed: Signature) -> None:
    """End a silence now; what it kept back is looked at again.

    Raises:
        NotThereError: No such silence holds or is to come.
    """
    # Who is judging an account right now may still keep something back for this silence: wait for that to be written.
    await work.ledger.lock_all()
    if not await work.ledger.end_silence(number, signed.at):
        raise NotThereError(f"no silence {number} holds or is to come")
    await work.ledger.look_again(signed.at)
    target = f"silence {number}"
    await work.ledger.act(at=signed.at, by=signed.by, act="expire", target=target, comment=signed.comment)


async def _choose(work: UnitOfWork, named: str, ids: Mapping[str, str], now: datetime) -> Incident:
    """Return the open incident of that key, or the only one about that interconnect, site, account or channel."""
    listed = [incident for kind in IncidentKind for incident in await work.record.open_incidents_of(kind)]
    fitting = [i for i in listed if i.key == named] or [i for i in listed if i.subject in {named, ids.get(named)}]
    if len(fitting) == 1:
        return fitting[0]
    closed = (await work.record.incidents([named])).get(named)
    shown = [f"  {i.key}  {i.severity}, for {format_duration(now - i.opened_at)}" for i in fitting or listed]
    if fitting:
        problem = f"{len(fitting)} open incidents are about {named}; choose one by its key:"
        raise NotPossibleError("\n".join([problem, *shown]))
    told = ["Open are:" if shown else "None is open."]
    if closed is not None and closed.closed_at is not None:
        raise NotPossibleError("\n".join([f"{named} ended at {utc(closed.closed_at)}.", *told, *shown]))
    raise NotThereError("\n".join([f"no open incident {named}.", *told, *shown]))


class Acting:
    """Acts from within the service, each in one unit of work; keeps `insight.Acts`. The clock is people's."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def now(self) -> datetime:
        """Return the moment that an act would have."""
        return self._clock.now()

    async def acknowledge(
        self, incident: str, *, by: str, comment: str, until: datetime | None = None, sticky: bool = False
    ) -> Incident:
        """Take an open incident in hand; return it as it was before."""
        signed = self._signed(by, comment)
        given = Acknowledgement(by=by, at=signed.at, until=until, sticky=sticky)
        async with self._database.begin() as work:
            return await acknowledge(work, incident, given, signed)

    async def unacknowledge(self, incident: str, *, by: str, comment: str) -> Incident:
        """Take an acknowledgement back; return the incident as it was before."""
        async with self._database.begin() as work:
            return await acknowledge(work, incident, None, self._signed(by, comment))

    async def silence(
        self, match: Matcher, *, until: datetime, by: str, comment: str, start: datetime | None = None
    ) -> Silenced:
        """Keep messages back until then, from now on or from `start`."""
        now = self._clock.now()
        given = Silence(id=0, match=match, from_at=start or now, until_at=until, by=by, comment=comment)
        async with self._database.begin() as work:
            return await silence(work, given, now)

    async def expire(self, silence: int, *, by: str, comment: str) -> None:
        """End a silence now."""
        async with self._database.begin() as work:
            await expire(work, silence, self._signed(by, comment))

    def _signed(self, by: str, comment: str) -> Signature:
        return Signature(by=by, comment=comment, at=self._clock.now())
