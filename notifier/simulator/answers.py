"""What is sent back, encoded once: bodies in the forms that Cloudflare's API uses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON, HTML = "application/json", "text/html"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `headers` holds what is not implied by the body, its type among it."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def encoded(value: Any) -> bytes:
    """Encode as Cloudflare does: no blanks, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def as_json(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Answer with encoded JSON; `retry_after="5"` is a header like any other."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body, {"content-type": JSON, **named})


def refusal(status: int, code: int, message: str, **headers: str) -> Answer:
    """Refuse in the envelope that every part of the API shares."""
    body = {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}
    return as_json(encoded(body), status, **headers)


def envelope(result: bytes, *messages: Mapping[str, Any]) -> Answer:
    """Wrap encoded JSON in that envelope; interconnects come without one."""
    return as_json(b'{"result":%b,"success":true,"errors":[],"messages":%b}' % (result, encoded(messages)))


def web_page(status: int, title: str) -> Answer:
    """Answer with what a gateway shows to people."""
    body = f"<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n</body>\n</html>\n"
    return Answer(status, body.encode(), {"content-type": HTML})


def no_route(path: str) -> Answer:
    """Say that there is no such path: most often because there is no such account."""
    return refusal(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")


BAD_REQUEST = Answer(400, b"", {})
NOT_FOUND = Answer(404, b"", {})
NOT_ALLOWED = refusal(405, 10405, "Method not allowed for this authentication scheme")
INVALID_TOKEN = refusal(401, 1000, "Invalid API Token")
MISSING_HEADER = refusal(400, 1001, 'Missing "Authorization" header')
FORBIDDEN = as_json(encoded({"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}), 403)
IP_FILTER = refusal(403, 9109, "Cannot use the access token from location: 192.0.2.10")
TOO_MANY = refusal(429, 971, "Please wait and consider throttling your request speed")
