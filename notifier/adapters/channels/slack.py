"""Slack, by incoming webhook or bot: text that came from elsewhere can't ping, link or format."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import httpx
from apprise.plugins.slack import CHANNEL_RE, NotifySlack, SlackMode

from notifier.adapters.channels.answers import Reply, judge, retry_after
from notifier.adapters.channels.text import closing, notify_type, opening
from notifier.adapters.channels.web import asking
from notifier.ports import Accepted, Answer, Message, Refused, TryAgain

_TEXT = 3000  # characters of one piece of text
_BOT = SlackMode.BOT
_WEBHOOKS = {SlackMode.WEBHOOK: NotifySlack.webhook_url, SlackMode.WEBHOOK_GOV: NotifySlack.webhook_gov_url}
_PASSING = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}


def speaks(plugin: NotifySlack) -> bool:
    """Tell whether the URL is for messages of our own layout: no workflow, no template, no look-up by e-mail."""
    usual = plugin.mode == _BOT or plugin.mode in _WEBHOOKS
    return usual and not plugin.template and all(t is None or CHANNEL_RE.match(t) for t in plugin.channels)


class Slack:
    """One webhook, or one bot, and where it posts."""

    stateful = False
    bundles = True

    def __init__(self, plugin: NotifySlack) -> None:
        self._bot = plugin.mode == _BOT
        if self._bot:
            self.url = httpx.URL(plugin.api_url.format("chat.postMessage"))
            self._headers = {"Authorization": f"Bearer {plugin.access_token}"}
        else:
            place = _WEBHOOKS[str(plugin.mode)]
            self.url = httpx.URL(f"{place}/{plugin.token_a}/{plugin.token_b}/{plugin.token_c}")
            self._headers = {}
        self._color = plugin.color
        self._author = {"username": plugin.user} if plugin.user else {}
        self._targets = [_target(name) for name in plugin.channels]

    def requests(self, message: Message) -> Sequence[httpx.Request]:
        """Post to each target."""
        post = {**self._post(message), **self._author}
        return [asking(self.url, {**post, **target}, self._headers) for target in self._targets]

    def read(self, reply: Reply) -> Answer:
        """Believe nothing but `ok`: 200 alone says nothing here."""
        answer = judge(reply)
        if not isinstance(answer, Accepted):
            return answer
        if not self._bot:
            taken = reply.status == HTTPStatus.OK and reply.text == "ok"
            return answer if taken else TryAgain(cause=f"{reply.host} did not say ok", code=reply.status)
        said = reply.document
        if said.get("ok") is True:
            stamp = said.get("ts")
            return replace(answer, receipt=stamp if isinstance(stamp, str) else None)
        error = reply.said(str(said.get("error", "did not say ok")))
        cause = f"{reply.host}: {error}"
        if error in _PASSING or "error" not in said:
            return TryAgain(cause=cause, code=reply.status, retry_after=retry_after(reply.headers))
        return Refused(
            cause=f"{cause}; check the token, the channel's name, and that the bot is in it", code=reply.status
        )

    def _post(self, message: Message) -> dict[str, Any]:
        told = message.notification
        attachment = {
            "color": self._color(notify_type(told.severity)),
            "text": _safe("\n".join(opening(message))),
            "fields": [
                {"title": _safe(label), "value": _safe(str(value)), "short": True} for label, value in told.facts
            ],
            "footer": _safe(" · ".join(closing(message))),
            "ts": int(told.observed_at.timestamp()),
            "mrkdwn_in": [],
        }
        quiet = {"mrkdwn": False, "link_names": False, "unfurl_links": False, "unfurl_media": False}
        return {"text": _safe(told.title), "attachments": [attachment], **quiet}


def _target(name: str | None) -> dict[str, str]:
    found = CHANNEL_RE.match(name or "")
    if found is None:
        return {}
    channel, thread = found["channel"], found["thread_ts"]
    named = channel.lstrip("+") if channel[0] in "+#@" else f"#{channel}"
    return {"channel": named, **({"thread_ts": thread} if thread else {})}


def _safe(text: str) -> str:
    """Escape what Slack reads as markup, after cutting: half an escape would be text again."""
    return text[:_TEXT].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
