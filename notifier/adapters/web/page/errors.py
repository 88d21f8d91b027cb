"""What went wrong, in the look of the page, to people who ask with a browser."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notifier.adapters.web.page.rendering import Pages, StaticFiles

_TITLES = {
    HTTPStatus.BAD_REQUEST: "That can't be done",
    HTTPStatus.FORBIDDEN: "That is not allowed",
    HTTPStatus.NOT_FOUND: "There is no such page",
    HTTPStatus.CONFLICT: "That can't be done any more",
    HTTPStatus.MISDIRECTED_REQUEST: "Not by this name",
    HTTPStatus.TOO_MANY_REQUESTS: "Too often",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not just now",
}
_PLAIN = "text/plain"


class Explained:
    """Puts a line of text that says what went wrong into a page, for whoever wants HTML."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._pages = Pages(StaticFiles())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        wants_html = scope["type"] == "http" and "text/html" in Headers(scope=scope).get("Accept", "")
        await self._app(scope, receive, _Wrapped(send, self._page).take if wants_html else send)

    def _page(self, status: int, words: str) -> bytes:
        title = _TITLES.get(HTTPStatus(status), HTTPStatus(status).phrase)
        return self._pages.render("error.html", asks=None, title=title, words=words, code=status).encode()


class _Wrapped:
    """Keeps back a plain answer of what went wrong until all of it is there; passes on every other at once."""

    def __init__(self, send: Send, page: Callable[[int, str], bytes]) -> None:
        self._send = send
        self._page = page
        self._start: Message | None = None
        self._body = b""

    async def take(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start":
            plain = Headers(raw=message["headers"]).get("Content-Type", "").startswith(_PLAIN)
            if message["status"] >= HTTPStatus.BAD_REQUEST and plain:
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        html = self._page(self._start["status"], self._body.decode(errors="replace").strip())
        headers = MutableHeaders(raw=self._start["headers"])
        headers["Content-Type"], headers["Content-Length"] = "text/html; charset=utf-8", str(len(html))
        await self._send({**self._start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": html})
