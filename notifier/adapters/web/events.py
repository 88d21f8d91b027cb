"""What happens, as it happens: server-sent events, to whoever listens and goes on listening."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from weakref import WeakSet

from fastapi import APIRouter, HTTPException, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from notifier.adapters.web.access import asking
from notifier.adapters.web.api import PREFIX
from notifier.adapters.web.backing import Backing
from notifier.adapters.web.problems import PROBLEM_JSON
from notifier.adapters.web.public import public_event
from notifier.errors import DatabaseError
from notifier.insight import EventEntry, Feed, Insight

_log = logging.getLogger(__name__)

_WAITING = 1000  # events that wait for one reader; who is further behind is left, and can come back
_EVERY_S = 1.0
_HEARTBEAT_S = 15
_LONGEST_S = 3600.0  # then a reader has to come back, and show who they are
_RETRY_MS = 2000


class _Stream:
    """One reader: what waits for them."""

    def __init__(self) -> None:
        self.waiting: deque[EventEntry] = deque()
        self.woken = asyncio.Event()
        self.over = False

    def offer(self, event: EventEntry) -> None:
        """Let them have an event; who has not read for too long has none any more."""
        if self.over:
            return
        if len(self.waiting) >= _WAITING:
            self.waiting.clear()
            self.end()
        else:
            self.waiting.append(event)
            self.woken.set()

    def end(self) -> None:
        """Let them go."""
        self.over = True
        self.woken.set()


class Events:
    """Reads what happens for all streams at once, and only while there are any."""

    def __init__(self, backing: Backing, streams: int) -> None:
        """At most so many `streams` at once."""
        self._backing = backing
        self._most = streams
        self._streams: WeakSet[_Stream] = WeakSet()  # whatever becomes of an answer, its stream goes with it
        self._reading: asyncio.Task[None] | None = None
        self._began: asyncio.Future[None]
        self._closed = False

    def close(self) -> None:
        """End all streams; there are no more."""
        self._closed = True
        self._let_go()

    def router(self) -> APIRouter:
        """Answer `/api/v1/events`."""
        routes = APIRouter(prefix=PREFIX)
        shape = {"text/event-stream": {"schema": {"type": "string"}}}
        wrong = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}

        @routes.get(
            "/events",
            response_class=EventSourceResponse,
            responses={
                200: {"description": "Server-sent events, without an end", "content": shape},
                "4XX": {"description": "They can't be had", "content": wrong},
                "5XX": {"description": "They can't be had just now", "content": wrong},
            },
        )
        async def events(request: Request) -> Response:
            """Follow what happens; with `Last-Event-ID`, from that event on, whoever it came from."""
            if self._closed or len(self._streams) >= self._most:
                text = f"found {len(self._streams)} who listen, expected fewer; come back later"
                raise HTTPException(503, text, headers={"Retry-After": "30"})
            seen, after, stream = asking(request).insight, request.headers.get("Last-Event-ID"), _Stream()
            self._streams.add(stream)
            await self._begun()
            # What is read for all from here on waits in the stream: so nothing lies between that and what was missed.
            feed = await seen.events(after)
            begin = feed.cursor if after is None or feed.lost else after
            return EventSourceResponse(
                self._sent(stream, seen, feed, begin), ping=_HEARTBEAT_S, headers={"Vary": "Authorization, Cookie"}
            )

        return routes

    async def _sent(self, stream: _Stream, seen: Insight, feed: Feed, begin: str) -> AsyncIterator[ServerSentEvent]:
        """Yield what was missed, then what comes; each event once."""
        yield ServerSentEvent("{}", event="lost" if feed.lost else "hello", id=begin, retry=_RETRY_MS)
        try:
            for event in feed.events:
                yield self._shown(event)
            while feed.more:
                feed = await seen.events(feed.cursor)
                for event in feed.events:
                    yield self._shown(event)
            async for event in self._live(stream, feed.place):
                visible = event if seen is self._backing.insight else public_event(event)
                if visible is not None:
                    yield self._shown(visible)
        except DatabaseError as error:
            _log.warning("a stream of events ended", extra={"fields": {"cause": str(error)}})
        finally:
            self._streams.discard(stream)  # now, whatever still holds it

    async def _live(self, stream: _Stream, place: tuple[int, int]) -> AsyncIterator[EventEntry]:
        """Yield what comes after a place, until it is time to come back."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _LONGEST_S
        while not (stream.over or self._closed) and loop.time() < end:
            with suppress(TimeoutError):
                await asyncio.wait_for(stream.woken.wait(), end - loop.time())
            stream.woken.clear()
            while stream.waiting:
                event = stream.waiting.popleft()
                if event.place > place:
                    yield event

    def _shown(self, event: EventEntry) -> ServerSentEvent:
        names = self._backing.names
        about = {"at": event.at.isoformat(), "account": event.account, "subject": event.subject}
        about["account_name"] = names.get(event.account, event.account)
        return ServerSentEvent(json.dumps(about | dict(event.content)), event=event.kind, id=event.cursor)

    async def _begun(self) -> None:
        """Have what happens be read for all, from a moment before this returns."""
        if self._reading is None or self._reading.done():
            self._began = asyncio.get_running_loop().create_future()
            self._reading = asyncio.create_task(self._read(self._began))
        await asyncio.shield(self._began)

    async def _read(self, began: asyncio.Future[None]) -> None:
        insight, rules = self._backing.insight, self._backing.rules
        try:
            feed = await insight.events()
        except DatabaseError as error:
            began.set_exception(error)
            began.exception()  # nobody may be left who waits for it
            return
        began.set_result(None)
        while self._streams:
            if not feed.more:
                await asyncio.sleep(_EVERY_S)
            with suppress(DatabaseError):  # it is asked again
                feed = await insight.events(feed.cursor)
                self._spread(feed)
            if self._backing.rules != rules or feed.lost:
                # Who may see what has changed, or something is not known any more: they come back, and are told so.
                self._let_go()
                return

    def _spread(self, feed: Feed) -> None:
        if feed.events:
            self._backing.insight.refresh()  # who looks again because of one of these is to see it
        for event in feed.events:
            for stream in list(self._streams):
                stream.offer(event)

    def _let_go(self) -> None:
        for stream in list(self._streams):
            stream.end()
