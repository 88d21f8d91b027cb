"""The API, version 1: what the page shows, and what operators do."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from notifier.adapters.web import models
from notifier.adapters.web.access import acts, asking
from notifier.adapters.web.backing import Backing
from notifier.adapters.web.models import Comment, Key, Moment, Number, Word
from notifier.adapters.web.problems import PROBLEM_JSON
from notifier.domain.matching import Matcher
from notifier.domain.suppression import Silence
from notifier.errors import NotThereError
from notifier.insight import (
    AccountNow,
    CursorError,
    Filter,
    GapEntry,
    Insight,
    LinkNow,
    ObservationEntry,
    Page,
    SiteNow,
    TransitionEntry,
)

PREFIX = "/api/v1"

_T = TypeVar("_T")

_FURTHEST = timedelta(days=3650)
_WRONG: dict[int | str, dict[str, Any]] = {
    code: {"description": what, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, what in (("4XX", "It can't be answered or done"), ("5XX", "The service can't answer just now"))
}

Limit = Annotated[int, Query(ge=1, le=500, description="At most so many.")]
After = Annotated[str | None, Query(max_length=200, description="The `next` of the answer before.")]
By = Annotated[Word, Query(description="Who.")]
Why = Annotated[Comment, Query(description="Why.")]


class Wanted:
    """What a listing is narrowed to: what fits all that is given."""

    def __init__(
        self,
        account: Annotated[Word | None, Query(description="Of this account, by its id or name.")] = None,
        name: Annotated[Word | None, Query(description="Interconnects by name: a shell pattern.")] = None,
        site: Annotated[Word | None, Query(description="Interconnects by site: a shell pattern.")] = None,
        since: Annotated[Moment | None, Query(description="Not before then.")] = None,
        until: Annotated[Moment | None, Query(description="Before then.")] = None,
    ) -> None:
        self._account = account
        self._rest = {"name": name, "site": site, "since": since, "until": until}

    def filter(self, backing: Backing) -> Filter:
        """Return the filter; an account may be called by its name."""
        return Filter(account=self._account and _id_of(self._account, backing), **self._rest)  # type: ignore[arg-type]


class _Links:
    """What the interconnects are narrowed to."""

    def __init__(
        self,
        account: Annotated[Word | None, Query(description="Of this account, by its id or name.")] = None,
        name: Annotated[Word | None, Query(description="By name: a shell pattern.")] = None,
        site: Annotated[Word | None, Query(description="By site: a shell pattern.")] = None,
        status: Annotated[Word | None, Query(description="By status: a shell pattern.")] = None,
        problem: Annotated[bool | None, Query(description="Only with a problem, or only without.")] = None,
        blind: Annotated[
            bool | None, Query(description="Only those that can't be seen, or only those that can.")
        ] = None,
    ) -> None:
        self._account = account
        self._matcher = Matcher(name=_one(name), site=_one(site))
        self._status = status
        self._flags = {"problem": problem, "blind": blind}

    def page(self, links: Sequence[LinkNow], backing: Backing, limit: int, after: str | None) -> Page[LinkNow]:
        """Return those that fit, in order, from a cursor on."""
        account = self._account and _id_of(self._account, backing)
        begin = ("", "") if after is None else _read_cursor(after)
        fitting = sorted(
            (link for link in links if (link.account, link.name) > begin and self._fits(link, account)),
            key=lambda link: (link.account, link.name),
        )
        last = fitting[limit - 1] if len(fitting) > limit else None
        return Page(entries=fitting[:limit], next=None if last is None else _cursor(last))

    def _fits(self, link: LinkNow, account: str | None) -> bool:
        return (
            account in {None, link.account}
            and self._matcher.covers(link.account, link.name, link.site)
            and (self._status is None or fnmatchcase(link.status or "", self._status))
            and all(wanted in {None, getattr(link, flag)} for flag, wanted in self._flags.items())
        )


Narrowed = Annotated[Wanted, Depends()]


def router(backing: Backing) -> APIRouter:
    """Answer everything below `/api/v1`."""
    routes = APIRouter(prefix=PREFIX, responses=_WRONG)
    _add_reads(routes, backing)
    _add_acts(routes, backing)
    return routes


def _add_reads(routes: APIRouter, backing: Backing) -> None:
    @routes.get("/overview", response_model=models.Overview)
    async def overview(request: Request) -> Response:
        """Return how everything stands."""
        seen = await asking(request).insight.overview()
        return _answer(
            request,
            models.Overview(
                accounts=[_account(account, backing) for account in seen.accounts],
                incidents=[models.Incident.model_validate(incident) for incident in seen.incidents],
                open_incidents=seen.open_incidents,
                ailments={vital.value: ailment for vital, ailment in backing.ailments().items()},
            ),
        )

    @routes.get("/accounts", response_model=models.Listing[models.AccountSummary])
    async def accounts(request: Request) -> Response:
        """Return the accounts with their sites."""
        seen = await asking(request).insight.overview()
        items = [_account(account, backing) for account in seen.accounts]
        return _answer(request, models.Listing[models.AccountSummary](items=items, next=None))

    @routes.get("/interconnects", response_model=models.Listing[models.Interconnect])
    async def interconnects(
        request: Request,
        wanted: Annotated[_Links, Depends()],
        limit: Limit = 50,
        after: After = None,
    ) -> Response:
        """Return the interconnects that are watched, by account and name."""
        seen = await asking(request).insight.overview()
        links = [link for account in seen.accounts for site in account.sites for link in site.links]
        page = wanted.page(links, backing, limit, after)
        return _page(request, page, lambda link: _link(link, backing), models.Interconnect)

    @routes.get(
        "/interconnects/{account}/{name:path}/history",
        response_model=models.Listing[models.TransitionEvent | models.Observation | models.Gap],
    )
    async def history(
        request: Request,
        account: Word,
        name: Word,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: Limit = 50,
        after: After = None,
    ) -> Response:
        """Return an interconnect's transitions, the notable observations between them, and the gaps; newest first."""
        wanted = Filter(since=since, until=until)
        found = asking(request).insight.history(_id_of(account, backing), name, wanted=wanted, limit=limit, after=after)
        shown = models.TransitionEvent | models.Observation | models.Gap
        return _page(request, await found, _event, shown)

    @routes.get("/interconnects/{account}/{name:path}", response_model=models.Interconnect)
    async def interconnect(request: Request, account: Word, name: Word) -> Response:
        """Return what is believed of an interconnect; also of one that is watched no more."""
        story = await asking(request).insight.link(_id_of(account, backing), name, limit=1)
        if story is None:
            raise NotThereError(f"no interconnect {name} of account {account} was ever watched")
        return _answer(request, _link(story.link, backing))

    @routes.get("/incidents", response_model=models.Listing[models.Incident])
    async def incidents(
        request: Request,
        wanted: Narrowed,
        open: Annotated[bool | None, Query(description="Only open ones, or only those that are over.")] = None,  # noqa: A002 - the API's name
        limit: Limit = 50,
        after: After = None,
    ) -> Response:
        """Return incidents, newest first."""
        found = asking(request).insight.incidents(wanted.filter(backing), is_open=open, limit=limit, after=after)
        return _page(request, await found, models.Incident.model_validate, models.Incident)

    @routes.get("/incidents/{key:path}", response_model=models.Incident)
    async def incident(request: Request, key: Key) -> Response:
        """Return an incident by its key, with who was told of it."""
        return _answer(request, await _incident(asking(request).insight, key))

    @routes.get("/transitions", response_model=models.Listing[models.Transition])
    async def transitions(request: Request, wanted: Narrowed, limit: Limit = 50, after: After = None) -> Response:
        """Return transitions, newest first."""
        found = asking(request).insight.transitions(wanted.filter(backing), limit=limit, after=after)
        return _page(request, await found, models.Transition.model_validate, models.Transition)

    @routes.get("/deliveries", response_model=models.Listing[models.Delivery])
    async def deliveries(
        request: Request,
        wanted: Narrowed,
        failed: Annotated[bool, Query(description="Only those abandoned, or tried in vain so far.")] = False,  # noqa: FBT002 - the API's
        limit: Limit = 50,
        after: After = None,
    ) -> Response:
        """Return what was promised to the channels, newest first."""
        found = asking(request).insight.deliveries(wanted.filter(backing), failed=failed, limit=limit, after=after)
        return _page(request, await found, models.Delivery.model_validate, models.Delivery)

    @routes.get("/deliveries/{number}", response_model=models.Telling)
    async def delivery(request: Request, number: Number) -> Response:
        """Return a delivery with its attempts."""
        found = await asking(request).insight.delivery(number)
        if found is None:
            raise NotThereError(f"there is no delivery {number}")
        return _answer(request, models.Telling.model_validate(found))

    @routes.get("/silences", response_model=models.Listing[models.Silence])
    async def silences(
        request: Request,
        over: Annotated[bool, Query(description="Also those that are over.")] = False,  # noqa: FBT002 - the API's
        limit: Limit = 50,
        after: After = None,
    ) -> Response:
        """Return the silences that hold or are to come; those that were set last come first."""
        now = None if over else backing.acts.now()
        found = await asking(request).insight.silences(ends_after=now, limit=limit, after=after)
        return _page(request, found, _silence, models.Silence)

    @routes.get("/acts", response_model=models.Listing[models.Act])
    async def done(request: Request, since: Moment | None = None, limit: Limit = 50, after: After = None) -> Response:
        """Return what operators did, newest first."""
        found = asking(request).insight.acts(since=since, limit=limit, after=after)
        return _page(request, await found, models.Act.model_validate, models.Act)


