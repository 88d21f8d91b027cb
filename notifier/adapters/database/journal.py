"""What happened, in an order that those who follow it can rely on."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, cast, func, insert, literal
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database.tables import events
from notifier.domain.incident import IncidentKind

# PostgreSQL gives numbers to rows as they are inserted, but shows rows as their transactions are committed: a row can
# turn up behind one with a higher number that was read already. So events are in the order of the transactions that
# wrote them (`written_by`, a number that is never given twice), and only those are read whose transaction is older
# than every one that still runs: nothing can turn up before them any more. That is `pg_snapshot_xmin`, which counts
# transactions of the whole server that have written something; a long one of somebody else's keeps events waiting.
# SQLite has one writer: there the ids alone are the order.


def settled(postgresql: bool) -> ColumnElement[bool]:  # noqa: FBT001 - one of two databases
    """Whether an event's place is sure: nothing can turn up before it."""
    if not postgresql:
        return literal(1) == 1
    oldest = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
    return events.c.written_by < oldest


class Journal:
    """Takes down what one transaction does, and writes it at its end."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._noted: list[dict[str, Any]] = []

    def note(self, kind: str, at: datetime, account: str, subject: str, **content: Any) -> None:
        """Take down one event; its content is plain JSON, and moments."""
        plain = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in content.items()}
        self._noted.append({"kind": kind, "at": at, "account": account, "subject": subject, "content": plain})

    def incident(self, at: datetime, of: Any, what: str, **more: Any) -> None:
        """Take down what became of an incident: of the account's sight, that is another kind of event."""
        kind = "blindness" if of.kind == IncidentKind.BLIND else "incident"
        about = {"incident": of.key, "about": str(of.kind), "severity": str(of.severity), "what": what}
        self.note(kind, at, of.account, of.subject, **about, **more)

    async def flush(self) -> None:
        """Write what was taken down."""
        if not self._noted:
            return
        written_by: Any = 0
        if self._conn.dialect.name == "postgresql":
            written_by = cast(cast(func.pg_current_xact_id(), Text), BigInteger)
        await self._conn.execute(insert(events).values(written_by=written_by), self._noted)
        self._noted = []
