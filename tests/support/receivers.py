"""Real receivers on loopback: HTTP, the services with fixed addresses behind a proxy, and mail."""

import asyncio
import json
import logging
import ssl
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as mail_policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
import trustme
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

PAGERDUTY, PAGERDUTY_EU = "events.pagerduty.com", "events.eu.pagerduty.com"
OPSGENIE, OPSGENIE_EU = "api.opsgenie.com", "api.eu.opsgenie.com"
SLACK, SLACK_BOT = "hooks.slack.com", "slack.com"
logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's: a receiver's log is not ours

FIXED_HOSTS = (PAGERDUTY, PAGERDUTY_EU, OPSGENIE, OPSGENIE_EU, SLACK, SLACK_BOT)


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came; `status` is what it was answered, None if it never was."""

    method: str
    host: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    status: int | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Say:
    """How to answer: after `delay_s`; `hang` never does, `reset` breaks the connection instead."""

    status: int = 200
    body: str | Mapping[str, Any] = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0
    hang: bool = False
    reset: bool = False


class HttpReceiver:
    """Records every request and answers as told: `script` first, one by one, then `usual`.

    Both can be given for one host: `script_for[host]`, `usual_for[host]`.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.usual = Say()
        self.script: list[Say] = []
        self.usual_for: dict[str, Say] = {}
        self.script_for: dict[str, list[Say]] = {}
        self.port = 0
        self.scheme = "http"

    @property
    def address(self) -> str:
        """Host and port, as they go into an Apprise URL."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    def to(self, host: str) -> list[Received]:
        """Return what came for one host."""
        return [request for request in self.requests if request.host == host]

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator["HttpReceiver"]:
        """Listen on loopback, on a free port if none is given."""
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.01)
        await self._runner.setup()
        try:
            self._site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls)
            await self._site.start()
            self.port = self._runner.addresses[0][1]
            self.scheme = "https" if tls else "http"
            yield self
        finally:
            await self._runner.cleanup()

    @asynccontextmanager
    async def absent(self) -> AsyncIterator[None]:
        """Refuse connections; only for one that was given its port, or another may have it afterwards."""
        await self._site.stop()
        try:
            yield
        finally:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
            await self._site.start()

    def _next(self, host: str) -> Say:
        for script in (self.script_for.get(host), self.script):
            if script:
                return script.pop(0)
        return self.usual_for.get(host, self.usual)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        host = request.host.partition(":")[0]
        say = self._next(host)
        answered = None if say.hang or say.reset else say.status
        self.requests.append(
            Received(
                method=request.method,
                host=host,
                path=request.raw_path.partition("?")[0],
                query=parse_qs(request.query_string),
                headers=request.headers,
                body=await request.read(),
                at=datetime.now(UTC),
                status=answered,
            )
        )
        await asyncio.sleep(3600 if say.hang else say.delay_s)
        if say.reset and request.transport is not None:
            request.transport.abort()
        body = say.body if isinstance(say.body, str) else json.dumps(say.body)
        return web.Response(status=say.status, body=body.encode(), headers=say.headers)


class FixedHosts(HttpReceiver):
    """Stands in for PagerDuty, Opsgenie and Slack at their own addresses, over TLS.

    A process whose environment holds `environment` reaches it, and nothing else beyond loopback: any other
    host is refused and kept in `strangers`. While `away` nobody can be connected to.
    """

    def __init__(self) -> None:
        super().__init__()
        done = {"status": "success", "message": "Event processed", "dedup_key": "as-sent"}
        queued = {"result": "Request will be processed", "took": 0.1, "requestId": "43a29c5c-3dbf-4fa4"}
        self.usual_for = {
            PAGERDUTY: Say(status=202, body=done),
            PAGERDUTY_EU: Say(status=202, body=done),
            OPSGENIE: Say(status=202, body=queued),
            OPSGENIE_EU: Say(status=202, body=queued),
            SLACK: Say(body="ok"),
            SLACK_BOT: Say(body={"ok": True, "channel": "C1", "ts": "1573694689.003700"}),
        }
        self.strangers: list[str] = []
        self.away = False
        self.environment: dict[str, str] = {}
        self._tunnels: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def standing_in(self, ca: trustme.CA, folder: Path) -> AsyncIterator["FixedHosts"]:
        """Listen, with a proxy in front that leads the fixed hosts here."""
        tls = server_tls(ca, *FIXED_HOSTS)
        bundle = folder / "ca.pem"
        ca.cert_pem.write_to_path(bundle)
        async with self.running(tls), await asyncio.start_server(self._tunnel, "127.0.0.1", 0) as proxy:
            self.environment = {
                "HTTPS_PROXY": f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}",
                "NO_PROXY": "127.0.0.1,localhost",
                "SSL_CERT_FILE": str(bundle),
                "REQUESTS_CA_BUNDLE": str(bundle),
            }
            try:
                yield self
            finally:
                for tunnel in self._tunnels:
                    tunnel.cancel()
                await asyncio.gather(*self._tunnels, return_exceptions=True)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            host = head.split()[1].partition(":")[0]
            known = head.startswith("CONNECT ") and host in FIXED_HOSTS
            if not known:
                self.strangers.append(host)
            if self.away or not known:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(_pipe(reader, outer))
                pipes.create_task(_pipe(inner, writer))
        finally:
            self._tunnels.discard(task)
            writer.close()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
    finally:
        sink.close()


def server_tls(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    """Make a server's side of TLS, with a certificate for these names."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(tls)
    return tls


