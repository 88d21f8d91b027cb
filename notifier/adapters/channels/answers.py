"""What a receiver's answer means for a delivery: taken, again later, or never (R16)."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from notifier.adapters.channels.secrets import Hide
from notifier.adapters.channels.text import one_line
from notifier.ports import Accepted, Answer, Refused, TryAgain

_LONGEST_WAIT = timedelta(hours=1)  # more is a mistake, not a wish
_EXCERPT = 160  # characters of the receiver's own words
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_REMEDIES = {
    HTTPStatus.UNAUTHORIZED: "check the key or password in the channel's URL",
    HTTPStatus.FORBIDDEN: "check the key in the channel's URL and what it may do",
    HTTPStatus.NOT_FOUND: "check the channel's URL",
    HTTPStatus.GONE: "what the channel's URL names is no more; make a new one",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer of `host`; `text` is its body. It may echo our secrets: only what went through `said` is told."""

    host: str
    status: int
    headers: Mapping[str, str]
    text: str
    hide: Hide

    @property
    def document(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def said(self, words: str) -> str:
        """Return the receiver's own words, fit for a cause: short, on one line, without secrets."""
        return brief(self.hide(words))


def judge(reply: Reply) -> Answer:
    """Judge an answer by its status alone."""
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return Accepted(code=reply.status)
    return judge_status(reply.status, reply.host, said=_excerpt(reply), retry_after=retry_after(reply.headers))


def judge_status(status: int, who: str, *, said: str = "", retry_after: timedelta | None = None) -> TryAgain | Refused:
    """Judge a status other than 2xx. `said` is the receiver's own reason, without secrets."""
    cause = f"{status} from {who}" + (f": {said}" if said else "")
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        arrived = status != HTTPStatus.TOO_MANY_REQUESTS
        return TryAgain(cause=cause, code=status, retry_after=retry_after, arrived=arrived)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Refused(cause=f"{status} from {who}: redirects are not followed; check the channel's URL", code=status)
    remedy = {int(known): words for known, words in _REMEDIES.items()}.get(status)
    return Refused(cause=f"{cause}; {remedy}" if remedy else cause, code=status)


def worst(answers: Iterable[Answer]) -> Answer:
    """Join the answers to one message's parts: while one part may still be taken, it is tried again."""
    parts = sorted(answers, key=lambda answer: (TryAgain, Refused, Accepted).index(type(answer)))
    first = parts[0]
    if not isinstance(first, TryAgain):
        return first
    arrived = any(part.arrived if isinstance(part, TryAgain) else isinstance(part, Accepted) for part in parts)
    return replace(first, arrived=arrived)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read Retry-After, at most an hour: seconds, or a date, which is compared with the answer's own."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), _LONGEST_WAIT)
    try:
        until, now = (parsedate_to_datetime(date) for date in (value, headers.get("date", "")))
    except ValueError:
        return None
    wait = until.replace(tzinfo=until.tzinfo or UTC) - now.replace(tzinfo=now.tzinfo or UTC)
    return min(max(wait, timedelta()), _LONGEST_WAIT)


def brief(text: str) -> str:
    """Cut another's words to a length that a line of log bears."""
    line = " ".join(one_line(text).split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"


def _excerpt(reply: Reply) -> str:
    """Take the reason out of the usual JSON; of anything else the beginning, but no page of HTML."""
    reasons = "; ".join(_reasons(reply.document))
    if not reasons and re.match(r"\s*[<{\[]", reply.text):
        return ""
    return reply.said(reasons or reply.text)


def _reasons(document: dict[str, Any]) -> Iterator[str]:
    for name in ("message", "error", "errors", "detail"):
        found = document.get(name)
        for each in found if isinstance(found, list) else [found]:
            if isinstance(each, str) and each:
                yield each
