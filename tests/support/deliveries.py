"""Promises to make and deliveries to settle."""

from dataclasses import replace
from datetime import datetime, timedelta

from notifier.domain.notification import Action, Notification
from notifier.ports import Accepted, Claimed, Database, Outcome, Promise, Settlement
from tests.support.examples import NIGHT, seconds
from tests.support.messages import DOWN

LATER = NIGHT + seconds(1)
LEASED = NIGHT + seconds(61)


def told(title: str = "title", *, key: str | None = "cni:a:b:1", at: datetime = NIGHT) -> Notification:
    return replace(DOWN, title=title, incident_key=key, observed_at=at, recorded_at=at)


def promise(
    channel: str = "noc",
    lane: str = "a",
    urgency: int = 0,
    *,
    action: Action = Action.TELL,
    due_at: datetime = NIGHT,
    why: str = "routes[0]",
) -> Promise:
    return Promise(
        channel=channel,
        lane=lane,
        action=action,
        urgency=urgency,
        due_at=due_at,
        give_up_at=due_at + timedelta(days=1),
        why=why,
    )


async def put(database: Database, *promises: Promise, key: str | None = "cni:a:b:1") -> None:
    """Promise so many notifications, in one transaction each; their titles are numbered from 0."""
    for number, each in enumerate(promises):
        async with database.begin() as work:
            await work.outbox.promise([(told(f"title {number}", key=key), [each])])


async def claim(
    database: Database,
    channel: str = "noc",
    *,
    now: datetime = LATER,
    owner: str = "us",
    whole: bool = False,
    lanes: int | None = 10,
) -> list[Claimed]:
    """Claim for a minute, alone."""
    async with database.begin() as work:
        if not await work.outbox.hold(channel, now):
            return []
        until = now + seconds(60)
        return await work.outbox.claim(channel, whole=whole, lanes=lanes, now=now, until=until, owner=owner)


def sent(claimed: Claimed, owner: str = "us", *, at: datetime = LATER, message: str = "m") -> Settlement:
    return Settlement(
        claimed=claimed,
        owner=owner,
        message=message,
        started_at=at,
        ended_at=at,
        outcome=Outcome.SENT,
        answer=Accepted(code=202, receipt="R1"),
    )


async def settle(database: Database, *settlements: Settlement) -> list[Settlement]:
    async with database.begin() as work:
        return await work.outbox.settle(settlements)
