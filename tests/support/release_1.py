"""A database as release 1 left it: a link Down, an account half blind, a channel that refused; all still open (R18)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select

from notifier.adapters.database import migrating, tables
from notifier.adapters.database.database import SqlDatabase, SqlUnitOfWork
from notifier.domain.incident import IncidentKind, incident_key
from tests.support.examples import ACCOUNT, LINK, NIGHT, seconds

CONFIRMED = NIGHT + seconds(15)
KEY = incident_key(IncidentKind.INTERCONNECT, ACCOUNT, LINK.name, 1)
BLIND_KEY = incident_key(IncidentKind.BLIND, ACCOUNT, ACCOUNT, 1)
MAIL_KEY = incident_key(IncidentKind.CHANNEL, "", "mail", 1)
TITLE = "[production] icon-ams-01 is Down (was Healthy) #2"
LATER = NIGHT + timedelta(hours=1)

_LINK = {"account": ACCOUNT, "name": LINK.name}
_ROW = {"severity": "critical", "number": 1, "opened_at": NIGHT}
_TIMEOUT = {"kind": "timeout", "text": "timed out after 10s", "remedy": None, "retry_after_s": None}


def content(kind: str, title: str, subject: str, key: str, account: str = ACCOUNT) -> dict[str, Any]:
    """Make the words of a notification with the fields they had."""
    return {
        "kind": kind,
        "severity": "critical",
        "account": account,
        "account_name": "production" if account else "",
        "subject": subject,
        "title": title,
        "lead": f"{subject} is in trouble.",
        "observed_at": NIGHT.isoformat(),
        "recorded_at": CONFIRMED.isoformat(),
        "site": LINK.site if kind == "problem" else None,
        "reason": "Port down" if kind == "problem" else None,
        "facts": [["Site", "ams-a"], ["Sightings", 2]],
        "incident_key": key,
    }


async def leave(database: SqlDatabase, *, outcome: str = "sent") -> None:
    """Make the schema and the rows of release 1: an outage told to noc and pager, or still promised to them."""
    await migrating.upgrade(database.engine, "0001")
    async with database.begin() as work:
        await _link_is_down(work)
        await _tell(work, content("problem", TITLE, LINK.name, KEY), {"noc": "tell", "pager": "open"}, outcome)


async def _link_is_down(work: SqlUnitOfWork) -> None:
    links = {"site": LINK.site, "facility": LINK.facility, "speed": LINK.speed, "watched": True, "listed_at": NIGHT}
    state = {
        "status": "Down",
        "reason": "Port down",
        "since": NIGHT,
        "was_healthy": True,
        "number": 2,
        "incidents": 1,
        "incident": 1,
        "problem_since": NIGHT,
        "observed_at": CONFIRMED,
        "last_seen_at": CONFIRMED,
        "failed_polls": 0,
        "blind": False,
        "version": 3,
    }
    first = {
        "number": 1,
        "change": "baseline",
        "after": "Healthy",
        "first_seen_at": NIGHT - timedelta(days=1),
        "confirmed_at": NIGHT - timedelta(days=1),
        "sightings": 1,
        "unobserved": False,
    }
    outage = {
        "number": 2,
        "change": "problem",
        "before": "Healthy",
        "after": "Down",
        "incident": 1,
        "problem_since": NIGHT,
    }
    await _write(work, tables.interconnects, _LINK | links)
    await _write(work, tables.states, _LINK | state)
    await _write(work, tables.transitions, _LINK | first)
    await _write(work, tables.transitions, _LINK | first | outage | {"first_seen_at": NIGHT, "confirmed_at": CONFIRMED})
    await _write(
        work, tables.incidents, _ROW | {"kind": "interconnect", "account": ACCOUNT, "subject": LINK.name, "key": KEY}
    )


async def go_blind(database: SqlDatabase) -> None:
    """Have the account be blind as well, and that told to noc and pager."""
    async with database.begin() as work:
        view = {"listing_failures": 0, "incident": 1, "incidents": 1, "since": NIGHT, "version": 2}
        await _write(work, tables.views, view | {"account": ACCOUNT})
        await work.conn.execute(tables.states.update().values(blind=True, failed_polls=3, cause=_TIMEOUT))
        subject = {"kind": "blind", "account": ACCOUNT, "subject": ACCOUNT}
        await _write(work, tables.incidents, _ROW | subject | {"key": BLIND_KEY, "severity": "warning"})
        words = content("blind", "[production] cannot see interconnects: timed out", ACCOUNT, BLIND_KEY)
        await _tell(work, words, {"noc": "tell", "pager": "open"}, "sent")


async def refuse(database: SqlDatabase) -> None:
    """Have a third channel refuse what it was sent, and that told to noc and pager."""
    async with database.begin() as work:
        subject = {"kind": "channel", "account": "", "subject": "mail"}
        await _write(work, tables.incidents, _ROW | subject | {"key": MAIL_KEY, "severity": "warning"})
        words = content("channel failed", "channel mail does not take messages: 401", "mail", MAIL_KEY, account="")
        await _tell(work, words, {"noc": "tell", "pager": "open"}, "sent")


async def _tell(work: SqlUnitOfWork, words: dict[str, Any], channels: Mapping[str, str], outcome: str) -> None:
    named = {name: words[name] for name in ("kind", "account", "subject", "incident_key")}
    await _write(work, tables.notifications, named | {"content": words, "recorded_at": CONFIRMED})
    n = tables.notifications.c
    number = await work.conn.scalar(select(n.id).where(n.incident_key == words["incident_key"]))
    for channel, action in channels.items():
        promised = {"notification": number, "channel": channel, "lane": f"{words['account']}/{words['subject']}"}
        due = {"due_at": CONFIRMED, "give_up_at": CONFIRMED + timedelta(days=1), "urgency": 0, "attempts": 1}
        settled = {"action": action, "outcome": outcome, "settled_at": CONFIRMED if outcome == "sent" else None}
        await _write(work, tables.deliveries, promised | due | settled)


async def _write(work: SqlUnitOfWork, table: Any, values: Mapping[str, Any]) -> None:
    await work.conn.execute(insert(table).values(**values))
