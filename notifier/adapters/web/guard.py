"""What holds for every request and every answer, whatever it is about."""

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notifier.adapters.web.problems import problem

LARGEST = 64 * 1024  # bytes of a request's body
_BODY_S = 10  # to send it

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that a browser hides from us, too, where a form was sent from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Gives each answer the headers that keep a browser from being misled, and takes no large or slow body.

    HEAD is answered as GET is, without a body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        bare = scope["method"] == "HEAD"
        asked = {**scope, "method": "GET"} if bare else scope  # a copy: the server has to know what it really was
        over = asyncio.Event()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            elif bare:
                if over.is_set():
                    return
                over.set()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        try:
            body = await self._body(asked, receive)
        except _TooLargeError:
            refusal = problem(scope["path"], 413, f"the request's body is larger than {LARGEST} bytes; send less")
        except TimeoutError:
            refusal = problem(scope["path"], 408, f"the request's body did not come within {_BODY_S} s; send it again")
        else:
            await self._app(asked, _Replayed(body, receive, over), answer)
            return
        refusal.headers["Connection"] = "close"  # what is still to come is not read
        await refusal(scope, receive, answer)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Read it whole: it is small, and whoever answers need not wait for it."""
        length = Headers(scope=scope).get("Content-Length", "")
        if length.isdigit() and int(length) > LARGEST:
            raise _TooLargeError
        body, more = b"", True
        async with asyncio.timeout(_BODY_S):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > LARGEST:
                    raise _TooLargeError
        return body


class _TooLargeError(Exception):
    pass


class _Replayed:
    """Hands over a body that was read already; after that, only that the other end is gone is of interest."""

    def __init__(self, body: bytes, receive: Receive, over: asyncio.Event) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._over = over  # nothing more is sent: to an endless answer that is as good as gone

    async def __call__(self) -> Message:
        if self._body is not None:
            message = {"type": "http.request", "body": self._body, "more_body": False}
            self._body = None
            return message
        if self._over.is_set():
            return {"type": "http.disconnect"}
        return await self._receive()