@dataclass
class Mail:
    """One mail as it came, to whom the envelope says."""

    recipients: list[str]
    message: EmailMessage
    over_tls: bool

    def part(self, kind: str) -> str:
        """Return the text or html alternative."""
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content())


class MailReceiver:
    """Takes mail, but for the recipients in `refuses` (address -> reply) and while `data_reply` is set."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refuses: dict[str, str] = {}
        self.data_reply: str | None = None
        self.passwords: dict[str, str] | None = None  # None: nobody needs to log in
        self.asleep = asyncio.Event()  # set: it answers no more
        self.port = 0

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["MailReceiver"]:
        """Listen on a free port of loopback; with `tls` it offers STARTTLS and takes mail only over it."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self._session(tls), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    def _session(self, tls: ssl.SSLContext | None) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # passwords without TLS: that is what is tested
            return self._protocol(tls)

    def _protocol(self, tls: ssl.SSLContext | None) -> SMTP:
        return SMTP(
            self,
            hostname="receiver.test",
            loop=asyncio.get_running_loop(),
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=self._authenticate,
            auth_required=self.passwords is not None,
            auth_require_tls=tls is not None,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, login: Any) -> AuthResult:
        known = (self.passwords or {}).get(login.login.decode())
        return AuthResult(success=known is not None and known.encode() == login.password, handled=False)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.asleep.is_set():
            await asyncio.sleep(3600)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - same
        if self.data_reply is not None:
            return self.data_reply
        assert isinstance(envelope.content, bytes)
        message = BytesParser(EmailMessage, policy=mail_policy).parsebytes(envelope.content)
        self.mails.append(Mail(envelope.rcpt_tos, message, session.ssl is not None))
        return "250 OK"


class IncidentLedger:
    """What PagerDuty and Opsgenie would show after these requests: only what they accepted counts.

    As they do, it takes a second opening of an open incident, and the closing of one that isn't open, for
    nothing new.
    """

    def __init__(self, requests: Iterable[Received]) -> None:
        self.opens: Counter[str] = Counter()
        self.closes: Counter[str] = Counter()
        for request in requests:
            if request.status is not None and 200 <= request.status < 300:
                self._enter(*_event(request))

    @property
    def open(self) -> set[str]:
        """The keys of the incidents that are open now."""
        return {key for key in self.opens if self.opens[key] > self.closes[key]}

    def _enter(self, key: str, what: str) -> None:
        if what == "open" and key not in self.open:
            self.opens[key] += 1
        if what == "close" and key in self.open:
            self.closes[key] += 1


def _event(request: Received) -> tuple[str, str]:
    if "pagerduty" in request.host:
        event = request.json
        return event["dedup_key"], {"trigger": "open", "resolve": "close"}[event["event_action"]]
    if "opsgenie" in request.host:
        about = request.path.removeprefix("/v2/alerts").strip("/").split("/")
        return (unquote(about[0]), about[1]) if len(about) > 1 else (request.json["alias"], "open")
    return "", "nothing"


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """An authority that only the tests trust."""
    return trustme.CA()


@pytest.fixture
async def http_receiver() -> AsyncIterator[HttpReceiver]:
    async with HttpReceiver().running() as receiver:
        yield receiver


@pytest.fixture
async def fixed_hosts(ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FixedHosts]:
    """PagerDuty, Opsgenie and Slack, for this process (its environment is set) and those it starts."""
    async with FixedHosts().standing_in(ca, tmp_path) as hosts:
        for name, value in hosts.environment.items():
            monkeypatch.setenv(name, value)
        yield hosts


@pytest.fixture
async def mail_receiver() -> AsyncIterator[MailReceiver]:
    async with MailReceiver().running() as receiver:
        yield receiver
