"""How people show the token: a form, once, and a way out again."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from notifier.adapters.web.access import Doors, Refused

Form = Callable[[Request, Refused | None], Awaitable[Response]]


def routes(doors: Doors, form: Form) -> list[Route]:
    """Answer `/login` and `/logout`.

    `form` shows the form, and if somebody was just refused, why; with that status and those headers. It sends its
    fields `token` and `next` (the query's, where people came from) to `/login` by POST. `/logout` takes a POST with the
    field `csrf` of `asking(request).csrf`.
    """

    async def show(request: Request) -> Response:
        return await form(request, None)

    async def log_in(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=10) as fields:
            token, then = (str(fields.get(name) or "") for name in ("token", "next"))
        answer = doors.log_in(request, token, then=then or "/")
        return await form(request, answer) if isinstance(answer, Refused) else answer

    async def log_out(_: Request) -> Response:
        return doors.log_out()

    return [
        Route("/login", show, methods=["GET"]),
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
    ]
