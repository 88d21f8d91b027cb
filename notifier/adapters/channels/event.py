"""A notification as a JSON document that receivers of Cloudflare's own webhooks take as it is."""

import json
from dataclasses import replace
from typing import Any

from notifier.adapters.channels.text import plain
from notifier.domain.incident import IncidentKind, incident_key
from notifier.domain.notification import Kind, Notification
from notifier.ports import Answer, Channel, Message

ALERT_TYPE = "cni_status_notification"  # in the manner of Cloudflare's health_check_status_notification
_START, _END = "ALERT_STATE_EVENT_START", "ALERT_STATE_EVENT_END"
_ENDS = {
    Kind.RECOVERED,
    Kind.REMOVED,
    Kind.SITE_BACK,
    Kind.SEEN_AGAIN,
    Kind.CHANNEL_WORKS,
    Kind.AUDIT_PASSED,
    Kind.OBJECTIVE_MET,
    Kind.DRILL_PASSED,
}
_NEITHER = {Kind.UP, Kind.RETURNED, Kind.CALM, Kind.TEST}
_NO_LINK = {
    Kind.SITE_LOST,
    Kind.SITE_BACK,
    Kind.BLIND,
    Kind.SEEN_AGAIN,
    Kind.CHANNEL_FAILED,
    Kind.CHANNEL_WORKS,
    Kind.STRANDED,
    Kind.AUDIT_FAILED,
    Kind.AUDIT_PASSED,
    Kind.OBJECTIVE_MISSED,
    Kind.OBJECTIVE_MET,
    Kind.DRILL_FAILED,
    Kind.DRILL_PASSED,
    Kind.TEST,
}


class EventChannel:
    """A message channel that is told events: the document is the text, each notification by itself."""

    stateful = False
    bundles = False

    def __init__(self, channel: Channel) -> None:
        self.name = channel.name
        self._channel = channel

    async def send(self, message: Message) -> Answer:
        """Send one document."""
        told = replace(
            message.notification,
            lead=json.dumps(document(message)),
            reason=None,
            facts=(),
            incident_key=None,
        )
        return await self._channel.send(Message(notification=told, action=message.action))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._channel.close()


def document(message: Message) -> dict[str, Any]:
    """Return the document. `alert_event` and `alert_correlation_id` are there for what belongs to an incident.

    What goes on (worsened, eased, a reminder) starts it again under the same id; what neither starts nor ends an
    incident has no event. Times in `data` are ISO 8601, `ts` is in seconds since 1970.
    """
    told = message.notification
    found: dict[str, Any] = {
        "name": told.title,
        "text": f"{told.title}\n\n{plain(message)}",
        "data": _data(message),
        "ts": int(told.observed_at.timestamp()),
        "account_id": told.account,
        "alert_type": ALERT_TYPE,
    }
    if told.incident_key is None:
        return found
    found["alert_correlation_id"] = told.incident_key
    if told.kind not in _NEITHER:
        found["alert_event"] = _END if told.kind in _ENDS else _START
    return found


def _data(message: Message) -> dict[str, Any]:
    told = message.notification
    return {
        "kind": told.kind.value,
        "status": told.status,
        "before": told.before,
        "severity": told.severity.value,
        "account_name": told.account_name,
        "subject": told.subject,
        "interconnect": told.subject if _of_link(told) else None,
        "site": told.site,
        "reason": told.reason,
        "facts": dict(told.facts),
        "observed_at": told.observed_at.isoformat(),
        "recorded_at": told.recorded_at.isoformat(),
        "late_by_s": message.late_by.total_seconds() if message.late_by else None,
    }


def _of_link(told: Notification) -> bool:
    if told.kind is not Kind.REMINDER:
        return told.kind not in _NO_LINK
    number = int((told.incident_key or "0").rpartition(":")[2])
    return told.incident_key == incident_key(IncidentKind.INTERCONNECT, told.account, told.subject, number)
