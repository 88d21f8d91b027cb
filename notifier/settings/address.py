"""Where the service listens."""

import re
from ipaddress import ip_address

_LAST_PORT = 65_535


def parse_address(text: str) -> tuple[str, int]:
    """Read `127.0.0.1:8080`, `localhost:8080` or `[::1]:8080`: an IP address and a port; ValueError for anything else.

    Port 0 stands for a free one.
    """
    found = re.fullmatch(r"(?:\[(?P<six>[^]]*)]|(?P<four>[^:]*)):(?P<port>[0-9]{1,5})", text)
    if found is None or int(found["port"]) > _LAST_PORT:
        raise ValueError("expected an IP address and a port")
    host = "127.0.0.1" if found["four"] == "localhost" else found["six"] or found["four"]
    if ip_address(host).version != (6 if found["six"] else 4):
        raise ValueError("expected [ ] around an IPv6 address, and only there")
    return host, int(found["port"])


def is_address(text: str) -> bool:
    """Whether it can be read."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def is_private(text: str) -> bool:
    """Whether only this machine can reach it."""
    return ip_address(parse_address(text)[0]).is_loopback
