"""What time alone causes, and what a changed configuration leaves behind."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from notifier.domain import words
from notifier.domain.incident import IncidentKind
from notifier.errors import DatabaseError
from notifier.pipeline.recipients import Recipients
from notifier.ports import Clock, Database

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long settled deliveries and observations are kept; transitions and incidents stay."""

    deliveries: timedelta
    observations: timedelta


class Upkeep:
    """Forgets what is old, and ends what no channel can take any more."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        retention: Retention,
        recipients: Recipients,
    ) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention
        self._recipients = recipients

    async def prune(self) -> None:
        """Forget what is older than its retention."""
        now = self._clock.now()
        try:
            async with self._database.begin() as work:
                await work.outbox.prune(
                    deliveries_before=now - self._retention.deliveries,
                    observations_before=now - self._retention.observations,
                )
        except DatabaseError as error:
            _log.error("old records not forgotten", extra={"fields": {"cause": str(error)}})

    async def drop_channels(self, configured: Collection[str]) -> None:
        """Settle what was promised to channels that are no longer configured, and end their incidents."""
        now = self._clock.now()
        async with self._database.begin() as work:
            for channel in await work.outbox.waiting_channels() - set(configured):
                count = await work.outbox.abandon(channel, "the channel is no longer configured", now)
                fields = {"channel": channel, "deliveries": count}
                _log.error("deliveries abandoned: the channel is no longer configured", extra={"fields": fields})
            for incident in await work.record.open_incidents_of(IncidentKind.CHANNEL):
                if incident.subject in configured:
                    continue
                await work.record.close_incidents({incident.key: now})
                told = words.tell_channel_works(incident, now, removed=True)
                await work.outbox.promise([(told, self._recipients.promises(told))])
