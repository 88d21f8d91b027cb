"""Channels whose receiver is asked over HTTP: one client each, so that none waits for another (R26)."""

import errno
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from notifier.adapters.channels.answers import Reply, worst
from notifier.adapters.channels.deadline import DEADLINE_S, deadline
from notifier.adapters.channels.secrets import Hide
from notifier.errors import ConfigurationError
from notifier.ports import Answer, Message, TryAgain

CLIENT = "cni-notifier"
_SIZE = 64 * 1024  # of an answer; more is not read


class Receiver(Protocol):
    """One kind of receiver: what to ask it for a message, and what its replies mean."""

    @property
    def stateful(self) -> bool:
        """Whether it keeps incidents."""
        ...

    @property
    def bundles(self) -> bool:
        """Whether it takes several notifications as one message."""
        ...

    @property
    def url(self) -> httpx.URL:
        """Where it is."""
        ...

    def requests(self, message: Message) -> Sequence[httpx.Request]:
        """Return what to send, in this order."""
        ...

    def read(self, reply: Reply) -> Answer:
        """Say whether it took it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a receiver is reached: seconds to connect and to wait for data, whose certificates are trusted."""

    connect_s: float
    read_s: float
    trust: ssl.SSLContext


class WebChannel:
    """The `Channel` port over HTTP.

    Redirects are not followed. HTTP_PROXY, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and REQUESTS_CA_BUNDLE of the
    environment are obeyed; raises ConfigurationError for a proxy that can't be used. `hide` keeps the URL's
    secrets out of what the receiver echoes.
    """

    def __init__(self, name: str, receiver: Receiver, connection: Connection, hide: Hide) -> None:
        self.name = name
        self.stateful = receiver.stateful
        self.bundles = receiver.bundles
        self._receiver = receiver
        self._hide = hide
        self._timeout = httpx.Timeout(connection.read_s, connect=connection.connect_s, pool=connection.connect_s)
        self._trust = connection.trust
        self._proxy = _proxy(receiver.url)
        transport = AiohttpTransport(verify=self._trust, client=self._session)
        self._client = httpx.AsyncClient(transport=transport, trust_env=False)

    async def send(self, message: Message) -> Answer:
        """Send one message, every part of it."""
        try:
            async with deadline():
                return worst([await self._ask(request) for request in self._receiver.requests(message)])
        except TimeoutError:
            return TryAgain(cause=f"{self._receiver.url.host} did not answer within {DEADLINE_S}s")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _ask(self, request: httpx.Request) -> Answer:
        request.extensions["timeout"] = self._timeout.as_dict()
        try:
            reply = await self._exchange(request)
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            return _trouble(error, request.url.host)
        return self._receiver.read(reply)

    async def _exchange(self, request: httpx.Request) -> Reply:
        response = await self._client.send(request, stream=True)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _SIZE:
                    break
        finally:
            await response.aclose()
        return Reply(
            host=request.url.host,
            status=response.status_code,
            headers=response.headers,
            text=body.decode(errors="replace"),
            hide=self._hide,
        )

    def _session(self) -> aiohttp.ClientSession:
        """Make the session under httpx, which has no say in these settings."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=self._proxy,
        )


def asking(
    url: httpx.URL | str, document: Any, headers: Mapping[str, str] | None = None, method: str = "POST"
) -> httpx.Request:
    """Make a request with a JSON body."""
    ours = {"User-Agent": CLIENT, "Accept-Encoding": "identity"}
    return httpx.Request(method, url, json=document, headers={**ours, **(headers or {})})


def trusted(*, verify: bool) -> ssl.SSLContext:
    """Read whose certificates are trusted, if they are to be verified: a megabyte, and some 30 ms."""
    context = httpx.create_ssl_context(verify=verify)
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if verify and bundle:
        context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    return context


def _proxy(url: httpx.URL) -> str | None:
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    scheme, separator, _ = proxy.partition("://")
    if separator and scheme not in {"http", "https"}:
        raise ConfigurationError([f"proxy in the environment: expected http:// or https://, found {scheme}://"])
    return proxy if separator else f"http://{proxy}"


def _trouble(error: Exception, host: str) -> TryAgain:
    """Name the cause in words of our own, and whether the request may have arrived; the error behind httpx's says more.

    Up to the connection nothing can have arrived.
    """
    match error.__cause__ if isinstance(error, httpx.HTTPError) else error:
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return TryAgain(cause=f"the proxy gives no connection to {host}", arrived=False)
        case aiohttp.ConnectionTimeoutError():
            return TryAgain(cause=f"{host} did not answer in time", arrived=False)
        case TimeoutError():
            return TryAgain(cause=f"{host} did not answer in time")
        case aiohttp.ClientConnectorDNSError():
            return TryAgain(cause=f"the name {host} cannot be resolved", arrived=False)
        case aiohttp.ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError(verify_code=10)  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED
        ):
            return TryAgain(cause=f"the certificate of {host} has expired", arrived=False)
        case aiohttp.ClientConnectorCertificateError():
            return TryAgain(cause=f"the certificate of {host} is not trusted", arrived=False)
        case aiohttp.ClientConnectorError(errno=errno.EMFILE | errno.ENFILE as number):
            return TryAgain(cause=f"no connection to {host}: {os.strerror(number).lower()} here", arrived=False)
        case aiohttp.ClientConnectorError():
            return TryAgain(cause=f"no connection to {host}", arrived=False)
        case _:
            return TryAgain(cause=f"{host} broke off the connection")
