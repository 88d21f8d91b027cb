"""The PostgreSQL that the tests run on is real, private and gone afterwards."""

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.support.postgres import OwnServer, PostgresServer

ROOT = Path(__file__).parents[2]


async def answer(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_each_test_has_an_empty_database_of_its_own(postgres_url: str, postgres_server: PostgresServer) -> None:
    other = postgres_server.create_database()
    await answer(postgres_url, "CREATE TABLE here (id int)")
    assert await answer(postgres_url, "SELECT to_regclass('here')::text") == "here"
    assert await answer(other, "SELECT to_regclass('here')::text") is None
    postgres_server.drop_database(other)


async def test_a_database_is_dropped_under_an_open_connection(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    connection = await asyncpg.connect(url)
    postgres_server.drop_database(url)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(url)
    connection.terminate()


async def test_the_password_is_asked_for(own_postgres: OwnServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(own_postgres.url.replace("notifier:", "notifier:not-"))


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_stopped_server_returns_where_it_was_with_what_was_committed(own_postgres: OwnServer, how: str) -> None:
    url = own_postgres.create_database()
    await answer(url, "CREATE TABLE kept (id int)")
    getattr(own_postgres, how)()
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(url)
    own_postgres.start()
    assert await answer(url, "SELECT to_regclass('kept')::text") == "kept"
    own_postgres.drop_database(url)


def test_nothing_is_left_of_a_run_that_was_killed() -> None:
    script = "from tests.support.postgres import OwnServer as S; s = S(); print(s.url, s.data, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        url, data = run.stdout.readline().split()
        assert PostgresServer(url).version
        run.kill()
        run.communicate(timeout=30)  # until the guard, which shares its output, has ended too
    with pytest.raises(ConnectionRefusedError):
        PostgresServer(url).create_database()
    assert not Path(data).parent.exists()