def _add_acts(routes: APIRouter, backing: Backing) -> None:
    @routes.post("/incidents/{key:path}/acknowledgement", response_model=models.Incident)
    async def acknowledge(request: Request, key: Key, given: models.Acknowledge) -> Response:
        """Take an open incident in hand: reminders and escalation stop. Another acknowledgement is replaced."""
        doing = acts(request, backing)
        until = _ahead(given.ends_at(doing.now()), doing.now())
        await doing.acknowledge(key, by=given.by, comment=given.comment, until=until, sticky=given.sticky)
        backing.insight.refresh()
        return _answer(request, await _incident(backing.insight, key))

    @routes.delete("/incidents/{key:path}/acknowledgement", response_model=models.Incident)
    async def unacknowledge(request: Request, key: Key, by: By, comment: Why = "") -> Response:
        """Take an acknowledgement back: reminders and escalation go on."""
        await acts(request, backing).unacknowledge(key, by=by, comment=comment)
        backing.insight.refresh()
        return _answer(request, await _incident(backing.insight, key))

    @routes.post("/silences", response_model=models.NewSilence, status_code=201)
    async def silence(request: Request, given: models.Silencing) -> Response:
        """Keep messages back; what happens is recorded, and told afterwards if it still differs."""
        doing = acts(request, backing)
        start = given.from_ or doing.now()
        _ahead(given.from_, doing.now())
        until = _ahead(given.ends_at(start), start)
        if until is None:
            raise HTTPException(422, "found no end, expected until or for")
        accounts = tuple(_id_of(account, backing) for account in given.accounts)
        match = Matcher(account=accounts, name=tuple(given.names), site=tuple(given.sites))
        made = await doing.silence(match, until=until, by=given.by, comment=given.comment, start=start)
        backing.insight.refresh()
        kept = Silence(id=made.id, match=match, from_at=start, until_at=until, by=given.by, comment=given.comment)
        shown = models.NewSilence(**_silence(kept).model_dump(), covered=list(made.covered))
        return _answer(request, shown, status=201)

    @routes.delete("/silences/{number}", status_code=204)
    async def expire(request: Request, number: Number, by: By, comment: Why = "") -> Response:
        """End a silence now; what it kept back is told if it still differs from what was last told."""
        await acts(request, backing).expire(number, by=by, comment=comment)
        backing.insight.refresh()
        return Response(status_code=204)


