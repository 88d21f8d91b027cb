"""PagerDuty's Events API v2: an incident is opened, updated and closed under one `dedup_key` (R19)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
from apprise.plugins.pagerduty import PAGERDUTY_API_LOOKUP, NotifyPagerDuty

from notifier.adapters.channels.answers import Reply, judge
from notifier.adapters.channels.text import late
from notifier.adapters.channels.web import CLIENT, asking
from notifier.domain.notification import PAGE, Action
from notifier.domain.status import Severity
from notifier.ports import Accepted, Answer, Message

_SUMMARY, _KEY = 1024, 255  # characters PagerDuty takes
_SEVERITIES = {Severity.OK: "info"}  # the others are PagerDuty's own words


class PagerDuty:
    """A service's integration key. `region`, `click` and `+name=value` of the URL are used; its action is not."""

    stateful = True
    bundles = False

    def __init__(self, plugin: NotifyPagerDuty) -> None:
        self.url = httpx.URL(PAGERDUTY_API_LOOKUP[plugin.region_name])
        self._routing_key = plugin.integration_key
        self._details: dict[str, str] = plugin.details
        self._click: str | None = plugin.click

    def requests(self, message: Message) -> Sequence[httpx.Request]:
        """Return one event."""
        told = message.notification
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "dedup_key": (told.incident_key or told.title)[:_KEY],
            "event_action": "resolve" if message.action is Action.CLOSE else "trigger",
        }
        if message.action is not Action.CLOSE:
            event |= {"client": CLIENT, "payload": self._payload(message)}
            if page := self._click or dict(told.facts).get(PAGE):
                event |= {"client_url": page, "links": [{"href": page, "text": CLIENT}]}
        return [asking(self.url, event)]

    def read(self, reply: Reply) -> Answer:
        """Take any 2xx for taken: the documented one is 202."""
        answer = judge(reply)
        if not isinstance(answer, Accepted):
            return answer
        key = reply.document.get("dedup_key")
        return replace(answer, receipt=key if isinstance(key, str) else None)

    def _payload(self, message: Message) -> dict[str, Any]:
        told = message.notification
        details = {"lead": told.lead, "reason": told.reason, "late_by": late(message)}
        payload = {
            "summary": told.title[:_SUMMARY],
            "severity": _SEVERITIES.get(told.severity, told.severity.value),
            "source": told.subject,
            "component": told.site,
            "group": told.account_name,
            "class": told.kind.value,
            "timestamp": told.observed_at.isoformat(),
            "custom_details": {**self._details, **_given(details), **dict(told.facts)},
        }
        return _given(payload)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "")}
