"""What the service answers over HTTP: FastAPI on uvicorn, in the service's own loop.

Import it when it is needed: it takes half a second and more, which no other command should have to wait for.
"""

from notifier.adapters.web.app import App
from notifier.adapters.web.backing import Backing, Rules
from notifier.adapters.web.exposition import Exposition
from notifier.adapters.web.page import READY_EVERY
from notifier.adapters.web.server import WebServer

__all__ = ["READY_EVERY", "App", "Backing", "Exposition", "Rules", "WebServer"]
