"""Everything that is answered over HTTP, put together."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from notifier.adapters.web import api, health, login, metrics, models
from notifier.adapters.web.access import Access, Doors
from notifier.adapters.web.backing import Backing
from notifier.adapters.web.events import Events
from notifier.adapters.web.guard import Guard
from notifier.adapters.web.page import Explained, StatusPage
from notifier.adapters.web.problems import problem
from notifier.adapters.web.public import NotPublicError
from notifier.errors import DatabaseError, NotPossibleError, NotThereError
from notifier.insight import CursorError

_TITLE = "cni-notifier"
_STATUSES: dict[type[Exception], int] = {
    NotThereError: 404,
    NotPossibleError: 409,
    CursorError: 422,
}


class App:
    """Everything that is answered; whoever is not let in gets no further than the doors."""

    def __init__(self, backing: Backing, *, streams: int = 500) -> None:
        """At most so many `streams` of events at once."""
        self._doors, self._page, self._events = Doors(backing), StatusPage(backing), Events(backing, streams)
        self._app = _made(backing, self._doors, self._page, self._events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    async def be_ready(self) -> None:
        """Have at hand what takes long to make, so that nobody waits for it: to be called each `READY_EVERY`."""
        await self._page.be_ready(self._doors.visitors())

    def close(self) -> None:
        """End what would never end by itself."""
        self._events.close()


def _made(backing: Backing, doors: Doors, page: StatusPage, events: Events) -> ASGIApp:
    app = FastAPI(
        title=_TITLE,
        version="1",
        description="The state of Cloudflare Network Interconnects: what the status page shows, and what operators do.",
        openapi_url=f"{api.PREFIX}/openapi.json",
        docs_url=None,  # those load from another site
        redoc_url=None,
        routes=[
            *health.routes(backing),
            *metrics.routes(backing),
            *login.routes(doors, page.form),
            *page.routes(),
        ],
    )
    app.include_router(api.router(backing))
    app.include_router(events.router())
    _explain(app, doors)
    _document(app)
    return Guard(Explained(Access(app, doors)))


def _explain(app: FastAPI, doors: Doors) -> None:
    """Have everything that goes wrong answered in one form."""

    async def refused(request: Request, error: Exception) -> Response:
        status = next((code for kind, code in _STATUSES.items() if isinstance(error, kind)), 500)
        return problem(request.url.path, status, str(error))

    async def away(request: Request, error: Any) -> Response:
        if not error.temporary:
            return problem(request.url.path, 422, "the database does not take what was asked")
        text = "the database does not answer; try again"
        return problem(request.url.path, 503, text, headers={"Retry-After": "5"})

    async def unknown(request: Request, error: Any) -> Response:
        return problem(request.url.path, error.status_code, error.detail, headers=error.headers)

    async def unfit(request: Request, error: Any) -> Response:
        wrong = [{"at": ".".join(map(str, one["loc"])), "expected": one["msg"]} for one in error.errors()]
        text = "; ".join(f"{one['at']}: {one['expected']}" for one in wrong)
        return problem(request.url.path, 422, text, errors=wrong)

    async def not_shown(request: Request, _: Exception) -> Response:
        return doors.ask_in(request)

    async def failed(request: Request, _: Exception) -> Response:
        return problem(request.url.path, 500, "the service failed to answer that; its log says more")

    for kind in _STATUSES:
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(DatabaseError, away)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(RequestValidationError, unfit)
    app.add_exception_handler(NotPublicError, not_shown)
    app.add_exception_handler(Exception, failed)


def _document(app: FastAPI) -> None:
    """Add to the OpenAPI document what FastAPI does not know: the form of problems, and how to be let in."""
    made = app.openapi

    def document() -> dict[str, object]:
        found = made()
        parts = found.setdefault("components", {})
        parts["schemas"]["Problem"] = models.Problem.model_json_schema()
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "`web.token`"}}
        found["security"] = [{"token": []}]
        return found

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way
