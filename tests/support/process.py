"""The service as people run it: a process of its own, started, watched, stopped and killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.examples import ACCOUNT
from tests.support.stage import TOKEN

FAST: dict[str, dict[str, object]] = {
    "poll": {"interval": "400ms", "recheck": "200ms", "discovery": "1s"},
    "detection": {"confirm": 2, "recover": 2, "recover_for": "200ms", "blind_after": 3},
    "group": {"wait": "0s"},
    "replicas": {"lease": "3s"},
}


def configure(folder: Path, database_url: str, api_url: str, channels: Mapping[str, Any], **more: Any) -> Path:
    """Write a configuration that makes everything quick, with these channels (URLs or settings); return its path."""
    path = folder / "notifier.yaml"
    document = {
        "database": database_url,
        "accounts": [{"id": ACCOUNT, "name": "production", "token": TOKEN}],
        "cloudflare": {"url": api_url, "timeout": "1s", "rate_limit": {"requests": 100000, "per": "1m", "share": 1}},
        "channels": {name: {"url": it} if isinstance(it, str) else it for name, it in channels.items()},
        "web": {"listen": None},  # several run at once
        **FAST,
        **more,
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


class Ran:
    """How a command ended."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


async def notifier(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None, within: float = 60) -> Ran:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "notifier",
        *arguments,
        cwd=folder,
        env=_environment(environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), within)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDFLARE_", "NOTIFIER_"))}
    checkout = str(Path(__file__).parents[2])
    return kept | {"PYTHONPATH": checkout} | dict(more or {})


class Service:
    """One `notifier run`; its log is kept in a file."""

    def __init__(
        self,
        config: Path,
        environ: Mapping[str, str] | None = None,
        *,
        from_environment: bool = False,
        name: str = "service",
        hurry: int = 1,
        first: Callable[[], object] | None = None,
    ) -> None:
        """With `from_environment` the file isn't given: everything is in `environ`. `name` tells several logs apart.

        `first` runs in the new process. In a hurry its clock, not the schedule, runs so many times as fast as the
        world's.
        """
        self._config = config
        options = [] if from_environment else ["--config", str(config)]
        self._command = ["notifier", *options, "run", "--migrate"]
        if hurry > 1:
            self._command = ["tests.support.hurried", str(hurry), str(config)]
        self._environ = environ
        self._first = first
        self._process: asyncio.subprocess.Process | None = None
        self.log_path = config.with_name(f"{name}.log")

    @property
    def started(self) -> bool:
        return self._process is not None

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8") if self.log_path.exists() else ""

    async def start(self, *, wait: bool = True) -> None:
        """Start it; `wait` until it says that it has."""
        starts = self.log.count(": started")
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._command,
                cwd=self._config.parent,
                env=_environment(self._environ),
                stdout=log,
                stderr=log,
                preexec_fn=self._first,
            )
        if wait:
            await until(lambda: self.log.count(": started") > starts or self._ended(), why=lambda: self.log)

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.returncode

    def _ended(self) -> bool:
        return self._process is None or self._process.returncode is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def ended(self, within: float = 30) -> int:
        """Wait until it has ended by itself; return the exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), within)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL: nothing of it gets to run any more."""
        assert self._process is not None
        if not self._ended():
            self._process.kill()
        await self._process.wait()

    async def stop(self, within: float = 10) -> int:
        """SIGTERM; return the exit code. TimeoutError if it takes longer than it promises."""
        assert self._process is not None
        if not self._ended():
            self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), within)


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    """Start the services, one after the other; whichever still runs in the end is killed."""
    try:
        for service in services:
            await service.start()
        yield
    finally:
        for service in services:
            if service.started:
                await service.kill()


async def until(
    holds: Callable[[], bool] | Callable[[], Awaitable[bool]], *, within: float = 45, why: Callable[[], object] = str
) -> None:
    """Wait until something holds; fails, saying why, if it doesn't within so many seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        found = holds()
        if await found if isinstance(found, Awaitable) else found:
            return
        if loop.time() > end:
            raise AssertionError(f"waited {within} s in vain: {why()}")
        await asyncio.sleep(0.05)
