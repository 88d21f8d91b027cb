"""What was told of an interconnect, to whom and why, and why not."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import rows
from notifier.adapters.database.reading import Found, Reading, Wanted, act_found
from notifier.adapters.database.tables import (
    acts,
    attempts,
    channels,
    deliveries,
    incidents,
    interconnects,
    notifications,
    silences,
    states,
    told,
    verdicts,
)
from notifier.domain.incident import IncidentKind
from notifier.domain.interconnect import Interconnect
from notifier.ports import Outcome

UNPROMISED = "not promised"  # stands where a delivery's outcome would


class Explaining:
    """Answers "it did not tell me, why?" within one transaction; the service may be at work."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    async def links(self, name: str) -> list[Interconnect]:
        """Return the interconnects of that name that were ever watched, of any account."""
        found = await self._conn.execute(select(interconnects).where(interconnects.c.name == name))
        return [rows.to_link(row) for row in found]

    async def explain(self, link: Interconnect, *, limit: int, now: datetime) -> list[Found]:
        """Return the last transitions, what else happened to the site and the account meanwhile, and how it is now.

        Oldest first; each is an object with a `kind`: `transition`, `notice` (of the site, the account's sight, or
        flapping), `act` (of an operator), and one `now` at the end.
        """
        wanted = Wanted(account=link.account, limit=limit)
        transitions = (await Reading(self._conn).transitions(wanted, link.name))[::-1]
        present = await self._now(link, now)
        if not transitions:
            return [present]
        since = min(transition["first_seen_at"] for transition in transitions)
        n = notifications.c
        told_of = {link.name, link.account, link.site or link.name}
        tellings = await self._tellings(n.account == link.account, n.subject.in_(told_of), n.recorded_at >= since)
        happened = _events(link, transitions, tellings)
        keys = {row["incident"] for row in (*transitions, *tellings, *present["incidents"])}
        happened += await self._acts(link, keys | {f"delivery {row['id']}" for row in tellings}, since)
        return [*sorted(happened, key=lambda event: event["at"]), present]

    async def delivery(self, number: int) -> Found | None:
        """Return a delivery's channel and outcome."""
        d = deliveries.c
        found = (await self._conn.execute(select(d.channel, d.outcome).where(d.id == number))).one_or_none()
        return None if found is None else {"channel": found.channel, "outcome": found.outcome}

    async def deliveries(self, of: Collection[int]) -> list[Found]:
        """Return what became of some notifications (ids), oldest first."""
        return await self._tellings(notifications.c.id.in_(of))

    async def about(self, keys: Collection[str]) -> list[Found]:
        """Return what was told of some incidents, oldest first."""
        return await self._tellings(notifications.c.incident_key.in_(keys))

    async def _tellings(self, *about: ColumnElement[bool]) -> list[Found]:
        """Return what was promised of some notifications, and what was not and why; in the order of time."""
        chosen = select(notifications.c.id).where(*about)
        words = {row.id: row for row in await self._conn.execute(select(notifications).where(*about))}
        tried: defaultdict[int, list[Found]] = defaultdict(list)
        its = attempts.c.delivery.in_(select(deliveries.c.id).where(deliveries.c.notification.in_(chosen)))
        for row in await self._conn.execute(select(attempts).where(its).order_by(attempts.c.number)):
            keys = ("number", "started_at", "ended_at", "outcome", "code", "cause", "message")
            tried[row.delivery].append({key: row._mapping[key] for key in keys})  # noqa: SLF001 - documented
        promised = await self._conn.execute(select(deliveries).where(deliveries.c.notification.in_(chosen)))
        found = [_promised(row, words[row.notification], tried[row.id]) for row in promised]
        unpromised = await self._conn.execute(select(verdicts).where(verdicts.c.notification.in_(chosen)))
        found += [_unpromised(row, words[row.notification]) for row in unpromised]
        return sorted(found, key=lambda row: (row["at"], row["notification"]))

    async def _acts(self, link: Interconnect, targets: Collection[str], since: datetime) -> list[Found]:
        ended_later = await self._conn.execute(select(silences).where(silences.c.until_at >= since))
        covering = (
            silence.id
            for silence in map(rows.to_silence, ended_later)
            if silence.match.covers(link.account, link.name, link.site)
        )
        about = {*targets, *(f"silence {number}" for number in covering)} - {None}
        found = await self._conn.execute(select(acts).where(acts.c.target.in_(about)).order_by(acts.c.id))
        return [act_found(row) for row in found]

    async def _now(self, link: Interconnect, now: datetime) -> Found:
        s = states.c
        query = select(s.status, s.since, s.blind, s.cause).where(s.account == link.account, s.name == link.name)
        state = (await self._conn.execute(query)).one_or_none()
        return {
            "id": f"{link.account}/{link.name}",
            "kind": "now",
            "at": now,
            "account": link.account,
            "name": link.name,
            "site": link.site,
            "status": state and state.status,
            "since": state and state.since,
            "blind": bool(state and state.blind),
            "cause": state and state.cause and state.cause["text"],
            "incidents": await self._incidents(link),
            "channels": await self._channels(link),
        }

    async def _incidents(self, link: Interconnect) -> list[Found]:
        i = incidents.c
        query = select(incidents).where(i.account == link.account, i.closed_at.is_(None), _subjects(i, link))
        about = ("kind", "subject", "severity", "opened_at")
        keys = (*about, "acknowledged_by", "acknowledged_at", "acknowledged_until", "sticky")
        return [
            {"incident": row.key, **{key: row._mapping[key] for key in keys}}  # noqa: SLF001 - documented
            for row in await self._conn.execute(query.order_by(i.id))
        ]

    async def _channels(self, link: Interconnect) -> list[Found]:
        """Return what the channels know of the link, and what is kept back of it, its site and its account."""
        t = told.c
        query = select(told).join(channels, channels.c.name == t.channel)
        query = query.where(t.account == link.account, _subjects(t, link)).order_by(t.kind, t.channel)
        keys = ("channel", "kind", "subject", "status", "told_at", "kept", "look_at", "remind_at")
        return [{key: row._mapping[key] for key in keys} for row in await self._conn.execute(query)]  # noqa: SLF001


