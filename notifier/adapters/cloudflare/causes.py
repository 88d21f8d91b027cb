"""Why Cloudflare did not say: its refusals and the network's troubles, in words a person can act on."""

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import httpx

from notifier.adapters.cloudflare.bodies import plain
from notifier.domain.observation import Cause, CauseKind

PERMISSIONS = ("Magic WAN Read", "Magic WAN Write", "Magic Transit Read", "Magic Transit Write")

_NEED = "the token must be active and hold one of " + ", ".join(f'"{p}"' for p in PERMISSIONS)
_REMEDY_PERMISSION = f"{_NEED} on this account"
_REMEDY_PLACE = f"allow this host in the token's client IP address filter; if it has none, {_REMEDY_PERMISSION}"
_REMEDY_FORMAT = "check the form of accounts[].token, or of email and key: it is cut short or has something extra"
_REMEDY_ACCOUNT = "check accounts[].id: Cloudflare has no such account"
_REMEDY_NOT_FOUND = "check accounts[].id and whether the interconnect still exists"
_REMEDY_URL = "check cloudflare.url and any proxy in between; redirects are not followed"

_Meaning = tuple[CauseKind, str | None]
_BY_CODE: dict[int, _Meaning] = {
    6003: (CauseKind.REFUSED, _REMEDY_FORMAT),
    6103: (CauseKind.REFUSED, _REMEDY_FORMAT),
    6111: (CauseKind.REFUSED, _REMEDY_FORMAT),
    7000: (CauseKind.WRONG_ACCOUNT, _REMEDY_ACCOUNT),
    7003: (CauseKind.WRONG_ACCOUNT, _REMEDY_ACCOUNT),
    9109: (CauseKind.REFUSED, _REMEDY_PLACE),
}
_BY_STATUS: dict[int, _Meaning] = {
    401: (CauseKind.REFUSED, _REMEDY_PERMISSION),
    403: (CauseKind.REFUSED, _REMEDY_PERMISSION),
    404: (CauseKind.NOT_FOUND, _REMEDY_NOT_FOUND),
}

_WAIT = timedelta(minutes=5)  # how long Cloudflare blocks, where it does not say (R32)
_LONGEST_WAIT = timedelta(days=1)  # more is a mistake, not a wish
_MESSAGE = 120  # characters of Cloudflare's own words


def refusal(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Cause:
    """Name the cause of an answer other than 2xx; `now` counts where the answer does not tell its own time.

    Only `errors` is looked at: 10000 is also a good message.
    """
    errors = list(_errors(body))
    text = f"{status} from Cloudflare"
    if errors:
        said = plain(": ".join(message for _, message in errors), _MESSAGE)
        text += f" ({errors[0][0]} {said})"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _rate_limited(headers.get("retry-after"), _date(headers.get("date")) or now)
    kind, remedy = _meaning(status, [code for code, _ in errors])
    return Cause(kind=kind, text=text, remedy=remedy)


def _meaning(status: int, codes: list[int]) -> _Meaning:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return CauseKind.SERVER_ERROR, None
    if status < HTTPStatus.BAD_REQUEST:
        return CauseKind.REDIRECTED, _REMEDY_URL
    known = [_BY_CODE[code] for code in codes if code in _BY_CODE]
    return known[0] if known else _BY_STATUS.get(status, (CauseKind.MALFORMED, None))


def blocked(until: datetime, now: datetime) -> Cause:
    """Say that Cloudflare asked not to be asked."""
    text = f"rate limited by Cloudflare, not asking before {until.astimezone(UTC):%H:%M:%SZ}"
    return Cause(kind=CauseKind.RATE_LIMITED, text=text, retry_after=until - now)


def over_budget(until: datetime, now: datetime) -> Cause:
    """Say that our own cap on requests is reached."""
    return Cause(
        kind=CauseKind.OVER_BUDGET,
        text=f"request budget used up until {until.astimezone(UTC):%H:%M:%SZ}",
        remedy="raise poll.interval or cloudflare.rate_limit.share",
        retry_after=until - now,
    )


def timed_out(after: timedelta) -> Cause:
    """Say that no whole answer came in time."""
    return Cause(kind=CauseKind.TIMEOUT, text=f"timed out after {after.total_seconds():g}s")


def malformed(what: str) -> Cause:
    """Say what is wrong with an answer."""
    return Cause(kind=CauseKind.MALFORMED, text=f"malformed answer from Cloudflare: {what}")


def trouble(error: Exception, host: str) -> Cause:
    """Name the cause of a request that got no whole answer.

    The transport calls most of aiohttp's errors a connect timeout, so the error behind its own is looked at.
    """
    match error.__cause__ if isinstance(error, httpx.HTTPError) else error:
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            text = f"the proxy gives no connection to {host}"
        case aiohttp.ClientResponseError():
            return malformed("it is not HTTP")
        case aiohttp.ClientConnectorDNSError():
            text = f"the name {host} cannot be resolved"
        case aiohttp.ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError(verify_code=10)  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED
        ):
            text = f"the certificate of {host} has expired"
        case aiohttp.ClientConnectorCertificateError():
            text = f"the certificate of {host} is not trusted"
        case aiohttp.ClientSSLError():
            text = f"no secure connection to {host}"
        case aiohttp.ClientConnectorError() as refused:
            why = f" ({os.strerror(refused.errno).lower()})" if refused.errno else ""
            text = f"no connection to {host}{why}"
        case aiohttp.ClientPayloadError():
            text = f"{host} broke off its answer"
        case _:
            text = f"{host} closed the connection without an answer"
    return Cause(kind=CauseKind.UNREACHABLE, text=text)


def _rate_limited(retry_after: str | None, now: datetime) -> Cause:
    asked = _wait(retry_after, now)
    wait = _WAIT if asked is None else min(asked, _LONGEST_WAIT)
    verb = "waiting" if asked is None else "asked to wait"
    text = f"429 from Cloudflare, {verb} {wait.total_seconds():.0f}s"
    return Cause(kind=CauseKind.RATE_LIMITED, text=text, retry_after=wait)


def _wait(retry_after: str | None, now: datetime) -> timedelta | None:
    """Read seconds or a date; None if it is neither."""
    value = (retry_after or "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value[:9]))
    at = _date(value)
    return None if at is None else max(at - now, timedelta())


def _date(value: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)


def _errors(body: bytes) -> Iterator[tuple[int, str]]:
    """Yield the code and message of each error, and of the errors behind it."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return
    waiting = [found.get("errors")] if isinstance(found, dict) else []
    while waiting:
        errors = waiting.pop(0)
        for error in errors if isinstance(errors, list) else []:
            if isinstance(error, dict) and isinstance(error.get("code"), int):
                yield error["code"], _message(error)
                waiting.append(error.get("error_chain"))


def _message(error: dict[str, Any]) -> str:
    message = error.get("message")
    return message if isinstance(message, str) else "no message"
