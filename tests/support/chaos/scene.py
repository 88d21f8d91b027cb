"""The world of a chaos run: six accounts with three tokens, 120 links at 42 sites, and a door for each replica."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notifier.simulator import Account, Journal, Link, Simulator, World
from tests.support.process import configure

TOKENS = ["token-of-three"] * 3 + ["token-of-two"] * 2 + ["token-of-one"]
LINKS, SITES = 20, 7  # in each account
REQUESTS, SHARE, PER_S = 3000, 0.5, 20
REPLICAS = 3
_POLL = {"interval": "2s", "recheck": "500ms", "discovery": "5s"}
# Links change at random, far too often for real ones.
_DETECTION = {
    "confirm": 2,
    "recover": 2,
    "recover_for": "500ms",
    "blind_after": 3,
    "flapping": {"changes": 4, "within": "1s"},
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One world, and the doors by which the replicas reach it."""

    world: World
    doors: Sequence[Simulator]

    @property
    def accounts(self) -> list[Account]:
        return list(self.world.accounts.values())

    @property
    def links(self) -> list[Link]:
        return list(self.world.links())

    @property
    def tokens(self) -> dict[str, str]:
        """The token of each account."""
        return {account.id: account.token or "" for account in self.accounts}

    def configure(self, folder: Path, number: int, database_url: str, channels: dict[str, Any], **more: Any) -> Path:
        """Write the configuration of one of the replicas, in a folder of its own."""
        own = folder / f"replica-{number}"
        own.mkdir()
        limit = {"requests": REQUESTS, "per": f"{PER_S}s", "share": SHARE}
        settings = {
            "accounts": [{"id": id_, "name": id_[-1], "token": token} for id_, token in self.tokens.items()],
            "cloudflare": {"url": self.doors[number].url, "timeout": "3s", "rate_limit": limit},
            "poll": _POLL,
            "detection": _DETECTION,
            "group": {"wait": "0s", "storm": {"messages": 1000, "per": "1s"}},
            "replicas": {},
            "log": {"format": "json"},
        }
        return configure(own, database_url, self.doors[number].url, channels, **settings | more)


@asynccontextmanager
async def opened() -> AsyncIterator[Scene]:
    """Make the world and open its doors."""
    world = World()
    world.requests = Journal(2_000_000)
    for number, token in enumerate(TOKENS):
        account = world.account(f"{number:032x}", token=token)
        for link in range(LINKS):
            site = f"site-{number}{link % SITES}"
            account.link(f"icon-{number}{link:02}", site=site)
    async with AsyncExitStack() as stack:
        yield Scene(world, [await stack.enter_async_context(Simulator(world)) for _ in range(REPLICAS)])
