"""INSERT for a row that may be there already: the same in both databases, but each dialect has its own."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import sqlite


def inserting(table: Table, *, postgresql: bool) -> Any:
    """Return an INSERT that can say what to do on a conflict."""
    if not postgresql:
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql as dialect  # noqa: PLC0415 - two megabytes that SQLite has no need of

    return dialect.insert(table)


@cache  # to put it together takes longer than to run it
def replacing(table: Table, *, postgresql: bool, only: Callable[[Any], ColumnElement[bool]] | None = None) -> Any:
    """Return an INSERT that replaces the row of the same primary key; `only` where that is so of the new row."""
    making = inserting(table, postgresql=postgresql)
    key = list(table.primary_key)
    rest = {column.name: making.excluded[column.name] for column in table.c if column not in key}
    where = None if only is None else only(making.excluded)
    return making.on_conflict_do_update(index_elements=key, set_=rest, where=where)
