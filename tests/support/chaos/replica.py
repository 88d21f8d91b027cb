"""A replica over its many lives: started, killed, stopped, paused; and looked after, as systemd would."""

import asyncio
import json
import time
from enum import StrEnum, auto
from signal import SIGCONT, SIGSTOP, SIGTERM
from typing import Any

from tests.support.chaos.story import Life, Span, Story
from tests.support.process import Service

_PROMISED_S = 12  # for a stop, with some time for a busy machine
_STARTED = '"event": "started"'
_NO_DATABASE = 4  # the exit code of one that found none


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
        self._starts = 0
        self.standing = Standing.DOWN

    @property
    def life(self) -> Life:
        return next(life for life in reversed(self._story.lives) if life.door == self._door)

    @property
    def has_started(self) -> bool:
        """Whether it is at work; before that it does not listen to signals."""
        return self.service.log.count(_STARTED) > self._starts

    async def start(self) -> None:
        self._starts = self.service.log.count(_STARTED)
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
        if took > _PROMISED_S or not (code == 0 or self._gave_up() or (code == -SIGTERM and not self.has_started)):
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
        """Notice if it has ended by itself; before it has started, and without a database, it may."""
        if self.standing is not Standing.UP or self.service.code is None:
            return
        self.standing = Standing.DOWN
        self._ended()
        if not self._gave_up():
            self._story.wrongs.append(f"{self._door}: ended by itself with exit code {self.service.code}")

    def _gave_up(self) -> bool:
        """Whether it found no database as it started, or not for long enough."""
        life = self.life
        hindered = self._story.was_away(life.span) or bool(life.pauses)
        return self.service.code == _NO_DATABASE and not self.has_started and hindered

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
