"""`console://here`: a channel of our own, registered with Apprise, that prints. For trying things out."""

import sys
from textwrap import indent
from typing import Any

from apprise import NotificationManager
from apprise.decorators import notify

_SCHEME = "console"


def register() -> None:
    """Make the scheme known to Apprise, once."""
    if _SCHEME not in NotificationManager():  # type: ignore[no-untyped-call]  # Apprise is typed in part
        notify(on=_SCHEME, name="Console")(_print)  # type: ignore[no-untyped-call]  # same


def _print(body: str, title: str, notify_type: str, **_: Any) -> bool:
    sys.stdout.write(f"\n[{notify_type}] {title}\n{indent(body, '    ')}\n")
    sys.stdout.flush()
    return True
