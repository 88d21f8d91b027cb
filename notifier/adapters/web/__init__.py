"""What the service answers over HTTP: Starlette on uvicorn, in the service's own loop.

Import it when it is needed: both together take a tenth of a second, which no other command should have to wait for.
"""

from notifier.adapters.web.app import App
from notifier.adapters.web.backing import Backing, Rules
from notifier.adapters.web.server import WebServer, bind

__all__ = ["App", "Backing", "Rules", "WebServer", "bind"]
