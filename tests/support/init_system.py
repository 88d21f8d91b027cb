"""An init system's end of sd_notify(3): a datagram socket that keeps what it is told."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

_numbers = count()


class InitSystem:
    """Listens at `address`, as NOTIFY_SOCKET names it; `told` has a map for each message."""

    def __init__(self) -> None:
        self.address = f"@notifier-test-{os.getpid()}-{next(_numbers)}"
        self.told: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.address[1:]}")
        self._socket.settimeout(0)

    @contextmanager
    def listening(self) -> Iterator["InitSystem"]:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._hear)
        try:
            yield self
        finally:
            loop.remove_reader(self._socket)

    def close(self) -> None:
        self._socket.close()

    def count(self, what: str) -> int:
        """Return how many messages said it: `READY=1`."""
        name, _, value = what.partition("=")
        return sum(1 for message in self.told if message.get(name) == value)

    def words(self) -> Counter[str]:
        """Return what was said in all messages, but for the status."""
        return Counter(
            f"{name}={value}" for message in self.told for name, value in message.items() if name != "STATUS"
        )

    def _hear(self) -> None:
        lines = self._socket.recv(4096).decode().splitlines()
        self.told.append(dict(line.split("=", 1) for line in lines))
