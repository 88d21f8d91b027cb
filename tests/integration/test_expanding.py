"""Between two releases the schema only grows: the older one goes on working while the newer one takes over."""

from itertools import pairwise
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, inspect

from notifier.adapters.database import migrating
from notifier.adapters.database.engine import connection, open_engine
from notifier.adapters.database.tables import HEAD

Table = dict[str, Any]
VERSIONS = [each.revision for each in ScriptDirectory.from_config(migrating.configuration()).walk_revisions()][::-1]


def tables(sync: Connection) -> dict[str, Table]:
    inspector: Inspector = inspect(sync)
    return {
        name: {
            "columns": {column["name"]: column for column in inspector.get_columns(name)},
            "unique": sorted(str(each["column_names"]) for each in inspector.get_unique_constraints(name)),
            "unique indexes": sorted(
                str(each["column_names"]) for each in inspector.get_indexes(name) if each["unique"]
            ),
            "foreign": sorted(str(each["constrained_columns"]) for each in inspector.get_foreign_keys(name)),
            "checks": sorted(str(each["sqltext"]) for each in inspector.get_check_constraints(name)),
            "key": inspector.get_pk_constraint(name)["constrained_columns"],
        }
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


def in_the_way(before: dict[str, Table], after: dict[str, Table]) -> list[str]:
    """Return what would break a program that knows the tables of before."""
    found = [f"{name} is gone" for name in before.keys() - after.keys()]
    for name in before.keys() & after.keys():
        was, now = before[name]["columns"], after[name]["columns"]
        found += [f"{name}.{column} is gone" for column in was.keys() - now.keys()]
        found += [
            f"{name}.{column} changed"
            for column in was.keys() & now.keys()
            if (str(was[column]["type"]), was[column]["nullable"])
            != (str(now[column]["type"]), now[column]["nullable"])
        ]
        found += [
            f"{name}.{column} must be given"
            for column in now.keys() - was.keys()
            if not now[column]["nullable"] and now[column]["default"] is None
        ]
        rules = ("unique", "unique indexes", "foreign", "checks", "key")
        found += [f"{name}: {rule} changed" for rule in rules if before[name][rule] != after[name][rule]]
    return found


async def test_no_migration_takes_anything_from_the_release_before_it(database_url: str) -> None:
    assert VERSIONS[-1] == HEAD
    engine, seen = open_engine(database_url), []
    for version in VERSIONS:
        await migrating.upgrade(engine, version)
        async with connection(engine) as conn:
            seen.append(await conn.run_sync(tables))
    await engine.dispose()
    assert [in_the_way(before, after) for before, after in pairwise(seen)] == [[]] * (len(VERSIONS) - 1)


COLUMN = {"type": "TEXT", "nullable": False, "default": None}
BEFORE: dict[str, Table] = {
    "states": {
        "columns": {"name": COLUMN},
        "unique": [],
        "unique indexes": [],
        "foreign": [],
        "checks": [],
        "key": ["name"],
    }
}


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({}, "states.name is gone"),
        ({"name": {**COLUMN, "type": "INTEGER"}}, "states.name changed"),
        ({"name": COLUMN, "more": COLUMN}, "states.more must be given"),
    ],
)
def test_a_migration_that_took_something_would_be_noticed(columns: dict[str, Any], complaint: str) -> None:
    after = {"states": {**BEFORE["states"], "columns": columns}}
    assert in_the_way(BEFORE, after) == [complaint]
    assert in_the_way(BEFORE, {**BEFORE, "more": BEFORE["states"]}) == []
