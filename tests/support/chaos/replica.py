"""A replica over its many lives: started, killed, stopped, paused; and looked after, as systemd would."""

import asyncio
import json
import time
from enum import StrEnum, auto
from signal import SIGCONT, SIGSTOP
from typing import Any

from tests.support.chaos.story import Life, Span, Story
from tests.support.process import Service

_PROMISED_S = 10  # for a stop
_YOUNG_S = 5  # a process does not yet listen to signals
_AWAY = 4  # the exit code of one that found no database


class Standing(StrEnum):
    DOWN = auto()
    UP = auto()
    PAUSED = auto()


class Replica:
    """Writes what becomes of it into the story."""

    def __init__(self, service: Service, door: str, story: Story) -> None:
        self.service = service
        self._door = door
        self._story = story
        self.standing = Standing.DOWN

    @property
    def life(self) -> Life:
        return next(life for life in reversed(self._story.lives) if life.door == self._door)

    async def start(self) -> None:
        self._story.lives.append(Life(self._door, Span(time.monotonic())))
        await self.service.start(wait=False)
        self.standing = Standing.UP

    async def kill(self) -> None:
        """SIGKILL, whether it is paused or not."""
        self.standing = Standing.DOWN
        self.life.killed = self.service.code is None
        await self.service.kill()
        self._ended()

    async def stop(self) -> None:
        """SIGTERM; says so if it does not end as it promises."""
        self.resume()
        self.standing, began = Standing.DOWN, time.monotonic()
        try:
            code = await self.service.stop(within=2 * _PROMISED_S)
        except TimeoutError:
            code = None
            await self.service.kill()
        took = time.monotonic() - began
        self._ended()
        young = began - self.life.span.began < _YOUNG_S and code == -15
        if not (code == 0 or young or (code == _AWAY and self._story.is_away(began))) or took > _PROMISED_S + 1:
            self._story.wrongs.append(f"{self._door}: stopped with exit code {code} after {took:.1f} s")

    def pause(self) -> None:
        self.standing = Standing.PAUSED
        self.service.signal(SIGSTOP)
        self.life.pauses.append(Span(time.monotonic()))

    def resume(self) -> None:
        """Let it go on, if it is paused."""
        for pause in self.life.pauses:
            if pause.ended > time.monotonic():
                pause.ended = time.monotonic()
                self.service.signal(SIGCONT)
                self.standing = Standing.UP

    def look(self) -> None:
        """Notice if it has ended by itself; without a database it may."""
        if self.standing is not Standing.UP or self.service.code is None:
            return
        self.standing = Standing.DOWN
        self._ended()
        if not (self.service.code == _AWAY and self._story.is_away(time.monotonic())):
            self._story.wrongs.append(f"{self._door}: ended by itself with exit code {self.service.code}")

    def log(self) -> list[dict[str, Any]]:
        """Return the records of all its lives."""
        return [json.loads(line) for line in self.service.log.splitlines() if line.startswith("{")]

    def _ended(self) -> None:
        self.life.span.ended = time.monotonic()
        for pause in self.life.pauses:
            pause.ended = min(pause.ended, time.monotonic())


async def look_after(replicas: list[Replica]) -> None:
    """Look at the replicas all the time."""
    while True:
        for replica in replicas:
            replica.look()
        await asyncio.sleep(0.2)
