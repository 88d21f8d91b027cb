"""The dead man's heartbeat, by httpx: somebody outside notices when it stops (R30)."""

import asyncio
import logging
from collections.abc import Collection
from urllib.parse import urlsplit

import httpx

from notifier.errors import ConfigurationError

_log = logging.getLogger(__name__)

_DEADLINE_S = 10  # for a whole beat, however slowly the receiver drips
_UNHEARD = b"OK ("  # so Healthchecks' own service says "not found" and "rate limited", with status 200


class Heartbeat:
    """Pings a URL, and its /fail with what is wrong, as Healthchecks has it (https://healthchecks.io/docs/http_api/).

    Redirects are not followed. HTTP_PROXY, HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE of the environment are obeyed.
    Raises ConfigurationError for a URL, or a proxy, that can't be used.
    """

    def __init__(self, url: str) -> None:
        self._good, self._bad = _urls(url)
        self._client = _client()
        self._heard = True

    async def beat(self, ailments: Collection[str]) -> None:
        """Tell that all is well, or what is wrong; at most 10 s. Never raises for what network and receiver do."""
        trouble = await self._ask(ailments)
        if trouble is not None and self._heard:
            _log.warning("heartbeat not heard", extra={"fields": {"cause": trouble}})
        elif trouble is None and not self._heard:
            _log.info("heartbeat heard again")
        self._heard = trouble is None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _ask(self, ailments: Collection[str]) -> str | None:
        """Return why it was not heard, if it was not."""
        request = (
            self._client.build_request("POST", self._bad, content="\n".join(ailments))
            if ailments
            else self._client.build_request("GET", self._good)
        )
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return _trouble(*await self._exchange(request))
        except (TimeoutError, httpx.TimeoutException):
            return f"no answer within {_DEADLINE_S}s"
        except (httpx.HTTPError, OSError, ValueError) as error:  # the last: a name that DNS can't spell
            return str(error) or type(error).__name__

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """Send it, and read no more than how the answer begins."""
        response = await self._client.send(request, stream=True)
        try:
            return response, await anext(response.aiter_raw(), b"")
        finally:
            await response.aclose()


def _trouble(response: httpx.Response, begins: bytes) -> str | None:
    if response.is_redirect:
        return f"{response.status_code}: a redirect, which is not followed"
    if not response.is_success:
        return f"{response.status_code} {response.reason_phrase}"
    return repr(begins[:50].decode(errors="replace")) if begins.startswith(_UNHEARD) else None


def _urls(url: str) -> tuple[httpx.URL, httpx.URL]:
    parts = urlsplit(url)
    try:
        return httpx.URL(url), httpx.URL(parts._replace(path=parts.path.rstrip("/") + "/fail").geturl())
    except httpx.InvalidURL:
        raise ConfigurationError(
            ["heartbeat.url: found a text (not shown), expected an http:// or https:// URL"]
        ) from None


def _client() -> httpx.AsyncClient:
    headers = {"User-Agent": "cni-notifier", "Accept-Encoding": "identity"}
    try:
        return httpx.AsyncClient(headers=headers, timeout=_DEADLINE_S)
    except (ValueError, ImportError):
        raise ConfigurationError(["proxy in the environment: expected http:// or https://"]) from None
