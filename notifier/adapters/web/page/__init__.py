"""The status page: rendered here, alive by a stream of what happens, whole without JavaScript."""

from notifier.adapters.web.page.errors import Explained
from notifier.adapters.web.page.routes import READY_EVERY, StatusPage

__all__ = ["READY_EVERY", "Explained", "StatusPage"]
