"""Messages to send, and the channels that send them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from notifier.adapters.channels import open_channels
from notifier.domain.notification import Action, Kind, Notification
from notifier.domain.status import Severity
from notifier.ports import Channel, Message
from tests.support.examples import ACCOUNT, LINK, NIGHT, seconds

KEY = f"cni:{ACCOUNT}:{LINK.name}:7"
HOSTILE = "<!channel> <@U1> <https://evil.test|click> & *b* <script>alert(1)</script>\r\nBcc: x@evil.test"

DOWN = Notification(
    kind=Kind.PROBLEM,
    severity=Severity.CRITICAL,
    account=ACCOUNT,
    account_name="production",
    subject=LINK.name,
    site=LINK.site,
    title="[production] icon-ams-01 is Down (was Healthy) #42",
    lead="icon-ams-01 changed from Healthy to Down.",
    reason="Port down",
    facts=(("Speed", "10G"), ("Sightings", 2), ("Redundant", False)),
    incident_key=KEY,
    observed_at=NIGHT,
    recorded_at=NIGHT + seconds(15),
)
WORSE = replace(DOWN, kind=Kind.WORSENED, title="[production] icon-ams-01 is Down (was Unhealthy) #43")
HEALTHY = replace(
    DOWN,
    kind=Kind.RECOVERED,
    severity=Severity.OK,
    title="[production] icon-ams-01 is Healthy again after 7m 12s (was Down) #44",
    lead="icon-ams-01 changed from Down to Healthy.",
    reason=None,
    recorded_at=NIGHT + seconds(432),
)

LATE = timedelta(minutes=8, seconds=7)
TELL = Message(notification=DOWN, action=Action.TELL)
TELL_LATE = replace(TELL, late_by=LATE)
OPEN = Message(notification=DOWN, action=Action.OPEN)
UPDATE = Message(notification=WORSE, action=Action.UPDATE)
CLOSE = Message(notification=HEALTHY, action=Action.CLOSE)


def about(name: str, told: Notification = DOWN, *, after: float = 0, number: int = 42) -> Notification:
    """Tell the same of another link, later."""
    return replace(
        told,
        subject=name,
        title=told.title.replace(told.subject, name).replace("#42", f"#{number}"),
        lead=told.lead.replace(told.subject, name),
        incident_key=KEY.replace(told.subject, name),
        observed_at=told.observed_at + seconds(after),
        recorded_at=told.recorded_at + seconds(after),
    )


def hostile(text: str = HOSTILE) -> Message:
    """Put the text wherever Cloudflare's words may stand."""
    facts = (("Site", text), (f"First seen {text}", "now"))
    told = replace(DOWN, title=f"{text} is Down", lead=text, reason=text, subject=text, site=text, facts=facts)
    return Message(notification=told, action=Action.TELL)


@asynccontextmanager
async def opened(url: str, name: str = "noc") -> AsyncIterator[Channel]:
    """Open one channel and let go of it."""
    channel: Any = open_channels({name: url})[name]
    try:
        yield channel
    finally:
        await channel.close()
