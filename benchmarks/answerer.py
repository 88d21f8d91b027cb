"""Cloudflare's API reduced to what costs least: answers made beforehand, written as they are.

`notifier.simulator` knows faults, limits and credentials, and costs more for an answer than the service for a poll.
"""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from notifier.simulator.world import Account

ROOT = "/client/v4"
_END = b"\r\n\r\n"


class Answerer:
    """Answers for accounts and their links, and keeps when it did: `asked` counts by account.

    `shown` has, by link, when a change of it was first answered; with `keep`, `times` and `links` have every answer.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.asked: Counter[str] = Counter()
        self.shown: dict[tuple[str, str], float] = {}
        self.times, self.links = array("d"), array("L")
        self.names: list[tuple[str, str]] = []
        self.url = ""
        self._keep = keep
        self._accounts: dict[str, Account] = {}
        self._answers: dict[bytes, tuple[str, int, bytes]] = {}
        self._new: set[int] = set()
        self._places: dict[tuple[str, str], int] = {}

    def add(self, account: str, links: int, sites: int) -> list[tuple[str, str]]:
        """Make an account with so many links, spread over so many sites; return them, all Healthy."""
        made = self._accounts.setdefault(account, Account(account))
        named = [(account, f"icon-{place:05d}") for place in range(links)]
        for place, (_, name) in enumerate(named):
            made.link(name, site=f"site-{place % sites:03d}")
            self._places[account, name] = len(self.names)
            self.names.append((account, name))
        for start in range(0, links, made.page_size):
            query = {"cursor": str(start)} if start else {}
            target = f"{ROOT}/accounts/{account}/cni/interconnects" + (f"?cursor={start}" if start else "")
            self._answers[target.encode()] = ("", -1, _answer(made.page(query).body))
        self.set(named, "Healthy")
        self._new.clear()
        return named

    def set(self, links: Iterable[tuple[str, str]], state: str) -> None:
        """Have these links be in a state from now on."""
        for account, name in links:
            link, place = self._accounts[account].links[name], self._places[account, name]
            link.set(state)
            target = f"{ROOT}/accounts/{account}/cni/interconnects/{name}/status"
            self._answers[target.encode()] = (account, place, _answer(link.status.body))
            self._new.add(place)

    def answer(self, target: bytes) -> bytes:
        """Return what to write."""
        account, place, body = self._answers[target]
        if place < 0:
            return body
        self.asked[account] += 1
        if self._keep:
            self.times.append(time.time())
            self.links.append(place)
        if place in self._new:
            self._new.discard(place)
            self.shown[self.names[place]] = time.time()
        return body

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Answerer"]:
        """Listen on a free port of loopback."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1000)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{ROOT}"
        try:
            yield self
        finally:
            server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._begun = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._begun + data
        if not data.endswith(_END):
            self._begun = data
            return
        self._begun = b""
        self._transport.write(self._answerer.answer(data.split(b" ", 2)[1]))


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body
