"""Working fakes of the ports: a clock that is moved, an API and channels that say what they are told to."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import Sight, Unseen
from notifier.ports import Accepted, Answer, Listed, Message
from tests.support.examples import NIGHT, sight


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, start: datetime = NIGHT) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, span: timedelta) -> None:
        self._now += span


@dataclass
class FakeCloudflare:
    """Keeps `ports.Cloudflare`: each link has a word; every question is kept."""

    links: dict[str, Interconnect] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    listing_fails: Unseen | None = None
    asked: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None

    def add(self, link: Interconnect, word: str = "Healthy") -> None:
        self.links[link.name] = link
        self.words[link.name] = word

    async def listing(self) -> Listed | Unseen:
        return self.listing_fails or Listed(tuple(self.links.values()))

    async def status(self, name: str) -> Sight:
        self.asked.append(name)
        if self.hold is not None:
            await self.hold.wait()
        return sight(self.words[name])

    async def close(self) -> None:
        """Nothing is open."""


class FakeChannel:
    """Keeps `ports.Channel`: takes everything, or answers as it is told; its `mark` stands for its URL."""

    def __init__(
        self, name: str = "noc", *, stateful: bool = False, bundles: bool | None = None, mark: str | None = None
    ) -> None:
        self.name = name
        self.mark = mark or f"the mark of {name}"
        self.stateful = stateful
        self.bundles = not stateful if bundles is None else bundles
        self.taken: list[Message] = []
        self.tried: list[Message] = []
        self.answers: list[Answer] = []

    async def send(self, message: Message) -> Answer:
        self.tried.append(message)
        answer = self.answers.pop(0) if self.answers else Accepted(code=200)
        if isinstance(answer, Accepted):
            self.taken.append(message)
        return answer

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def titles(self) -> list[str]:
        return [message.notification.title.removeprefix("[production] ") for message in self.taken]


class HeldChannel(FakeChannel):
    """Answers when it is let."""

    def __init__(self, name: str = "noc", *, stateful: bool = False) -> None:
        super().__init__(name, stateful=stateful)
        self.begun = asyncio.Semaphore(0)  # one for each send that has begun
        self.gate = asyncio.Event()

    async def send(self, message: Message) -> Answer:
        answer = await super().send(message)
        self.begun.release()
        await self.gate.wait()
        return answer
