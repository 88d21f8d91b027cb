"""A real PgBouncer in transaction mode before the tests' PostgreSQL; without one installed its tests are skipped."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support import postgres_guard
from tests.support.postgres import PostgresServer, free_port
from tests.support.postgres_guard import unprivileged

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
NO_PGBOUNCER = "no PgBouncer is installed (Debian: apt install pgbouncer)"
_PATIENCE_S = 10
# Each transaction gets the connection that has been idle longest: hardly ever the one of the transaction before.
_INI = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
logfile = {folder}/log
pidfile = {folder}/pid
pool_mode = transaction
default_pool_size = 10
server_round_robin = 1
"""


class PgBouncer:
    """Stands before a server until it is closed; nothing of it outlives the run."""

    def __init__(self, server: PostgresServer) -> None:
        identity, to = unprivileged(), urlsplit(server.url)
        place = "/tmp" if identity else None  # noqa: S108 - as for PostgreSQL
        self._folder = Path(tempfile.mkdtemp(prefix="notifier-pgbouncer-", dir=place))
        self._port = free_port()
        ini = _INI.format(host=to.hostname, port=to.port or 5432, own_port=self._port, folder=self._folder)
        (self._folder / "ini").write_text(ini)
        (self._folder / "users").write_text(f'"{to.username}" "{unquote(to.password or "")}"\n')
        for path in (self._folder, *self._folder.iterdir()) if identity else ():
            os.chown(path, identity["user"], identity["group"])
        self._guard = subprocess.Popen(
            [sys.executable, "-I", postgres_guard.__file__, self._folder, "sh", "-c", "kill $(cat pid)"],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        )
        self.start()

    def before(self, database_url: str) -> str:
        """Return the URL of the server's database by way of it."""
        own = urlsplit(database_url)
        login = own.netloc.rpartition("@")[0]
        return own._replace(netloc=f"{login}@127.0.0.1:{self._port}").geturl()

    def start(self) -> None:
        """Start it, where it was before."""
        command = [str(PROGRAM), "-d", "-q", str(self._folder / "ini")]
        subprocess.run(command, cwd="/", check=True, timeout=_PATIENCE_S, **unprivileged())
        self._until(listening=True)

    def stop(self) -> None:
        """End it at once, whoever is connected."""
        os.kill(int((self._folder / "pid").read_text()), 15)
        self._until(listening=False)

    def close(self) -> None:
        """End it for good and remove all of it."""
        self._guard.communicate(timeout=_PATIENCE_S)

    def _until(self, *, listening: bool) -> None:
        end = time.monotonic() + _PATIENCE_S
        while self._listens() != listening:
            if time.monotonic() > end:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


@pytest.fixture
def pgbouncer(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    """A PgBouncer that a test may stop and start."""
    if PROGRAM is None:
        pytest.skip(NO_PGBOUNCER)
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    request.node.user_properties.append(("PgBouncer", said.split()[1]))
    running = PgBouncer(postgres_server)
    yield running
    running.close()
