"""One account under watch: everything that asks for it and records it, while its lease is ours."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from notifier.domain.interconnect import Interconnect
from notifier.domain.state import State
from notifier.errors import LeaseLostError
from notifier.pipeline.discovery import Discovery
from notifier.pipeline.enrolling import Enroller
from notifier.pipeline.lease import Lease
from notifier.pipeline.polling import Poller
from notifier.pipeline.recording import Recorder
from notifier.ports import Clock, Cloudflare

_log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=3)  # with polls in flight when another is to watch it


class Watch:
    """One account's part of the pipeline."""

    def __init__(
        self,
        *,
        account: str,
        cloudflare: Cloudflare,
        recorder: Recorder,
        poller: Poller,
        discovery: Discovery,
        enroller: Enroller,
        lease: Lease,
        clock: Clock,
        found: Callable[[Sequence[Interconnect], Mapping[str, State]], None],
    ) -> None:
        """`found` is given all that is to be watched, with its stored states."""
        self.account = account
        self.cloudflare = cloudflare
        self.recorder = recorder
        self.poller = poller
        self.discovery = discovery
        self.enroller = enroller
        self.lease = lease
        self._clock = clock
        self._found = found

    @property
    def links(self) -> int:
        """How many links are watched."""
        return self.poller.watched

    async def begin(self) -> None:
        """Watch it from now on, going on from what the database holds (R13)."""
        links, states = await self.recorder.known()
        self.poller.begin()
        self.discovery.begin()
        self._found(links, states)

    async def end(self) -> None:
        """Watch it no more; what is in flight is recorded first, unless the lease is lost."""
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                await self.poller.stop()
        except TimeoutError:
            _log.info("polls cut short", extra={"fields": {"account": self.account}})
        self.poller.forget()

    def ours(self, job: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Do a job only while the account is ours."""

        async def run() -> None:
            if not self.lease.holds(self._clock.now()):
                return
            try:
                await job()
            except LeaseLostError:
                self.lease.drop()
                self.poller.forget()

        return run
