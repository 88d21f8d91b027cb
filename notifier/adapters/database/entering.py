"""What one transaction adds to the record, entered with it, so that it can be sealed afterwards."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.adapters.database import tables
from notifier.adapters.database.rows import Values, values
from notifier.domain.chain import Entry, EntryKind, digest_of
from notifier.domain.incident import NOBODYS

_ABOUT: dict[EntryKind, tuple[str, Callable[[Any], str]]] = {  # which moment is the row's, and what it is about
    EntryKind.OBSERVATION: ("at", lambda row: row.name),
    EntryKind.TRANSITION: ("confirmed_at", lambda row: f"{row.name} #{row.number}"),
    EntryKind.GAP: ("until_at", lambda row: row.name),
    EntryKind.NOTIFICATION: ("recorded_at", lambda row: row.subject),
    EntryKind.ATTEMPT: ("started_at", lambda row: f"delivery {row.delivery}, attempt {row.number}, to {row.channel}"),
    EntryKind.ACT: ("at", lambda row: f"{row.act} {row.target}"),
    EntryKind.RETENTION: ("at", lambda row: ", ".join(f"{n} {kind}" for kind, n in sorted(row.removed.items()))),
}


def entry_of(kind: EntryKind, row: Any, account: str | None = None) -> Entry:
    """Make the entry of a row as the database has it; `account` is whose it is, where it does not say so."""
    at, about = _ABOUT[kind]
    attempt = kind is EntryKind.ATTEMPT
    return Entry(
        account=account if account is not None else getattr(row, "account", NOBODYS),
        kind=kind,
        row=row.delivery if attempt else row.id,
        part=row.number if attempt else None,
        at=getattr(row, at),
        about=about(row),
        digest=digest_of(row._mapping),  # noqa: SLF001 - the documented way to a row's names
    )


class Entering:
    """Takes down what one transaction records, and enters it at its end."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._entries: list[Values] = []

    def note(self, kind: EntryKind, rows: Iterable[Any], account: Callable[[Any], str | None] = lambda _: None) -> None:
        """Take down rows, as the statement that wrote them gave them back."""
        self._entries += [values(entry_of(kind, row, account(row))) for row in rows]

    async def flush(self) -> None:
        """Enter what was taken down: in one statement, without a lock and without a number."""
        if self._entries:
            await self._conn.execute(_ENTER, self._entries)
            self._entries = []


_ENTER = insert(tables.unsealed)
