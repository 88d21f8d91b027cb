"""The migrations lead to the tables that the code works with, and one step back works."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from notifier.adapters.database import migrating, schema
from notifier.adapters.database.database import SqlDatabase
from notifier.adapters.database.engine import connection, unbounded
from notifier.adapters.database.tables import HEAD, metadata
from notifier.errors import ConfigurationError, DatabaseHeldError, DatabaseUnreachableError, SchemaError


def differences(sync: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata))


async def test_an_upgrade_from_empty_equals_the_tables(sql_database: SqlDatabase) -> None:
    async with connection(sql_database.engine) as conn:
        assert await conn.run_sync(differences) == []


def test_the_version_asked_for_is_the_newest_migrations() -> None:
    assert ScriptDirectory.from_config(migrating.configuration()).get_heads() == [HEAD]


async def test_an_upgrade_can_be_repeated(sql_database: SqlDatabase) -> None:
    await migrating.upgrade(sql_database.engine)
    assert await schema.current(sql_database.engine) == HEAD


async def test_one_step_down_and_up_again_works(sql_database: SqlDatabase) -> None:
    await migrating.downgrade(sql_database.engine)
    with pytest.raises(SchemaError, match="run: notifier db upgrade"):
        await schema.require(sql_database.engine)
    await migrating.upgrade(sql_database.engine)
    await schema.require(sql_database.engine)


async def test_a_change_of_the_schema_takes_as_long_as_it_takes(postgres_url: str) -> None:
    engine = SqlDatabase(postgres_url).engine
    bounds = "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"
    async with connection(engine) as conn:
        assert (await conn.exec_driver_sql(bounds)).one() == ("25s", "15s")
    async with unbounded(engine) as conn:
        assert (await conn.exec_driver_sql(bounds)).one() == ("0", "0")
    await engine.dispose()


async def test_a_server_database_is_not_migrated_unasked(postgres_url: str) -> None:
    database = SqlDatabase(postgres_url)
    with pytest.raises(SchemaError, match="is empty"):
        await database.prepare(migrate=False)
    await database.close()


async def test_a_schema_from_the_future_is_refused(sql_database: SqlDatabase) -> None:
    async with connection(sql_database.engine) as conn:
        await conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="newer than this release"):
        await schema.require(sql_database.engine)
    with pytest.raises(SchemaError, match="newer than this release"):
        await sql_database.prepare(migrate=True)


async def test_an_unreachable_server_is_said_without_its_password() -> None:
    database = SqlDatabase("postgresql://notifier:hunter2@127.0.0.1:1/notifier")
    with pytest.raises(DatabaseUnreachableError) as caught:
        await schema.current(database.engine)
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


async def test_a_file_is_held_by_one_until_it_lets_go(tmp_path: Path) -> None:
    first, second = (SqlDatabase(f"sqlite:///{tmp_path}/notifier.db") for _ in range(2))
    first.hold()
    with pytest.raises(DatabaseHeldError, match="another notifier"):
        second.hold()
    await first.close()
    second.hold()
    await second.close()


def test_an_option_that_no_database_knows_is_a_mistake_told_without_the_password() -> None:
    with pytest.raises(ConfigurationError) as error:
        SqlDatabase("postgresql://notifier:s3cr3t@127.0.0.1/notifier?sslmode=require")
    assert str(error.value) == "database: found the option sslmode, expected host or ssl"
