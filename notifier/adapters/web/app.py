"""Who asks gets this: so far only whether the service does its work."""

import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from notifier.adapters.web.metrics import Metrics
from notifier.domain.health import Vital

_UNCACHED = {"Cache-Control": "no-store"}


def make_app(ailments: Callable[[], Mapping[Vital, str]], metrics: Metrics, token: str | None = None) -> Starlette:
    """Answer `/livez` (would a restart help?) and `/readyz` (does it do its work?): 200 or 503, without any name.

    `/metrics` is for Prometheus, which has to show the token if there is one.
    """
    shown = None if token is None else f"Bearer {token}".encode()

    def answering(vitals: Collection[Vital]) -> Callable[[Request], Awaitable[Response]]:
        # Asynchronous, or Starlette would ask in a thread, beside the loop in which everything moves.
        async def answer(_: Request) -> Response:
            found = ailments()
            signs = {vital.value: found.get(vital, "ok") for vital in vitals}
            bad = any(vital in found for vital in vitals)
            return JSONResponse(signs, status_code=503 if bad else 200, headers=_UNCACHED)

        return answer

    async def measure(request: Request) -> Response:
        given = request.headers.get("Authorization", "").encode("latin-1")
        if shown is not None and not hmac.compare_digest(given, shown):
            return Response(status_code=401, headers={**_UNCACHED, "WWW-Authenticate": "Bearer"})
        media, text = await metrics.written(request.headers.get("Accept", ""))
        return Response(text, headers={**_UNCACHED, "Content-Type": media})

    return Starlette(
        routes=[
            Route("/metrics", measure),
            Route("/livez", answering([Vital.LOOP])),
            Route("/readyz", answering(list(Vital))),
        ]
    )
