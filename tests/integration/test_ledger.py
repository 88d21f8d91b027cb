"""What every ledger promises (R18-R25): one suite over memory, SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from notifier.domain.incident import Acknowledgement, Incident, IncidentKind, Subject
from notifier.domain.matching import Matcher
from notifier.domain.status import DOWN, HEALTHY, Severity
from notifier.domain.suppression import Silence
from notifier.domain.telling import Told
from notifier.ports import Configured, Database
from tests.support.conditions import about, down
from tests.support.deliveries import LATER, LEASED, claim, promise, put, told
from tests.support.examples import ACCOUNT, NIGHT, seconds
from tests.support.sealing import seal

ONE, TWO, FAR = down("icon-ams-01", "ams-a"), down("icon-ams-02", "ams-a"), down("icon-fra-01", "fra-a")
SITE = about(IncidentKind.SITE, "ams-a", "ams-a")
CHANNEL = about(IncidentKind.CHANNEL, "noc")
KNOWN = Told(channel="noc", subject=ONE.subject, status=DOWN, problem=True, incident=1, notification=7, told_at=NIGHT)
KEPT = Told(channel="noc", subject=TWO.subject, kept="silence 3", look_at=LATER)
FULL = replace(KNOWN, channel="mail", kept="flapping", look_at=LATER, remind_at=LEASED)
OUTAGE = Incident(
    kind=IncidentKind.INTERCONNECT,
    account=ACCOUNT,
    subject="icon-ams-01",
    number=1,
    severity=Severity.CRITICAL,
    opened_at=NIGHT,
)
BY_ADA = Acknowledgement(by="ada", at=NIGHT, until=LEASED, sticky=True)


def silence(begin: float = 0, end: float = 60) -> Silence:
    where = Matcher(account=("prod*",), name=("icon-*", "x"), site=("ams-?",))
    from_at, until_at = NIGHT + seconds(begin), NIGHT + seconds(end)
    return Silence(id=0, match=where, from_at=from_at, until_at=until_at, by="ada", comment="swap")


def sorted_(found: list[Told]) -> list[Told]:
    return sorted(found, key=lambda each: (each.channel, each.subject.name))


async def know(database: Database, *known: Told) -> None:
    async with database.begin() as work:
        await work.ledger.save_told(known)


async def known_of(database: Database, *subjects: Subject) -> list[Told]:
    async with database.begin() as work:
        return sorted_(await work.ledger.told(ACCOUNT, subjects))


# --- Conditions and what is known of them -------------------------------------------------------------------


async def test_a_condition_comes_back_as_it_was_saved_and_replaces_the_one_before(database: Database) -> None:
    over = replace(ONE, status=HEALTHY, before=DOWN, problem=False, incident=None, flapping=True, notification=9)
    for each in (ONE, over):
        async with database.begin() as work:
            await work.ledger.save_conditions([each])
        async with database.begin() as work:
            assert await work.ledger.conditions(ACCOUNT, [ONE.subject], ()) == [each]


async def test_conditions_are_found_by_subject_and_by_site_once_each(database: Database) -> None:
    async with database.begin() as work:
        await work.ledger.save_conditions([ONE, TWO, FAR, SITE, CHANNEL])
        await work.ledger.save_conditions([])
        found = await work.ledger.conditions(ACCOUNT, [ONE.subject, FAR.subject], ["ams-a"])
        assert sorted(c.subject.name for c in found) == ["ams-a", "icon-ams-01", "icon-ams-02", "icon-fra-01"]
        assert await work.ledger.conditions(ACCOUNT, [], []) == []
        assert await work.ledger.conditions("another", [ONE.subject], ["ams-a"]) == []
        assert await work.ledger.conditions("", [CHANNEL.subject], []) == [CHANNEL]


async def test_a_thousand_subjects_are_found_at_once(database: Database) -> None:
    conditions = [down(f"icon-{n}") for n in range(1_000)]
    async with database.begin() as work:
        await work.ledger.save_conditions(conditions)
        subjects = [c.subject for c in conditions]
        assert len(await work.ledger.conditions(ACCOUNT, subjects, ())) == 1_000


async def test_what_a_channel_knows_comes_back_as_it_was_saved(database: Database) -> None:
    await know(database, KNOWN, KEPT, FULL)
    await know(database, replace(KEPT, kept=None, look_at=None))
    await know(database)
    everything = [FULL, KNOWN, replace(KEPT, kept=None, look_at=None)]
    assert await known_of(database, ONE.subject, TWO.subject) == sorted_(everything)
    assert await known_of(database, FAR.subject) == []
    assert await known_of(database) == []


async def test_what_a_channel_knows_is_found_by_the_words_it_was_last_told(database: Database) -> None:
    await know(database, KNOWN, KEPT)
    async with database.begin() as work:
        assert await work.ledger.told_by(7, "noc") == KNOWN
        assert await work.ledger.told_by(7, "mail") is None
        assert await work.ledger.told_by(8, "noc") is None


async def test_unsettled_is_what_is_open_kept_back_or_held_open(database: Database) -> None:
    calm = replace(ONE, incident=None, problem=False, status=HEALTHY)
    kept, held, settled = (replace(calm, subject=down(name).subject) for name in ("kept", "held", "settled"))
    async with database.begin() as work:
        await work.ledger.save_conditions([ONE, kept, held, settled, CHANNEL])
        await work.ledger.save_told(
            [
                replace(KEPT, subject=kept.subject),
                replace(KNOWN, subject=held.subject),
                replace(KNOWN, subject=settled.subject, incident=None, problem=False),
            ]
        )
        found = await work.ledger.unsettled(ACCOUNT)
        assert sorted(subject.name for subject in found) == ["held", "icon-ams-01", "kept"]
        assert await work.ledger.unsettled("") == [CHANNEL.subject]


async def test_what_is_kept_back_is_due_from_its_moment_on_once_per_subject(database: Database) -> None:
    await know(database, KEPT, replace(KEPT, channel="mail"), KNOWN, replace(FULL, look_at=LEASED))
    async with database.begin() as work:
        assert await work.ledger.due(NIGHT) == []
        assert await work.ledger.due(LATER) == [TWO.subject]
        assert len(await work.ledger.due(LEASED)) == 2


async def test_all_that_is_kept_back_can_be_made_due_or_what_is_of_a_channel_or_a_subject(database: Database) -> None:
    forever = replace(KEPT, look_at=None)
    others = replace(forever, channel="mail"), replace(forever, subject=FAR.subject)
    for channel, subject, due in (
        ("mail", None, {TWO.subject}),
        (None, FAR.subject, {FAR.subject}),
        (None, None, {TWO.subject, FAR.subject}),
    ):
        await know(database, KNOWN, forever, *others)
        async with database.begin() as work:
            await work.ledger.look_again(LATER, channel=channel, subject=subject)
            assert set(await work.ledger.due(LATER)) == due
    assert await known_of(database, ONE.subject) == [KNOWN]


async def test_what_is_due_sooner_is_not_put_off_by_whoever_has_it_looked_at_again(database: Database) -> None:
    await know(database, KEPT)
    async with database.begin() as work:
        await work.ledger.look_again(LATER + timedelta(hours=1))
        assert await work.ledger.due(LATER) == [TWO.subject]


async def test_a_reminder_is_due_from_its_moment_on(database: Database) -> None:
    await know(database, KNOWN, FULL)
    async with database.begin() as work:
        assert await work.ledger.reminders(LEASED - seconds(1)) == []
        assert await work.ledger.reminders(LEASED) == [FULL.subject]


# --- A clock that was ahead ---------------------------------------------------------------------------------


async def test_r7_what_lies_in_the_future_is_brought_back_and_nothing_else(database: Database) -> None:
    hour, now = timedelta(hours=1), LATER
    soon, late = now + hour, now + 5 * hour
    began = {name: replace(OUTAGE, subject=name, opened_at=soon) for name in ("icon-ams-02", "icon-fra-01")}
    others = replace(TWO, subject=replace(TWO.subject, account="another"), changed_at=soon)
    async with database.begin() as work:
        await work.record.open_incidents([OUTAGE, *began.values()])
        await work.record.close_incidents({began["icon-fra-01"].key: late})
        await work.ledger.save_conditions([ONE, replace(TWO, changed_at=soon), others])
        await work.ledger.save_told([replace(KNOWN, remind_at=soon), replace(FULL, look_at=late, remind_at=late)])
    async with database.begin() as work:
        await work.ledger.lock(ACCOUNT)
        await work.ledger.bring_back(ACCOUNT, now, remind=4 * hour)
        found = await work.record.incidents([OUTAGE.key, *(i.key for i in began.values())])
        assert [i.opened_at for i in found.values() if i.closed_at is None] == [NIGHT, now]
        assert [i.opened_at for i in found.values() if i.closed_at is not None] == [soon]
        conditions = await work.ledger.conditions(ACCOUNT, [ONE.subject, TWO.subject], ())
        assert {c.subject.name: c.changed_at for c in conditions} == {"icon-ams-01": NIGHT, "icon-ams-02": now}
        assert await work.ledger.conditions("another", [others.subject], ()) == [others]
    assert [t.remind_at for t in await known_of(database, ONE.subject)] == [now + 4 * hour, soon]  # mail's, noc's
    assert [t.look_at for t in await known_of(database, ONE.subject)] == [late, None]


# --- Operators ----------------------------------------------------------------------------------------------


async def test_r24_a_silence_holds_from_its_begin_until_just_before_its_end(database: Database) -> None:
    async with database.begin() as work:
        number = await work.ledger.add_silence(silence(10, 60))
        for second, holds in ((9, False), (10, True), (59, True), (60, False)):
            found = await work.ledger.silences(NIGHT + seconds(second))
            assert found == ([replace(silence(10, 60), id=number)] if holds else [])


async def test_r24_a_silence_can_be_ended_once_or_before_it_begins(database: Database) -> None:
    async with database.begin() as work:
        now, planned = await work.ledger.add_silence(silence()), await work.ledger.add_silence(silence(30))
        assert now != planned
        assert await work.ledger.end_silence(now, LATER)
        assert not await work.ledger.end_silence(now, LATER)
        assert await work.ledger.end_silence(planned, LATER)
        assert not await work.ledger.end_silence(4711, LATER)
        assert await work.ledger.silences(NIGHT + seconds(40)) == []


async def test_r22_an_open_incident_is_acknowledged_and_that_is_taken_back(database: Database) -> None:
    async with database.begin() as work:
        await work.record.open_incidents([OUTAGE])
        assert await work.ledger.acknowledge(OUTAGE.key, BY_ADA)
        assert await work.record.incidents([OUTAGE.key]) == {OUTAGE.key: replace(OUTAGE, acknowledgement=BY_ADA)}
        assert await work.ledger.acknowledge(OUTAGE.key, None)
        assert await work.record.incidents([OUTAGE.key]) == {OUTAGE.key: OUTAGE}


async def test_r22_what_has_ended_or_never_was_is_not_acknowledged(database: Database) -> None:
    async with database.begin() as work:
        await work.record.open_incidents([OUTAGE])
        await work.record.close_incidents({OUTAGE.key: LATER})
        assert not await work.ledger.acknowledge(OUTAGE.key, BY_ADA)
        assert not await work.ledger.acknowledge("cni:unknown:1", BY_ADA)


async def test_r22_a_worsening_ends_an_acknowledgement_unless_it_is_sticky(database: Database) -> None:
    other = replace(OUTAGE, subject="icon-ams-02")
    async with database.begin() as work:
        await work.record.open_incidents([OUTAGE, other])
        await work.ledger.acknowledge(OUTAGE.key, BY_ADA)
        await work.ledger.acknowledge(other.key, replace(BY_ADA, sticky=False))
        await work.ledger.lapse([OUTAGE.key, other.key])
        await work.ledger.lapse([])
        found = await work.record.incidents([OUTAGE.key, other.key])
    assert found == {OUTAGE.key: replace(OUTAGE, acknowledgement=BY_ADA), other.key: other}


async def test_what_operators_do_is_kept(database: Database) -> None:
    async with database.begin() as work:
        await work.ledger.act(at=NIGHT, by="ada", act="ack", target=OUTAGE.key, comment="on it")


async def test_a_verdict_can_be_given_anew(database: Database) -> None:
    await put(database, promise())
    [claimed] = await claim(database)
    async with database.begin() as work:
        await work.ledger.explain(
            [(claimed.notification_id, "noc", "no route"), (claimed.notification_id, "x", "")], NIGHT
        )
        await work.ledger.explain([(claimed.notification_id, "noc", "silence 1; then: it knows that already")], LATER)
        await work.ledger.explain([], LATER)


# --- Channels -----------------------------------------------------------------------------------------------


def configured(**marks: str) -> dict[str, Configured]:
    return {name: Configured(fingerprint=mark, stateful=name == "pager") for name, mark in marks.items()}


async def test_the_channels_are_those_last_written(database: Database) -> None:
    for channels in ({}, configured(noc="a", pager="b"), configured(noc="c"), configured(noc="c", mail="d"), {}):
        async with database.begin() as work:
            await work.ledger.save_channels(channels, LATER)
            assert await work.ledger.channels() == channels


async def test_r18_under_another_name_a_channel_knows_what_it_knew(database: Database) -> None:
    overwritten, other = (
        replace(KNOWN, channel="slack", status=HEALTHY),
        replace(KNOWN, channel="slack", subject=FAR.subject),
    )
    await know(database, KNOWN, KEPT, replace(KNOWN, channel="mail"), overwritten, other)
    async with database.begin() as work:
        await work.ledger.rename_channel("noc", "slack")
        await work.ledger.rename_channel("nobody", "slack")
        await work.ledger.rename_channel("slack", "slack")
    renamed = [replace(KNOWN, channel="mail"), replace(KNOWN, channel="slack"), replace(KEPT, channel="slack"), other]
    assert await known_of(database, ONE.subject, TWO.subject, FAR.subject) == renamed


async def test_r18_what_a_channel_holds_open_is_named_by_key(database: Database) -> None:
    await know(database, *(replace(each, channel="pager") for each in (KNOWN, KEPT)))
    async with database.begin() as work:
        assert await work.ledger.held_open("pager") == [f"cni:{ACCOUNT}:icon-ams-01:1"]
        assert await work.ledger.held_open("gone") == []


# --- Retention and concurrency ------------------------------------------------------------------------------


async def test_words_that_may_still_be_said_are_never_forgotten(database: Database) -> None:
    async with database.begin() as work:
        stands, known, past = await work.outbox.promise([(told(title), []) for title in ("stands", "known", "past")])
        await work.ledger.save_conditions([replace(ONE, notification=stands)])
        await work.ledger.save_told([replace(KNOWN, notification=known)])
        await work.ledger.explain([(number, "noc", "no route") for number in (stands, known, past)], NIGHT)
    await seal(database)
    async with database.begin() as work:
        await work.chain.prune(NIGHT, deliveries_before=NIGHT + timedelta(days=90), observations_before=NIGHT)
        assert set(await work.outbox.notifications([stands, known, past])) == {stands, known}
        [after] = await work.outbox.promise([(told("after"), [])])
        assert after not in {stands, known}


async def test_whoever_locks_an_account_is_alone_with_it(sql_database: Database) -> None:
    """Each reads how often something was counted, gives way, and writes one more: alone, no count is lost."""

    async def count() -> None:
        async with sql_database.begin() as work:
            await work.ledger.lock(ACCOUNT)
            [condition] = await work.ledger.conditions(ACCOUNT, [ONE.subject], ())
            await asyncio.sleep(0)
            await work.ledger.save_conditions([replace(condition, notification=condition.notification + 1)])

    async with sql_database.begin() as work:
        await work.ledger.save_conditions([ONE])
    async with asyncio.timeout(30):
        await asyncio.gather(*(count() for _ in range(20)))
    async with sql_database.begin() as work:
        [condition] = await work.ledger.conditions(ACCOUNT, [ONE.subject], ())
    assert condition.notification == 20
