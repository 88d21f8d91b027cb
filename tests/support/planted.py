"""A record that adds up, and what can be planted in it that does not (R28); everything is repaired again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import update

from notifier.adapters.database import tables
from notifier.adapters.database.database import SqlUnitOfWork
from notifier.domain.condition import BACK, LOST, Condition
from notifier.domain.decision import Transition
from notifier.domain.incident import Incident, IncidentKind, Subject
from notifier.domain.notification import Action
from notifier.domain.status import DOWN, UNHEALTHY, Severity
from notifier.domain.telling import Told
from notifier.domain.violation import Flaw
from notifier.ports import Database, UnitOfWork
from tests.support.conditions import down
from tests.support.deliveries import promise, sent, told
from tests.support.examples import ACCOUNT, LINK, NIGHT, run, seconds, unknown
from tests.support.memory import MemoryUnitOfWork

NOW = NIGHT + timedelta(hours=1)
STATEFUL = {"noc": False, "pager": True}
CONDITION = replace(down(LINK.name), site=LINK.site, notification=1)
KNOWN = Told(
    channel="noc", subject=CONDITION.subject, status=DOWN, problem=True, incident=1, notification=1, told_at=NIGHT
)
SITE = Subject(kind=IncidentKind.SITE, account=ACCOUNT, name="ams-a")
SITE_IS_BACK = Condition(
    subject=SITE, status=BACK, before=LOST, problem=False, severity=Severity.OK, incident=None, changed_at=NIGHT
)
HELD = Told(channel="pager", subject=SITE, status=LOST, problem=True, incident=1, told_at=NIGHT)
SITE_LOST = Incident(
    kind=IncidentKind.SITE, account=ACCOUNT, subject="ams-a", number=1, severity=Severity.CRITICAL, opened_at=NIGHT
)
OUTAGE = replace(SITE_LOST, kind=IncidentKind.INTERCONNECT, subject=LINK.name)
KEPT = replace(HELD, incident=None, problem=False, kept="silence 1", look_at=NIGHT)

Change = Callable[[UnitOfWork], Awaitable[object]]


@dataclass(frozen=True)
class Plant:
    """What is done to the record, and undone; `said` is what the audit says of it."""

    flaw: Flaw
    plant: Change
    repair: Change
    said: str


def transition(number: int) -> Transition:
    [made] = [d.transition for d in run("Healthy Down Down") if d.transition is not None and d.transition.number == 2]
    return replace(made, number=number, confirmed_at=NOW)


async def sound(database: Database) -> None:
    """Write a record that adds up: a link is Down, and both channels know it."""
    decisions = run("Healthy Down Down")
    async with database.begin() as work:
        await work.watched.save_links(ACCOUNT, [LINK], NIGHT)
        await work.watched.save_states([decisions[-1].state])
        await work.record.transitions([d.transition for d in decisions if d.transition is not None])
        await work.record.open_incidents([OUTAGE])
        [number] = await work.outbox.promise([(told(key=OUTAGE.key), [])])
        await work.ledger.save_conditions([replace(CONDITION, notification=number)])
        await work.ledger.save_told([KNOWN, replace(KNOWN, channel="pager")])


async def skip_a_number(work: UnitOfWork) -> None:
    await work.record.transitions([transition(4)])
    await move_to(work, 4)


async def move_to(work: UnitOfWork, number: int) -> None:
    [state] = (await work.watched.states(ACCOUNT, [LINK.name])).values()
    await work.watched.save_states([replace(state, number=number)])


async def name_the_key(work: UnitOfWork, old: str, new: str) -> None:
    if isinstance(work, MemoryUnitOfWork):
        incidents = work.tables.incidents
        incidents[new] = incidents.pop(old)
    else:
        assert isinstance(work, SqlUnitOfWork)
        i = tables.incidents.c
        await work.conn.execute(update(tables.incidents).where(i.key == old).values(key=new))


async def misstate(work: UnitOfWork, status: str) -> None:
    await work.ledger.save_conditions([replace(CONDITION, status=status)])
    await work.ledger.save_told([replace(KNOWN, status=status)])


async def tell_of_the_site(work: UnitOfWork, *known: Told) -> None:
    await work.ledger.save_conditions([SITE_IS_BACK])
    await work.ledger.save_told(known)


async def settle(work: UnitOfWork) -> None:
    await work.outbox.call_off({1}, "given up", NOW)


def later(due_after: timedelta = timedelta(0), given_up_after: timedelta = timedelta(days=1)) -> Change:
    """Promise something to noc, due then and to be given up then, both from NIGHT on."""
    promised = replace(promise(due_at=NIGHT + due_after), give_up_at=NIGHT + given_up_after)
    return lambda work: work.outbox.promise([(told(), [promised])])


async def leave_leased(work: UnitOfWork) -> None:
    await work.outbox.promise([(told(), [promise()])])
    until = NIGHT + seconds(60)
    await work.outbox.claim("noc", whole=False, lanes=1, now=NIGHT, until=until, owner="nobody any more")


async def open_what_is_over(work: UnitOfWork) -> None:
    await work.record.open_incidents([SITE_LOST])
    await work.record.close_incidents({SITE_LOST.key: NIGHT})
    await work.outbox.promise([(told(key=SITE_LOST.key), [promise("pager", action=Action.OPEN)])])
    until = NOW + seconds(60)
    claimed = await work.outbox.claim("pager", whole=False, lanes=1, now=NIGHT, until=until, owner="us")
    await work.outbox.settle([sent(each, at=NIGHT) for each in claimed])


async def close_it_after_all(work: UnitOfWork) -> None:
    await work.outbox.promise([(told(key=SITE_LOST.key), [promise("pager", action=Action.CLOSE, due_at=NOW)])])


OTHER = replace(unknown("icon-ams-02"), status=DOWN, since=NIGHT)
_LINK = f"[production] {LINK.name}: "
_SITE = "[production] site ams-a: "
_SINCE = "(since 2026-11-23 03:12:04Z)"

PLANTS = (
    Plant(
        Flaw.MISSING,
        skip_a_number,
        lambda work: work.record.transitions([transition(3)]),
        _LINK + "transition #3 is missing (since 2026-11-23 04:12:04Z)",
    ),
    Plant(
        Flaw.UNRECORDED,
        lambda work: move_to(work, 7),
        lambda work: move_to(work, 2),
        _LINK + "its state follows transition #7, which is not the newest on record (since 2026-11-23 03:12:34Z)",
    ),
    Plant(
        Flaw.NO_INCIDENT,
        lambda work: work.watched.save_states([OTHER]),
        lambda work: work.watched.save_states([replace(OTHER, status="Healthy", version=1)]),
        f"[production] icon-ams-02: it has a problem and no open incident {_SINCE}",
    ),
    Plant(
        Flaw.KEYLESS,
        lambda work: name_the_key(work, OUTAGE.key, "cni:lost"),
        lambda work: name_the_key(work, "cni:lost", OUTAGE.key),
        f"{_LINK}incident 1 is open under a key that will not close it {_SINCE}",
    ),
    Plant(
        Flaw.NO_CONDITION,
        lambda work: work.record.open_incidents([SITE_LOST]),
        lambda work: work.record.close_incidents({SITE_LOST.key: NOW}),
        f"{_SITE}incident 1 is open, but not what channels are compared with {_SINCE}",
    ),
    Plant(
        Flaw.ENDED,
        lambda work: work.ledger.save_conditions([replace(SITE_IS_BACK, incident=1)]),
        lambda work: work.ledger.save_conditions([SITE_IS_BACK]),
        f"{_SITE}channels are compared with incident 1, which is not open {_SINCE}",
    ),
    Plant(
        Flaw.MISSTATED,
        lambda work: misstate(work, UNHEALTHY),
        lambda work: misstate(work, DOWN),
        f"{_LINK}channels are compared with another status than the confirmed one, in incident 1 {_SINCE}",
    ),
    Plant(
        Flaw.HELD_OPEN,
        lambda work: tell_of_the_site(work, HELD),
        lambda work: tell_of_the_site(work, replace(HELD, incident=None)),
        f"{_SITE}channel pager still holds incident 1 open {_SINCE}",
    ),
    Plant(
        Flaw.STRANDED,
        open_what_is_over,
        close_it_after_all,
        f"{_SITE}channel pager took incident 1 open, and was not told of its end {_SINCE}",
    ),
    Plant(
        Flaw.OUTDATED,
        lambda work: tell_of_the_site(work, replace(HELD, channel="noc")),
        lambda work: tell_of_the_site(work, replace(HELD, channel="noc", status=BACK, problem=False)),
        f"{_SITE}channel noc was last told of a problem that is over or another, and is promised nothing {_SINCE}",
    ),
    Plant(
        Flaw.UNTOLD,
        lambda work: work.ledger.save_told([replace(KNOWN, channel="pager", incident=None)]),
        lambda work: work.ledger.explain([(1, "pager", "no route leads there")], NOW),
        f"{_LINK}channel pager was not told of incident 1, and nothing says why {_SINCE}",
    ),
    Plant(
        Flaw.FORGOTTEN,
        lambda work: tell_of_the_site(work, KEPT),
        lambda work: tell_of_the_site(work, replace(KEPT, look_at=None)),
        f"{_SITE}what is kept back from channel pager is not looked at again {_SINCE}",
    ),
    Plant(Flaw.OVERDUE, later(), settle, f"delivery 1 to channel noc is due and not being sent {_SINCE}"),
    Plant(Flaw.OVERDUE, leave_leased, settle, f"delivery 1 to channel noc is due and not being sent {_SINCE}"),
    Plant(
        Flaw.OVERDUE,
        later(due_after=timedelta(hours=2), given_up_after=timedelta(minutes=1)),
        settle,
        "delivery 1 to channel noc is due and not being sent (since 2026-11-23 05:12:04Z)",
    ),
)
