"""An address to be asked at: held from the start, so that who asks early waits instead of being refused."""

import os
import socket

from notifier.errors import ListenError


def bind(host: str, port: int) -> socket.socket:
    """Listen at an IP address; port 0 picks a free one.

    Raises:
        ListenError: The address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # What the error itself says names the address once more, in Python's way.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise ListenError(f"cannot listen on {_written(host, port)}: {why.lower()}") from None


def address(listening: socket.socket) -> str:
    """Return where it listens: `127.0.0.1:8080`, `[::1]:8080`."""
    return _written(*listening.getsockname()[:2])


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
