"""The API of one account: what to ask, how long to wait, how often."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import aclosing
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from httpx_aiohttp import AiohttpTransport

from notifier.adapters.cloudflare.bodies import MalformedError, Page, read_page, read_status
from notifier.adapters.cloudflare.causes import (
    blocked,
    malformed,
    over_budget,
    refusal,
    timed_out,
    trouble,
)
from notifier.adapters.cloudflare.credential import Credential
from notifier.domain.budget import RequestBudget
from notifier.domain.observation import Cause, CauseKind, Sight, Unseen
from notifier.errors import ConfigurationError, NotifierError
from notifier.ports import Clock, Listed

_STATUS_SIZE = 64 * 1024
_PAGE_SIZE = 8 * 1024 * 1024
_PAGES = 100
_AT_ONCE = 10  # requests in flight, and so connections
_KEEP_ALIVE_S = 150  # outlives twice the usual interval between polls
_TOLD = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "cni-notifier"}

_Read = TypeVar("_Read")
_kept: ContextVar[bool] = ContextVar("kept")  # whether this request went over a connection used before


class _NoPermitError(NotifierError):
    """The budget has no permit now."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.text)
        self.cause = cause


class CloudflareApi:
    """One account at Cloudflare's API: the `Cloudflare` port.

    `timeout` is for a whole request, from connecting to the answer's last byte.
    `budget` is shared by all accounts that use the same credential; each request, even a repeated one,
    takes one permit, and a 429 blocks it for everybody (R32). `trust` is `trusted()`, once for all accounts.
    Redirects are not followed. HTTP_PROXY, HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE of the environment are
    obeyed. Raises ConfigurationError for a proxy that can't be used.
    """

    def __init__(
        self,
        *,
        account: str,
        url: str,
        credential: Credential,
        timeout: timedelta,
        budget: RequestBudget,
        clock: Clock,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._account = account
        self._interconnects = f"{url.rstrip('/')}/accounts/{quote(account, safe='')}/cni/interconnects"
        self._urls: dict[str, httpx.URL] = {}  # of statuses, by name: to read a URL costs a tenth of a poll
        self._host = urlsplit(url).hostname or url
        self._proxy = _proxy(url)
        self._credential = credential
        self._timeout = timeout
        self._budget = budget
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._pages: list[Page] = []  # of a listing that was broken off
        self._trust = trust or trusted()
        self._transport = AiohttpTransport(verify=self._trust, client=self._session)

    async def status(self, name: str) -> Sight:
        """Ask for one interconnect's status."""
        if name in {".", ".."}:  # a path segment that every URL library resolves away, encoded or not
            return Unseen(malformed(f"it lists an interconnect named {name}, which no URL can name"))
        if (url := self._urls.get(name)) is None:
            url = self._urls[name] = httpx.URL(f"{self._interconnects}/{quote(name, safe='')}/status")
        return await self._ask(url, _STATUS_SIZE, lambda body: read_status(self._safe(body)))

    async def listing(self) -> Listed | Unseen:
        """List every interconnect, all pages. A name seen twice (the list moved while read) counts once.

        What the request budget broke off goes on at the page it came to: begun anew, a long one would never end.
        """
        pages, self._pages = self._pages, []
        while len(pages) < _PAGES:
            page = await self._page(f"?cursor={pages[-1].next}" if pages else "")
            if isinstance(page, Unseen):
                if page.cause.kind is CauseKind.OVER_BUDGET:
                    self._pages = pages
                return page
            pages.append(page)
            if page.next is None:
                by_name = {link.name: link for page in pages for link in page.interconnects}
                return Listed(tuple(by_name.values()))
            if page.next in {earlier.next for earlier in pages[:-1]}:
                break
        return Unseen(malformed("its pages have no end"))

    async def permission(self) -> Unseen | None:
        """Ask for a listing of one: None if the credential may see this account's interconnects."""
        page = await self._page("?limit=1")
        return page if isinstance(page, Unseen) else None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()

    async def _page(self, query: str) -> Page | Unseen:
        url = httpx.URL(self._interconnects + query)
        return await self._ask(url, _PAGE_SIZE, partial(read_page, account=self._account))

    async def _ask(self, url: httpx.URL, size: int, read: Callable[[bytes], _Read]) -> _Read | Unseen:
        """Read the body of a 2xx answer of at most `size` bytes; what can't be read is handed on as it came."""
        body = b""
        try:
            answer, body = await self._exchange(url, size)
            if not answer.is_success:
                return self._unread(self._refused(answer, self._safe(body)), body)
            if len(body) > size:
                return self._unread(malformed(f"it is longer than {size // 1024} KiB"), body)
            return read(body)
        except MalformedError as error:
            cause = malformed(str(error))
        except _NoPermitError as error:
            cause = error.cause
        except TimeoutError:
            cause = timed_out(self._timeout)
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            cause = trouble(error, self._host)
        return self._unread(cause, body)

    def _safe(self, body: bytes) -> bytes:
        """Should anything in between echo what it was sent, it goes no further (R33)."""
        return body.replace(self._credential.secret.encode(), b"***")

    def _unread(self, cause: Cause, body: bytes) -> Unseen:
        return Unseen(cause, self._safe(body)[:_STATUS_SIZE] or None)

    async def _exchange(self, url: httpx.URL, size: int) -> tuple[httpx.Response, bytes]:
        """Send and receive; reading stops at the first chunk beyond `size`.

        The transport is asked directly: httpx's client sees to redirects, cookies and logins, for a third of the cost.
        """
        request = httpx.Request("GET", url, headers={**self._credential.headers(), **_TOLD})
        body = bytearray()
        async with (
            self._turns,  # waiting for one's turn is not Cloudflare's delay
            asyncio.timeout(self._timeout.total_seconds()),
            aclosing(await self._transport.handle_async_request(request)) as answer,
        ):
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > size:
                    break
        return answer, bytes(body)

    def _refused(self, answer: httpx.Response, body: bytes) -> Cause:
        now = self._clock.now()
        cause = refusal(answer.status_code, answer.headers, body, now)
        if cause.kind is CauseKind.RATE_LIMITED and cause.retry_after is not None:
            self._budget.block(now + cause.retry_after)
        return cause

    def _session(self) -> aiohttp.ClientSession:
        """Make the session under httpx, which has no say in these settings."""
        return aiohttp.ClientSession(
            connector=_Connector(limit=_AT_ONCE, keepalive_timeout=_KEEP_ALIVE_S, ssl=self._trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(self._attempt,),
            proxy=self._proxy,  # trust_env would also read ~/.netrc, in a thread, for each request
        )

    async def _attempt(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Take a permit for each attempt.

        aiohttp asks a second time, at once, when a connection breaks before the answer. That is right for
        a kept connection, which the far end may just have dropped; of a new one it says something.
        """
        self._take_permit()
        _kept.set(True)
        try:
            return await send(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if _kept.get():
                raise
            raise aiohttp.ClientConnectionError("no answer") from error

    def _take_permit(self) -> None:
        now = self._clock.now()
        if self._budget.take(now):
            return
        until = self._budget.blocked_until(now)
        raise _NoPermitError(blocked(until, now) if until else over_budget(self._budget.free_at(now), now))


def trusted() -> ssl.SSLContext:
    """Read whose certificates are trusted: a megabyte, and some 30 ms."""
    return httpx.create_ssl_context()


class _Connector(aiohttp.TCPConnector):
    """Tells new connections from kept ones; aiohttp's tracing does so too, for a twentieth of the cost of a poll."""

    async def _create_connection(self, *how: Any) -> ResponseHandler:
        _kept.set(False)
        return await super()._create_connection(*how)


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    scheme, separator, _ = proxy.partition("://")
    if separator and scheme not in {"http", "https"}:
        raise ConfigurationError([f"proxy in the environment: expected http:// or https://, found {scheme}://"])
    return proxy if separator else f"http://{proxy}"
