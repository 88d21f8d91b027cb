"""A message as lines of text, and as HTML in the same words. What Cloudflare said is untrusted in either."""

import re
from datetime import UTC, timedelta
from html import escape
from typing import assert_never

from apprise import NotifyType

from notifier.domain.status import Severity
from notifier.ports import Message


def plain(message: Message) -> str:
    """Return the body: what changed, the reason quoted, the facts, how late it is, the incident's key."""
    told = message.notification
    parts = [
        opening(message),
        [f"{one_line(label)}: {one_line(str(value))}" for label, value in told.facts],
        closing(message),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def html(message: Message) -> str:
    """Return the body as HTML, everything escaped."""
    told = message.notification
    rows = "".join(
        f'<tr><th align="left">{_safe(label)}</th><td>{_safe(str(value))}</td></tr>' for label, value in told.facts
    )
    return (
        "".join(f"<p>{_safe(line)}</p>" for line in opening(message))
        + (f"<table>{rows}</table>" if rows else "")
        + "".join(f"<p>{_safe(line)}</p>" for line in closing(message))
    )


def opening(message: Message) -> list[str]:
    """Return what changed, and Cloudflare's reason in quotes."""
    told = message.notification
    reason = [f'Cloudflare says: "{one_line(told.reason)}"'] if told.reason else []
    return [one_line(told.lead), *reason]


def closing(message: Message) -> list[str]:
    """Return how late it is, and the incident's key."""
    key = message.notification.incident_key
    return [line for line in (late(message), f"Incident: {key}" if key else None) if line]


def late(message: Message) -> str | None:
    """Say that it is late, if it is: `observed 03:12:04Z, late by 8m07s` (R17)."""
    if message.late_by is None:
        return None
    return f"observed {message.notification.observed_at.astimezone(UTC):%H:%M:%SZ}, late by {_span(message.late_by)}"


def one_line(text: str) -> str:
    """Keep untrusted text from forging lines: control characters become spaces."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def notify_type(severity: Severity) -> NotifyType:
    """Say it in Apprise's words; only what ended well has the severity `ok`."""
    match severity:
        case Severity.CRITICAL | Severity.ERROR:
            return NotifyType.FAILURE
        case Severity.WARNING:
            return NotifyType.WARNING
        case Severity.OK:
            return NotifyType.SUCCESS
        case Severity.INFO:
            return NotifyType.INFO
        case _:
            assert_never(severity)


def _safe(text: str) -> str:
    return escape(one_line(text))


def _span(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{seconds:02}s" if hours else f"{minutes}m{seconds:02}s"
