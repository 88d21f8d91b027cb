"""Who asks gets this: so far only whether the service does its work."""

from collections.abc import Awaitable, Callable, Collection, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from notifier.domain.health import Vital

_UNCACHED = {"Cache-Control": "no-store"}


def make_app(ailments: Callable[[], Mapping[Vital, str]]) -> Starlette:
    """Answer `/livez` (would a restart help?) and `/readyz` (does it do its work?): 200 or 503, without any name."""

    def answering(vitals: Collection[Vital]) -> Callable[[Request], Awaitable[Response]]:
        # Asynchronous, or Starlette would ask in a thread, beside the loop in which everything moves.
        async def answer(_: Request) -> Response:
            found = ailments()
            signs = {vital.value: found.get(vital, "ok") for vital in vitals}
            bad = any(vital in found for vital in vitals)
            return JSONResponse(signs, status_code=503 if bad else 200, headers=_UNCACHED)

        return answer

    return Starlette(
        routes=[
            Route("/livez", answering([Vital.LOOP])),
            Route("/readyz", answering(list(Vital))),
        ]
    )
