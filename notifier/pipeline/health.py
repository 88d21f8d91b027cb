"""How the service is: gathers what that is judged by (R30)."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from notifier.domain.health import Signs, Vital, ailments
from notifier.errors import DatabaseError
from notifier.pipeline.audit import Audit
from notifier.pipeline.polling import Poller
from notifier.pipeline.sharing import Sharing
from notifier.ports import Clock, Database

_log = logging.getLogger(__name__)


class Health:
    """Whether this process does its work. What an account's links are, or whether it can be seen, is not part of it."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        pollers: Sequence[Poller],
        channels: Collection[str],
        audit: Audit,
        sharing: Sharing | None,
        timeout: timedelta,
    ) -> None:
        """`timeout` is for one request to Cloudflare."""
        self._sharing = sharing
        self._database = database
        self._clock = clock
        self._pollers = pollers
        self._channels = channels
        self._audit = audit
        self._timeout = timeout
        self._began_at = self._answered_at = clock.now()
        self._moved_at: datetime | None = None
        self._earliest_due_at: datetime | None = None
        self._reported: set[Vital] = set()

    def begin(self) -> None:
        """Expect the schedule to move from now on; the database has just answered."""
        self._began_at = self._answered_at = self._moved_at = self._clock.now()

    def rest(self) -> None:
        """Expect nothing of the schedule until it moves again: it was stopped."""
        self._moved_at = None

    async def moves(self) -> None:
        """Take note that the schedule moves; called each second."""
        self._moved_at = self._clock.now()

    async def look(self) -> None:
        """Ask the database what is due; log it when something begins or ceases to be wrong."""
        try:
            async with self._database.begin() as work:
                self._earliest_due_at = await work.outbox.earliest_due(self._channels)
            self._answered_at = self._clock.now()
        except DatabaseError:
            pass  # it is an ailment when it lasts
        self._report(self.ailments())

    def ailments(self) -> dict[Vital, str]:
        """Return what is wrong now, each in a sentence without any name; nothing if all is well."""
        signs = Signs(
            moved_at=self._moved_at,
            answered_at=self._answered_at,
            audited_at=self._audit.at or self._began_at,
            shared_at=self._sharing.settled_at or self._began_at if self._sharing is not None else None,
            earliest_due_at=self._earliest_due_at,
            violations=len(self._audit.found or ()),
            polls=[poller.progress for poller in self._pollers],
            timeout=self._timeout,
        )
        return ailments(signs, self._clock.now())

    def _report(self, found: dict[Vital, str]) -> None:
        if found.keys() - self._reported:
            _log.error("not healthy", extra={"fields": dict(found)})
        elif self._reported and not found:
            _log.warning("healthy again")
        self._reported = set(found)