def _one(pattern: str | None) -> tuple[str, ...]:
    return () if pattern is None else (pattern,)


def _cursor(link: LinkNow) -> str:
    return base64.urlsafe_b64encode(json.dumps([link.account, link.name]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[str, str]:
    try:
        account, name = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        account = name = None
    if not (isinstance(account, str) and isinstance(name, str)):
        raise CursorError(f"found {cursor[:40]!r}, expected a cursor as an answer gave it in next")
    return account, name


def _id_of(account: str, backing: Backing) -> str:
    """Return an account's id; people call it by its name."""
    return next((id_ for id_, name in backing.names.items() if name == account), account)


def _ahead(at: datetime | None, start: datetime) -> datetime | None:
    """Make sure that something ends, or begins, after that; but not in another age."""
    if at is not None and not start < at <= start + _FURTHEST:
        raise HTTPException(422, f"found {at.isoformat()}, expected a time after {start.isoformat()}, within 3650d")
    return at


async def _incident(seen: Insight, key: str) -> models.Incident:
    found = await seen.incident(key)
    if found is None:
        raise NotThereError(f"there is no incident {key}")
    return models.Incident.model_validate(found)


def _account(account: AccountNow, backing: Backing) -> models.AccountSummary:
    sites = [_site(site) for site in account.sites]
    return models.AccountSummary(
        account=account.account,
        account_name=backing.names.get(account.account, account.account),
        blind_since=account.blind_since,
        cause=account.cause,
        watched=sum(site.watched for site in sites),
        sites=sites,
    )


def _site(site: SiteNow) -> models.SiteSummary:
    return models.SiteSummary(
        name=site.name,
        watched=site.standing.watched,
        healthy=site.standing.healthy,
        lost=site.name is not None and site.standing.lost,
        blind=sum(link.blind for link in site.links),
        problems=[link.name for link in site.links if link.problem],
    )


def _link(link: LinkNow, backing: Backing) -> models.Interconnect:
    account_name = backing.names.get(link.account, link.account)
    return models.Interconnect(account_name=account_name, **{f.name: getattr(link, f.name) for f in fields(link)})


def _event(
    entry: TransitionEntry | ObservationEntry | GapEntry,
) -> models.TransitionEvent | models.Observation | models.Gap:
    match entry:
        case TransitionEntry():
            return models.TransitionEvent.model_validate(entry)
        case ObservationEntry():
            return models.Observation.model_validate(entry)
        case GapEntry():
            return models.Gap.model_validate(entry)


def _silence(silence: Silence) -> models.Silence:
    match = silence.match
    return models.Silence(
        id=silence.id,
        accounts=list(match.account),
        names=list(match.name),
        sites=list(match.site),
        from_at=silence.from_at,
        until_at=silence.until_at,
        by=silence.by,
        comment=silence.comment,
    )


def _page(request: Request, page: Page[_T], shown: Callable[[_T], Any], kind: Any) -> Response:
    listing = models.Listing[kind](items=[shown(entry) for entry in page.entries], next=page.next)
    answer = _answer(request, listing)
    if page.next is not None:
        query = urlencode(
            [*((k, v) for k, v in request.query_params.multi_items() if k != "after"), ("after", page.next)]
        )
        answer.headers["Link"] = f'<?{query}>; rel="next"'
    return answer


def _answer(request: Request, shown: BaseModel, status: int = 200) -> Response:
    """Answer with a model; to who has just that already, only that it is so."""
    body = shown.model_dump_json().encode()
    if request.method != "GET":
        return Response(body, status_code=status, media_type="application/json")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, status_code=status, media_type="application/json", headers=headers)
