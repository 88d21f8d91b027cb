"""The status page: rendered here, alive by a stream of what happens, whole without JavaScript."""

from notifier.adapters.web.page.routes import StatusPage
from notifier.adapters.web.page.visitor import Visitor

__all__ = ["StatusPage", "Visitor"]
