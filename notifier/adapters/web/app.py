"""Who asks over HTTP gets this."""

from starlette.applications import Starlette

from notifier.adapters.web import health
from notifier.adapters.web.backing import Backing


def make_app(backing: Backing) -> Starlette:
    """Put together everything that is answered."""
    return Starlette(routes=health.routes(backing))
