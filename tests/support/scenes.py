"""What the scenarios share: channels, what was taken by them, and what usually happens to a link."""

import re
from datetime import UTC, datetime

from tests.support.examples import ACCOUNT
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, Received
from tests.support.stage import Stage

NAME = "icon-ams-01"
DOWN = "icon-ams-01 is Down (was Healthy) #2"
AGAIN = "icon-ams-01 is Healthy again after … (was Down) #3"
KEY = f"cni:{ACCOUNT}:icon-ams-01:1"
SITE_KEY = f"cni:{ACCOUNT}:site:ams-a:1"
PAGER = "pagerduty://routingkey0123456789abcdefabcdef@unused/"


def noc(receiver: HttpReceiver, name: str = "noc") -> dict[str, str]:
    """Say how a webhook there is configured; its path is its name."""
    return {name: f"json://{receiver.address}/{name}?cto=1&rto=1"}


def taken(receiver: HttpReceiver, channel: str | None = None) -> list[Received]:
    """Return the requests (of one channel) that were answered with success."""
    return [
        request
        for request in receiver.requests
        if request.status is not None and request.status < 300 and channel in {None, request.path.strip("/")}
    ]


def titles(receiver: HttpReceiver, channel: str | None = None) -> list[str]:
    """Return what was said and taken, without the account's name and with "…" for how long something lasted."""
    return [_brief(request.json["title"]) for request in taken(receiver, channel)]


def bodies(receiver: HttpReceiver) -> list[str]:
    """Return the texts that were taken."""
    return [request.json["message"] for request in taken(receiver)]


def paged(hosts: FixedHosts) -> list[tuple[str, str]]:
    """Return what PagerDuty took: what to do, under which key."""
    return [(r.json["event_action"], r.json["dedup_key"]) for r in hosts.to(PAGERDUTY) if r.status == 202]


def key(name: str, number: int = 1) -> str:
    """Return the key of a link's incident."""
    return f"cni:{ACCOUNT}:{name}:{number}"


def downs(*names: str) -> list[str]:
    """Return what is said when these links go down for the first time."""
    return [f"{name} is Down (was Healthy) #2" for name in names]


async def down(stage: Stage, name: str = NAME, reason: str | None = "no light") -> None:
    """Have a link be Healthy, then go down, until that is confirmed."""
    await stage.polls(stage.link(name), "Healthy")
    await stage.polls(stage.link(name), "Down", "Down", reason=reason)


async def heal(stage: Stage, name: str = NAME) -> None:
    """Have a link be Healthy until that is confirmed."""
    stage.link(name).set("Healthy")
    await stage.advance(120)


async def until(stage: Stage, hour: int, minute: int) -> None:
    """Let time pass until then, of the same day."""
    now = stage.clock.now()
    then = datetime(now.year, now.month, now.day, hour, minute, tzinfo=UTC)
    await stage.advance((then - now).total_seconds())


def _brief(title: str) -> str:
    return re.sub(r"\b(after|for|in) [\d.]+[dhms]( \d+[dhms])?", r"\1 …", title.removeprefix("[production] "))
