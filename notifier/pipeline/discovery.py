"""Step 1: which interconnects exist."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from notifier.domain.interconnect import Interconnect
from notifier.domain.observation import CauseKind, Unseen
from notifier.domain.state import State
from notifier.errors import DatabaseError
from notifier.pipeline.enrolling import Enroller
from notifier.ports import Clock, Cloudflare

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which interconnects are watched, by shell patterns on their names."""

    include: Sequence[str] = ("*",)
    exclude: Sequence[str] = ()

    def takes(self, name: str) -> bool:
        """Whether an interconnect is watched."""
        return any(fnmatchcase(name, p) for p in self.include) and not any(fnmatchcase(name, p) for p in self.exclude)


class Discovery:
    """Lists one account now and then; after a failure already at the next poll interval."""

    def __init__(
        self,
        *,
        cloudflare: Cloudflare,
        enroller: Enroller,
        clock: Clock,
        every: timedelta,
        after_failure: timedelta,
        found: Callable[[Sequence[Interconnect], Mapping[str, State]], None],
    ) -> None:
        """`found` is given all that is to be watched, and the states that begin anew, after each complete listing."""
        self._cloudflare = cloudflare
        self._enroller = enroller
        self._clock = clock
        self._every = every
        self._after_failure = min(every, after_failure)
        self._found = found
        self._due_at: datetime | None = None

    async def tick(self) -> None:
        """List the account if it is time to."""
        now = self._clock.now()
        if self._due_at is not None and now < self._due_at:
            return
        try:
            self._due_at = now + await self._discover()
        except DatabaseError as error:
            _log.error("listing not recorded", extra={"fields": {"cause": str(error)}})
            self._due_at = now + self._after_failure

    def begin(self) -> None:
        """List the account at the next turn, whenever that was done last."""
        self._due_at = None

    async def _discover(self) -> timedelta:
        """List the account; return how long from now the next listing is due."""
        listing = await self._cloudflare.listing()
        if isinstance(listing, Unseen):
            if listing.cause.kind is CauseKind.OVER_BUDGET:
                return listing.cause.retry_after or self._after_failure
            await self._enroller.listing_failed(listing.cause)
            return self._after_failure
        enrolled = await self._enroller.listed(listing.interconnects)
        if enrolled is None:
            return self._after_failure
        self._found(enrolled.links, enrolled.states)
        return self._every
