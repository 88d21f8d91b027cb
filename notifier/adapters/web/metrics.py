"""What Prometheus scrapes. Who scrapes shows the token, if there is one: `public` is for people."""

import hmac

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from notifier.adapters.web.backing import Backing

_UNCACHED = {"Cache-Control": "no-store"}


def routes(backing: Backing) -> list[Route]:
    """Answer `/metrics`."""

    async def answer(request: Request) -> Response:
        token, shown = backing.rules.token, request.headers.get("Authorization", "")
        if token is not None and not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
            return Response(status_code=401, headers={**_UNCACHED, "WWW-Authenticate": "Bearer"})
        media, text = await backing.exposition.written(request.headers.get("Accept", ""))
        return Response(text, headers={**_UNCACHED, "Content-Type": media})

    return [Route("/metrics", answer)]
