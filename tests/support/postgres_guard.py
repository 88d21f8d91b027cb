"""Stops a test's PostgreSQL when the test run ends, whatever way it ends: even kill -9 closes a pipe.

Run as a process of its own: `python postgres_guard.py FOLDER COMMAND…`, its standard input a pipe that only the
test run holds. At the pipe's end it runs the command and removes the folder.
"""

import os
import pwd
import shutil
import subprocess
import sys
from typing import TypedDict


class Identity(TypedDict, total=False):
    """Whom a child process runs as, in the words of `subprocess`; empty: as ourselves."""

    user: int
    group: int
    extra_groups: list[int]


def unprivileged() -> Identity:
    """Say as whom PostgreSQL can run: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    known = {account.pw_name: account for account in pwd.getpwall()}
    account = known.get("postgres") or known["nobody"]
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


if __name__ == "__main__":
    folder, *stop = sys.argv[1:]
    sys.stdin.read()
    subprocess.run(stop, cwd=folder, capture_output=True, check=False, **unprivileged())
    shutil.rmtree(folder, ignore_errors=True)
