"""The page's addresses: what is looked at, and the forms by which people act."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from glob import escape
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from notifier.adapters.web.access import Asking, Refused, Role, acts, asking, inside
from notifier.adapters.web.backing import Backing
from notifier.adapters.web.page.bars import CHOICES, DEFAULT, Choice
from notifier.adapters.web.page.rendering import Pages, StaticFiles
from notifier.adapters.web.page.views import Board, Viewer
from notifier.domain.duration import parse_duration
from notifier.domain.matching import Matcher
from notifier.errors import DatabaseError

EVENTS = "/api/v1/events"
NAMES = "lost transition incident blindness delivery act"  # of the events that change a page

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_LONGEST = timedelta(days=365)  # of a silence
_NAME, _COMMENT = 100, 500  # letters
_FIELDS = 20
_REST = 9  # times as long as it took to make a board it is good: never more than a tenth of the time goes into it
_PATIENCE_S = 0.05  # for a new board, if there is an older one that did not take longer either, and is not older than
_OLDEST_S = 60  # who looks with a script looks again until the board is newer than what happened
READY_EVERY = timedelta(seconds=_OLDEST_S * 3 / 4)  # before the last one is too old


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A board as it was made."""

    board: Board
    made_at: float
    took: float

    @property
    def good_until(self) -> float:
        return self.made_at + _REST * self.took


@dataclass(slots=True)
class _Boards:
    """What is shown to all alike, by who may see it and how far back; and what is being made."""

    kept: dict[tuple[Role, str], _Kept] = field(default_factory=dict)
    making: dict[tuple[Role, str], asyncio.Task[Board]] = field(default_factory=dict)

    def made(self, key: tuple[Role, str], task: asyncio.Task[Board]) -> None:
        """Have the next be made anew; if it failed and nobody waited for it, that is no news."""
        del self.making[key]
        if not task.cancelled():
            task.exception()


