"""What Prometheus scrapes. Who scrapes shows the token, if there is one: `public` is for people."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from notifier.adapters.web.access import Role, asking
from notifier.adapters.web.backing import Backing
from notifier.adapters.web.public import NotPublicError


def routes(backing: Backing) -> list[Route]:
    """Answer `/metrics`."""

    async def answer(request: Request) -> Response:
        if asking(request).role is not Role.OPERATOR:
            raise NotPublicError("channels stand in it by name")
        media, text = await backing.exposition.written(request.headers.get("Accept", ""))
        return Response(text, headers={"Cache-Control": "no-store", "Content-Type": media})

    return [Route("/metrics", answer)]
