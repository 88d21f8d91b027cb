"""Whether the service does its work: for whoever starts it again, or sends others to it."""

from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from notifier.adapters.web.backing import Backing
from notifier.domain.health import Vital

_UNCACHED = {"Cache-Control": "no-store"}


def routes(backing: Backing) -> list[Route]:
    """Answer `/livez` (would a restart help?) and `/readyz` (does it do its work?): 200 or 503, without any name."""

    def answering(vitals: Collection[Vital]) -> Callable[[Request], Awaitable[Response]]:
        # Asynchronous, or Starlette would ask in a thread, beside the loop in which everything moves.
        async def answer(_: Request) -> Response:
            found = backing.ailments()
            signs = {vital.value: found.get(vital, "ok") for vital in vitals}
            bad = any(vital in found for vital in vitals)
            return JSONResponse(signs, status_code=503 if bad else 200, headers=_UNCACHED)

        return answer

    return [Route("/livez", answering([Vital.LOOP])), Route("/readyz", answering(list(Vital)))]
