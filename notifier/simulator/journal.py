"""What was asked, when, and how it was answered."""

from collections import Counter, deque
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple


class Asked(StrEnum):
    """What a request is about."""

    LISTING = "listing"
    LINK = "link"
    STATUS = "status"
    VERIFY = "verify"
    ELSE = "else"


class Request(NamedTuple):
    """One request.

    `at` is in seconds of a monotonic clock; `link` is the name asked for, which need not exist;
    `status` is None if the fault in force leaves the client without any. `state` is what was told of the link, None
    if nothing true was; `door` is the address that was asked: one world may have several.
    """

    at: float
    asked: Asked
    account: str | None
    link: str | None
    status: int | None
    state: str | None = None
    door: str = ""


class Journal:
    """The newest requests, oldest first, and how many there were in all."""

    def __init__(self, size: int = 200_000) -> None:
        self._requests: deque[Request] = deque(maxlen=size)
        self.total = 0

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, index: int) -> Request:
        return self._requests[index]

    def add(self, request: Request) -> None:
        """Keep a request."""
        self._requests.append(request)
        self.total += 1

    def clear(self) -> None:
        """Forget everything."""
        self._requests.clear()
        self.total = 0

    def of(self, *, account: str | None = None, link: str | None = None, asked: Asked | None = None) -> list[Request]:
        """Return the requests for an account, a link, of a kind."""
        return [
            request
            for request in self._requests
            if account in (None, request.account) and link in (None, request.link) and asked in (None, request.asked)
        ]

    def by_second(self) -> Counter[int]:
        """Count the requests of each second that had any."""
        return Counter(int(request.at) for request in self._requests)

    def most_within(self, seconds: float) -> int:
        """Return the largest number of requests in any window this long."""
        window: deque[float] = deque()
        most = 0
        for request in self._requests:
            window.append(request.at)
            while window[0] <= request.at - seconds:
                window.popleft()
            most = max(most, len(window))
        return most
