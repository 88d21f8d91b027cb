"""What goes wrong on purpose: faults, and the queue in which they wait for their answers."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from notifier.simulator import answers
from notifier.simulator.answers import Answer, as_json, refusal, web_page


class Manner(StrEnum):
    """How an answer goes out."""

    WHOLE = "whole"
    DRIP = "drip"  # byte by byte
    BROKEN_OFF = "broken off"  # half of the body, then the connection is closed
    RESET = "reset"  # nothing but a TCP reset
    HANG = "hang"  # nothing, for as long as the client waits


def _unchanged(answer: Answer) -> Answer:
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of the true answer: `spoil` changes or replaces it, `delay` holds it up, `manner` sends it.

    `pause` is the time between two bytes of a drip.
    """

    name: str
    spoil: Callable[[Answer], Answer] = _unchanged
    delay: timedelta = timedelta()
    manner: Manner = Manner.WHOLE
    pause: timedelta = timedelta()

    @property
    def is_answered(self) -> bool:
        """Whether the client gets to see an HTTP status."""
        return self.manner not in (Manner.RESET, Manner.HANG)


def _instead(name: str, answer: Answer) -> Fault:
    return Fault(name=name, spoil=lambda _: answer)


def _in_envelope(answer: Answer) -> Answer:
    return answers.envelope(answer.body)


def _truncated(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) * 2 // 3])


UNAUTHORIZED = _instead("unauthorized", answers.INVALID_TOKEN)
FORBIDDEN = _instead("forbidden", answers.FORBIDDEN)
IP_FILTER = _instead("ip_filter", answers.IP_FILTER)
NOT_FOUND = _instead("not_found", answers.NOT_FOUND)
HTML = _instead("html", web_page(200, "captive portal"))
SUCCESS_FALSE = _instead("success_false", refusal(200, 7003, "No route for the URI"))
ENVELOPE = Fault(name="envelope", spoil=_in_envelope)
TRUNCATED = Fault(name="truncated", spoil=_truncated)
BROKEN_OFF = Fault(name="broken_off", manner=Manner.BROKEN_OFF)
RESET = Fault(name="reset", manner=Manner.RESET)
HANG = Fault(name="hang", manner=Manner.HANG)

PLAIN = {
    fault.name: fault
    for fault in (
        *(UNAUTHORIZED, FORBIDDEN, IP_FILTER, NOT_FOUND, HTML, SUCCESS_FALSE, ENVELOPE, TRUNCATED),
        *(BROKEN_OFF, RESET, HANG),
    )
}


def rate_limited(retry_after: str | int | None = None) -> Fault:
    """429, with this Retry-After or without any."""
    headers = {} if retry_after is None else {"retry_after": str(retry_after)}
    body = answers.TOO_MANY.body
    return _instead("rate_limited", as_json(body, 429, **headers))


def server_error(status: int = 500) -> Fault:
    """A gateway's page in HTML, with this status."""
    titles = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Temporarily Unavailable"}
    return _instead("server_error", web_page(status, f"{status} {titles.get(status, 'Error')}"))


def latency(delay: timedelta) -> Fault:
    """The true answer, late."""
    return Fault(name="latency", delay=delay)


def drip(pause: timedelta = timedelta(milliseconds=100)) -> Fault:
    """The true answer, a byte at a time."""
    return Fault(name="drip", manner=Manner.DRIP, pause=pause)


def oversized(size: int = 10_000_000) -> Fault:
    """A status in a body of about `size` bytes."""
    return _instead("oversized", as_json(b'{"state":"Healthy","padding":"%b"}' % (b"x" * size)))


def redirect(to: str, status: int = 302) -> Fault:
    """A redirect, which no client should follow with a credential in its hands."""
    return _instead("redirect", Answer(status, b"", {"location": to}))


def answering(body: Any = "", status: int = 200, **headers: str) -> Fault:
    """Any answer: text or bytes as they are, everything else as JSON."""
    raw = body.encode() if isinstance(body, str) else body
    data = raw if isinstance(raw, bytes) else answers.encoded(raw)
    return _instead("answer", as_json(data, status, **headers))


class Faults:
    """The faults of one account, listing or link: each for its number of answers, one after the other."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Fault, int | None]] = deque()

    def add(self, fault: Fault, times: int | None = None) -> None:
        """Have `times` answers go wrong, once those before are through; all of them, if no number is given."""
        self._waiting.append((fault, times))

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._waiting.clear()

    def take(self) -> Fault | None:
        """Return what is to go wrong with the next answer."""
        if not self._waiting:
            return None
        fault, times = self._waiting[0]
        if times is not None:
            self._waiting.popleft()
            if times > 1:
                self._waiting.appendleft((fault, times - 1))
        return fault

    def described(self) -> list[dict[str, Any]]:
        """Say what waits, in order; `times` is null for what lasts until it is cleared."""
        return [{"kind": fault.name, "times": times} for fault, times in self._waiting]
