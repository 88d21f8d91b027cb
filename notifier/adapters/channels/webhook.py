"""Any receiver of JSON: what Apprise sends to it, and the whole notification typed beside it."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import httpx
from apprise.plugins.custom_json import NotifyJSON

from notifier.adapters.channels.answers import Reply, judge
from notifier.adapters.channels.event import document
from notifier.adapters.channels.text import notify_type, plain
from notifier.adapters.channels.web import asking
from notifier.ports import Answer, Message


class Webhook:
    """Apprise's `json://`: its method, headers, parameters and renamed fields are those of the URL."""

    stateful = False
    bundles = True

    def __init__(self, plugin: NotifyJSON) -> None:
        scheme, port = ("https" if plugin.secure else "http"), (f":{plugin.port}" if plugin.port else "")
        self.url = httpx.URL(f"{scheme}://{plugin.host}{port}{plugin.fullpath}")
        if plugin.params:
            self.url = self.url.copy_merge_params(plugin.params)
        self._method = str(plugin.method)
        self._version = plugin.json_version
        self._extras: dict[str, str] = plugin.payload_extras
        self._headers: dict[str, str] = {**_basic(plugin.user, plugin.password), **plugin.headers}

    def requests(self, message: Message) -> Sequence[httpx.Request]:
        """Return one request."""
        return [asking(self.url, self._document(message), self._headers, self._method)]

    def read(self, reply: Reply) -> Answer:
        """Take any 2xx for taken."""
        return judge(reply)

    def _document(self, message: Message) -> dict[str, Any]:
        told = message.notification
        document: dict[str, Any] = {
            "version": self._version,
            "title": told.title,
            "message": plain(message),
            "attachments": [],
            "type": notify_type(told.severity).value,
            "notification": _typed(message),
        }
        for name, value in self._extras.items():  # `:title=subject` renames, `:title=` leaves out, `:a=b` adds
            if name not in document:
                document[name] = value
            elif value:
                document[value] = document.pop(name)
            else:
                del document[name]
        return document


class EventWebhook(Webhook):
    """The same, told events: the body is the document itself."""

    bundles = False

    def _document(self, message: Message) -> dict[str, Any]:
        return document(message)


def _typed(message: Message) -> dict[str, Any]:
    told = message.notification
    return {
        "kind": told.kind.value,
        "severity": told.severity.value,
        "account": told.account,
        "account_name": told.account_name,
        "subject": told.subject,
        "site": told.site,
        "lead": told.lead,
        "reason": told.reason,
        "facts": dict(told.facts),
        "incident_key": told.incident_key,
        "observed_at": told.observed_at.isoformat(),
        "recorded_at": told.recorded_at.isoformat(),
        "late_by_s": message.late_by.total_seconds() if message.late_by else None,
    }


def _basic(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    return {"Authorization": "Basic " + b64encode(f"{user}:{password or ''}".encode()).decode()}