def _subjects(columns: Any, link: Interconnect) -> ColumnElement[bool]:
    kinds = {IncidentKind.INTERCONNECT: link.name, IncidentKind.SITE: link.site, IncidentKind.BLIND: link.account}
    return or_(*(and_(columns.kind == kind, columns.subject == subject) for kind, subject in kinds.items() if subject))


def _promised(row: Row[Any], words: Row[Any], tried: list[Found]) -> Found:
    waiting = row.outcome == Outcome.PENDING
    return _telling(words) | {
        "id": row.id,
        "channel": row.channel,
        "at": words.recorded_at,
        "why": row.why,
        "action": row.action,
        "outcome": row.outcome,
        "cause": row.cause,
        "receipt": row.receipt,
        "due_at": row.due_at if waiting else None,
        "settled_at": row.settled_at,
        "tries": row.attempts,
        "attempts": tried,
    }


def _unpromised(row: Row[Any], words: Row[Any]) -> Found:
    return _telling(words) | {"id": None, "channel": row.channel, "at": row.at, "why": row.why, "outcome": UNPROMISED}


def _telling(words: Row[Any]) -> Found:
    content = words.content
    return {
        "notification": words.id,
        "subject": words.subject,
        "kind": words.kind,
        "title": content["title"],
        "incident": words.incident_key,
        "observed_at": datetime.fromisoformat(content["observed_at"]),
    }


def _events(link: Interconnect, transitions: Iterable[Found], tellings: Iterable[Found]) -> list[Found]:
    """Give each transition what was told of it; what was told of anything else is an event by itself.

    Whatever tells of a transition says when that was first seen, and no two transitions of a link were at once.
    """
    about: defaultdict[tuple[str, datetime], list[Found]] = defaultdict(list)
    for telling in tellings:
        about[telling["subject"], telling["observed_at"]].append(telling)
    found = [{**t, "channels": about.pop((link.name, t["first_seen_at"]), [])} for t in transitions]
    return found + [
        {
            "id": f"notice-{story[0]['notification']}",
            "kind": "notice",
            "at": story[0]["at"],
            "title": story[0]["title"],
            "channels": story,
        }
        for story in about.values()
    ]
