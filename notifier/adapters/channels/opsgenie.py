"""Opsgenie's Alert API: an alert is made, raised and closed under one alias (R19)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP, NotifyOpsgenie

from notifier.adapters.channels.answers import Reply, judge
from notifier.adapters.channels.text import plain
from notifier.adapters.channels.web import CLIENT, asking
from notifier.domain.notification import Action
from notifier.domain.status import Severity
from notifier.ports import Accepted, Answer, Message

_MESSAGE, _DESCRIPTION, _ALIAS = 130, 15_000, 512  # characters Opsgenie takes
_PRIORITIES = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.INFO: "P4",
    Severity.OK: "P5",
}


class Opsgenie:
    """An API key. Region, responders, tags, entity and `+name=value` of the URL are used; its action is not."""

    stateful = True
    bundles = False

    def __init__(self, plugin: NotifyOpsgenie) -> None:
        self.url = httpx.URL(OPSGENIE_API_LOOKUP[str(plugin.region_name)])
        self._headers = {"Authorization": f"GenieKey {plugin.apikey}"}
        self._author = {"source": CLIENT, **({"user": plugin.user} if plugin.user else {})}
        self._details: dict[str, str] = plugin.details
        url = plugin.url()  # type: ignore[no-untyped-call]  # Apprise is typed in part
        tags = parse_qs(urlsplit(url).query).get("tags", [""])[0]  # the plugin tells them nowhere else
        given = {"responders": plugin.targets, "tags": tags.split(",") if tags else None, "entity": plugin.entity}
        self._always = {name: value for name, value in given.items() if value}

    def requests(self, message: Message) -> Sequence[httpx.Request]:
        """Make the alert or close it; one that is open already takes only its new priority."""
        match message.action:
            case Action.CLOSE:
                return [self._about(message, "close", {**self._author, "note": plain(message)[:_DESCRIPTION]})]
            case Action.UPDATE:
                raised = {"priority": _PRIORITIES[message.notification.severity]}
                return [self._alert(message), self._about(message, "priority", raised, "PUT")]
            case _:
                return [self._alert(message)]

    def read(self, reply: Reply) -> Answer:
        """Take any 2xx for taken: the documented one is 202."""
        answer = judge(reply)
        if not isinstance(answer, Accepted):
            return answer
        number = reply.document.get("requestId")
        return replace(answer, receipt=number if isinstance(number, str) else None)

    def _alert(self, message: Message) -> httpx.Request:
        told = message.notification
        facts = {"kind": told.kind, "account": told.account_name, "site": told.site, **dict(told.facts)}
        alert: dict[str, Any] = {
            "message": told.title[:_MESSAGE],
            "alias": _alias(message),
            "description": plain(message)[:_DESCRIPTION],
            "details": {**self._details, **{name: _text(fact) for name, fact in facts.items() if fact is not None}},
            "entity": told.subject,
            "priority": _PRIORITIES[told.severity],
        }
        return asking(self.url, {**alert, **self._author, **self._always}, self._headers)

    def _about(self, message: Message, what: str, document: dict[str, str], method: str = "POST") -> httpx.Request:
        url = f"{self.url}/{quote(_alias(message), safe='')}/{what}?identifierType=alias"
        return asking(url, document, self._headers, method)


def _alias(message: Message) -> str:
    return (message.notification.incident_key or message.notification.title)[:_ALIAS]


def _text(fact: object) -> str:
    return str(fact).lower() if isinstance(fact, bool) else str(fact)
