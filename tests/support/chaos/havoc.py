"""What is done at random to links, replicas, the database, the receivers and the API."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from notifier.simulator import faults
from tests.support.chaos.replica import Replica, Standing
from tests.support.chaos.scene import Scene
from tests.support.chaos.story import Span, Story
from tests.support.postgres import OwnServer
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Say

_STATES = ["Healthy", "Healthy", "Healthy", "Down", "Down", "Unhealthy", "Pending"]
_FAULTS = [faults.server_error(503), faults.rate_limited(3), faults.HANG, faults.RESET, faults.TRUNCATED]
_EARLY = 0.1  # how often a replica is disturbed as it starts, which takes long on a busy machine
_REFUSED = Say()  # stands for nobody listening
_SAYS = [
    Say(status=500),
    Say(status=429, headers={"Retry-After": "3"}),
    Say(hang=True),
    Say(delay_s=6),  # taken, but too late for whom it came from
    _REFUSED,
]


class Havoc:
    """Does it all from one seed, as far as the machine keeps pace; each trouble ends by itself."""

    def __init__(
        self,
        seed: int,
        scene: Scene,
        replicas: Sequence[Replica],
        server: OwnServer,
        receiver: HttpReceiver,
        hosts: FixedHosts,
        story: Story,
    ) -> None:
        self._seed = seed
        self._scene = scene
        self._replicas = replicas
        self._server = server
        self._receiver = receiver
        self._hosts = hosts
        self._story = story
        self._ends_at = 0.0
        self.done: Counter[str] = Counter()

    async def rage(self, seconds: float) -> None:
        """Go on for so long; in the end nothing is broken any more, and every replica has been started."""
        self._ends_at = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for name, act, least, most in (
                ("links", self._change, 0.1, 0.7),
                ("database", self._restart_database, 8, 40),
                ("events", self._trouble_events, 3, 20),
                ("pager", self._trouble_pager, 3, 20),
                ("api", self._trouble_api, 2, 12),
                *((f"replica {n}", self._harass(replica), 3, 20) for n, replica in enumerate(self._replicas)),
            ):
                tasks.create_task(self._repeat(name, act, least, most))

    async def calm(self, seconds: float) -> None:
        """Let nothing but links change for so long: what they are is seen often enough, whatever went before."""
        self._ends_at = time.monotonic() + seconds
        await self._repeat("calm", self._change, 0.1, 0.7)

    async def _repeat(
        self, name: str, act: Callable[[random.Random], Awaitable[None]], least: float, most: float
    ) -> None:
        chance = random.Random(f"{self._seed} {name}")  # noqa: S311 - no secret
        while await self._wait(chance.uniform(least, most)):
            await act(chance)

    async def _wait(self, seconds: float) -> bool:
        """Wait, but not beyond the end; say whether there is time left."""
        await asyncio.sleep(max(0.0, min(seconds, self._ends_at - time.monotonic())))
        return time.monotonic() < self._ends_at

    async def _change(self, chance: random.Random) -> None:
        link, state = chance.choice(self._scene.links), chance.choice(_STATES)
        whole = chance.random() < 0.1
        for each in link.account.links.values():
            if each is link or (whole and each.site == link.site):
                each.set(state, chance.choice([None, "no light", "BGP down"]))
                self.done["changes of links"] += 1

    def _harass(self, replica: Replica) -> Callable[[random.Random], Awaitable[None]]:
        async def act(chance: random.Random) -> None:
            how = chance.choice(["killed", "killed", "stopped", "paused", "paused"])
            seconds = chance.uniform(1, 25)  # of a pause: longer than an account's lease, shorter than a delivery's
            if replica.standing is Standing.UP and (replica.has_started or chance.random() < _EARLY):
                self.done[f"replicas {how}"] += 1
                await self._disturb(replica, how, seconds)
            if replica.standing is Standing.DOWN:
                await replica.start()

        return act

    async def _disturb(self, replica: Replica, how: str, seconds: float) -> None:
        match how:
            case "killed":
                await replica.kill()
                await self._wait(seconds / 4)
            case "stopped":
                await replica.stop()
                await self._wait(seconds / 4)
            case _:
                replica.pause()
                await self._wait(seconds)
                replica.resume()

    async def _restart_database(self, chance: random.Random) -> None:
        how = chance.choice(["stopped", "crashed"])
        self.done[f"database {how}"] += 1
        away = Span(time.monotonic())
        self._story.away.append(away)
        await asyncio.to_thread(self._server.stop if how == "stopped" else self._server.kill)
        await self._wait(chance.uniform(0.2, 6))
        await asyncio.to_thread(self._server.start)
        away.ended = time.monotonic()

    async def _trouble_events(self, chance: random.Random) -> None:
        say, seconds = chance.choice(_SAYS), chance.uniform(1, 8)
        self.done["receivers troubled"] += 1
        if say is _REFUSED:
            async with self._receiver.absent():
                await self._wait(seconds)
            return
        self._receiver.usual = say
        await self._wait(seconds)
        self._receiver.usual = Say()

    async def _trouble_pager(self, chance: random.Random) -> None:
        say, usual = chance.choice(_SAYS), self._hosts.usual_for[PAGERDUTY]
        self.done["receivers troubled"] += 1
        self._hosts.away = say is _REFUSED
        if say is not _REFUSED:
            self._hosts.usual_for[PAGERDUTY] = replace(usual, delay_s=say.delay_s) if say.delay_s else say
        await self._wait(chance.uniform(1, 8))
        self._hosts.usual_for[PAGERDUTY] = usual
        self._hosts.away = False

    async def _trouble_api(self, chance: random.Random) -> None:
        account = chance.choice(self._scene.accounts)
        self.done["API troubled"] += 1
        account.fault(chance.choice(_FAULTS))
        await self._wait(chance.uniform(1, 8))
        account.heal()