class StatusPage:
    """Answers with pages; what all visitors see alike is made once for all who ask at the same time."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._static = StaticFiles()
        self._pages = Pages(self._static)
        self._boards = _Boards()

    def routes(self) -> list[Route]:
        """Return the addresses; they are for the app, which knows who may come here."""
        return [
            Route("/", self._status),
            Route("/sites/{account}/{site:path}", self._site),
            Route("/interconnects/{account}/{name:path}", self._link),
            Route("/static/{name}", self._file),
            Route("/acknowledge", self._acknowledge, methods=["POST"]),
            Route("/unacknowledge", self._unacknowledge, methods=["POST"]),
            Route("/silences", self._silence, methods=["POST"]),
            Route("/silences/end", self._expire, methods=["POST"]),
        ]

    def _page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """Fill a template in for who asks."""
        html = self._pages.render(
            template, asks=asking(request), events=EVENTS, names=NAMES, sent=self._backing.acts.now(), **values
        )
        return HTMLResponse(html, status, headers=headers)

    async def form(self, request: Request, refused: Refused | None) -> Response:
        """Show the login form, and why somebody was just refused."""
        then = request.query_params.get("next") or _text(await request.form(), "next") or "/"
        status, headers = (refused.status, refused.headers) if refused else (200, {})
        values = {"wrong": refused and refused.sentence, "then": then}
        return self._page(request, "login.html", status=status, headers=headers, **values)

    async def be_ready(self, visitors: Iterable[Asking]) -> None:
        """Have a board at hand for visitors: of many interconnects it takes long to make one."""
        for asks in visitors:
            with suppress(DatabaseError):  # who comes then is told so
                await self._board(asks, DEFAULT)

    # --- Looking ------------------------------------------------------------------------------------------------

    async def _status(self, request: Request) -> Response:
        asks = asking(request)
        board = await self._board(asks, _choice(request))
        silences = (await asks.insight.silences(ends_after=board.at)).entries if asks.may_act else ()
        viewer = self._viewer(asks)
        return self._page(request, "overview.html", board=board, silences=[viewer.silence(each) for each in silences])

    async def _board(self, asks: Asking, choice: Choice) -> Board:
        """Return the board: anew, or as it was a while ago if that can't be had at once."""
        key, boards, now = (asks.role, choice.name), self._boards, asyncio.get_running_loop().time()
        kept, making = boards.kept.get(key), boards.making.get(key)
        if kept is not None and now < kept.good_until:
            return kept.board
        if making is None:
            making = boards.making[key] = asyncio.create_task(self._made(asks, choice, boards))
            making.add_done_callback(partial(boards.made, key))
        if kept is not None and now - kept.made_at < _OLDEST_S:
            if kept.took <= _PATIENCE_S:
                await asyncio.wait({making}, timeout=_PATIENCE_S)
            if not making.done():
                return kept.board
        return await asyncio.shield(making)  # who asked may go; others wait for the same

    async def _made(self, asks: Asking, choice: Choice, boards: "_Boards") -> Board:
        viewer, loop = self._viewer(asks), asyncio.get_running_loop()
        began = loop.time()
        seen = await asks.insight.overview()
        # Beside the loop, which has polls to do: of many interconnects it takes a while.
        outline = await asyncio.to_thread(viewer.outline, seen)
        links = [(link.account, link.name) for places in outline for _, shown in places for link in shown]
        spans = await asks.insight.spans(seen.at - choice.length, links)
        board = await asyncio.to_thread(viewer.board, seen, outline, spans, self._backing.ailments(), choice)
        ended = loop.time()
        boards.kept[asks.role, choice.name] = _Kept(board=board, made_at=ended, took=ended - began)
        return board

    async def _site(self, request: Request) -> Response:
        account, name, choice = request.path_params["account"], request.path_params["site"], _choice(request)
        seen = await asking(request).insight.overview()
        found = next(
            (
                site
                for each in seen.accounts
                if each.account == account
                for site in each.sites
                if site.name == (name or None)
            ),
            None,
        )
        if found is None:
            raise HTTPException(404, "No interconnect is watched at such a site.")
        links = [(account, link.name) for link in found.links]
        spans = await asking(request).insight.spans(seen.at - choice.length, links)
        viewer = self._viewer(asking(request))
        return self._page(
            request,
            "site.html",
            site=viewer.site(found, spans, choice, seen.at),
            account=viewer.name(account),
            at=seen.at,
            choice=choice,
            path=request.url.path,
            here=_here(request, choice),
        )

    async def _link(self, request: Request) -> Response:
        account, name, choice = request.path_params["account"], request.path_params["name"], _choice(request)
        story = await asking(request).insight.link(account, name)
        if story is None:
            raise HTTPException(404, "No such interconnect was ever watched.")
        seen = await asking(request).insight.overview()
        spans = await asking(request).insight.spans(story.at - choice.length, [(account, name)])
        viewer = self._viewer(asking(request))
        return self._page(
            request,
            "link.html",
            view=viewer.story(story, seen, spans.get((account, name)), choice),
            path=request.url.path,
            here=_here(request, choice),
        )

    async def _file(self, request: Request) -> Response:
        found = self._static.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "There is no such file.")
        return Response(found.content, media_type=found.media_type, headers=_FOR_EVER)

    def _viewer(self, asks: Asking) -> Viewer:
        return Viewer(self._backing.names, public=asks.role is Role.PUBLIC)

    # --- Acting -------------------------------------------------------------------------------------------------

    async def _acknowledge(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=_FIELDS)
        by, comment = _signature(form)
        until = _end(form, self._backing.acts.now()) if form.get("for") else None
        await acts(request, self._backing).acknowledge(_text(form, "incident"), by=by, comment=comment, until=until)
        return self._done(form)

    async def _unacknowledge(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=_FIELDS)
        by, comment = _signature(form)
        await acts(request, self._backing).unacknowledge(_text(form, "incident"), by=by, comment=comment)
        return self._done(form)

    async def _silence(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=_FIELDS)
        by, comment = _signature(form)
        account, name, site = (_exactly(_text(form, field)) for field in ("account", "name", "site"))
        match = Matcher(account=account, name=name, site=site)
        if not (match.name or match.site):
            raise HTTPException(400, "A silence from the page is about an interconnect or a site.")
        await acts(request, self._backing).silence(
            match, until=_end(form, self._backing.acts.now()), by=by, comment=comment
        )
        return self._done(form)

    async def _expire(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=_FIELDS)
        by, comment = _signature(form)
        number = _text(form, "silence")
        if not (number.isascii() and number.isdigit()):
            raise HTTPException(400, "A silence is named by its number.")
        await acts(request, self._backing).expire(int(number), by=by, comment=comment)
        return self._done(form)

    def _done(self, form: FormData) -> Response:
        self._backing.insight.refresh()  # who acted is to see what came of it
        self._boards = _Boards()
        return RedirectResponse(inside(_text(form, "back")), 303)


def _choice(request: Request) -> Choice:
    return CHOICES.get(request.query_params.get("period", ""), DEFAULT)


def _here(request: Request, choice: Choice) -> str:
    query = "" if choice is DEFAULT else f"?{urlencode({'period': choice.name})}"
    return f"{request.url.path}{query}"


def _text(form: FormData, field: str) -> str:
    value = form.get(field, "")
    return value.strip() if isinstance(value, str) else ""


def _exactly(text: str) -> tuple[str, ...]:
    """Make a pattern that fits this text alone."""
    return (escape(text),) if text else ()


def _signature(form: FormData) -> tuple[str, str]:
    by, comment = _text(form, "by"), _text(form, "comment")
    if not by:
        raise HTTPException(400, "Say who you are: it goes on record with what you do.")
    if len(by) > _NAME or len(comment) > _COMMENT:
        raise HTTPException(400, f"A name has at most {_NAME} letters, a reason {_COMMENT}.")
    return by, comment


def _end(form: FormData, now: datetime) -> datetime:
    """Read until when it is to hold: a moment (UTC), or else a span from now."""
    until, span = _text(form, "until"), _text(form, "for")
    try:
        end = datetime.fromisoformat(until).replace(tzinfo=now.tzinfo) if until else now + parse_duration(span)
    except (ValueError, OverflowError):
        raise HTTPException(400, f"Found {until or span!r}, expected a span like 4h or a time.") from None
    if not now < end <= now + _LONGEST:
        raise HTTPException(400, "The end has to lie ahead, and within a year.")
    return end
