"""The log, on stderr: text or JSON lines, never with a secret (R33).

A record is a short fixed phrase and fields, so that it can be searched and counted:
`logger.info("account blind", extra={"fields": {"account": "production", "cause": "403"}})`.
"""

import json
import logging
import re
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

_OURS = "notifier"
_SHORTEST = 4  # characters; hiding anything shorter would leave no word whole


def configure(*, format: str, level: str, secrets: Collection[str], stream: TextIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Set up the log anew.

    `format` is text or json, `level` debug, info, warning or error; `stream` is stderr if not given.
    Other packages are heard from warning up. As text, a traceback is shown at level debug only.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    redact = Redaction(secrets)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(redact) if format == "json" else TextLines(redact, tracebacks=level == "debug"))
    handler.addFilter(_worth_telling)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger(_OURS).setLevel(threshold)
    logging.raiseExceptions = False  # what logging prints of a record it can't write is not redacted


def _worth_telling(record: logging.LogRecord) -> bool:
    """Other packages log requests, rows and keys below warning, whatever level they set themselves."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] == _OURS


class Redaction:
    """Puts `***` in the place of every secret, in whatever form it appears."""

    def __init__(self, secrets: Collection[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, value: Any) -> Any:
        """Make a value fit to be written: plain JSON, without secrets."""
        match value:
            case bool() | int() | float() | None:
                return value
            case timedelta():
                return f"{value.total_seconds():g}s"
            case datetime():
                return _moment(value)
            case Mapping():
                return {self(str(name)): self(inner) for name, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self(inner) for inner in value]
            case _:
                return self._pattern.sub("***", str(value))


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may turn up: as it is, escaped, percent-encoded, in base64."""
    if len(secret) < _SHORTEST:
        return
    yield from (
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
    )
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):  # base64 looks different at each of three places in a longer text
            whole = encode(b"\0" * before + secret.encode()).decode().rstrip("=")
            first, last = -(-before * 8 // 6), (before + len(secret.encode())) * 8 // 6
            yield whole[first:last]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Lines(logging.Formatter):
    """What both formats share: a record's parts, redacted."""

    def __init__(self, redact: Redaction, *, tracebacks: bool = True) -> None:
        super().__init__()
        self._redact = redact
        self._tracebacks = tracebacks

    def parts(self, record: logging.LogRecord) -> dict[str, Any]:
        at = _moment(datetime.fromtimestamp(record.created, UTC))
        head = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._redact(_phrase(record)),
        }
        fields: dict[str, Any] = self._redact(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["error"] = self._redact(f"{type(error).__name__}: {error}")
            if self._tracebacks:
                fields["traceback"] = self._redact(self.formatException(record.exc_info))
        return head | fields | head


def _phrase(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # another package's arguments don't fit its words
        return str(record.msg)


class TextLines(_Lines):
    """`2026-01-02T03:04:05.678Z INFO notifier.app: account blind account=production cause="403 from Cloudflare"`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback goes below it."""
        parts = self.parts(record)
        at, level, name, event = (parts.pop(part) for part in ("at", "level", "logger", "event"))
        traceback = parts.pop("traceback", None)
        told = "".join(f" {field}={_text(value)}" for field, value in parts.items())
        line = f"{at} {level.upper()} {name}: {_one_line(event)}{told}"
        return f"{line}\n{traceback}" if traceback else line


class JsonLines(_Lines):
    """One object a line: `at`, `level`, `logger`, `event`, then the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(self.parts(record), ensure_ascii=False)


def _text(value: Any) -> str:
    plain = isinstance(value, str) and re.fullmatch(r"[^\s\"'=\x00-\x1f\x7f]+", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)
