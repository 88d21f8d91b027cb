"""Which parts of a URL are secret. In doubt they are: a word too many hidden in the log harms nobody (R33)."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

_TELLING = 8  # a shorter part of a path is a word, not a token


def database_secrets(url: str) -> set[str]:
    """Return the password in a database's URL, as it is written and as it is meant."""
    parts = urlsplit(url)
    passwords = [parts.password, *(value for name, value in parse_qsl(parts.query) if name == "password")]
    return {form for password in passwords if password for form in (password, unquote(password))}


def url_secrets(url: str) -> set[str]:
    """Return a channel's or the heartbeat's URL, and the parts of it that are, or may be, a token or a password.

    Split by hand: what Apprise takes is more than what a URL may be.
    """
    address, _, query = url.partition("://")[2].partition("?")
    place, _, path = address.partition("/")
    login, _, host = place.rpartition("@")
    user, _, password = login.rpartition(":")
    maybe = [user, *_tokens(host), *re.split("[/:]", path.partition("#")[0]), *(value for _, value in parse_qsl(query))]
    found = {url, password, *(part for part in maybe if len(part) >= _TELLING)}
    return {form for part in found if part for form in (part, unquote(part))}


def _tokens(host: str) -> list[str]:
    """Many services take a token where a host would be: slack://TOKEN/TOKEN/TOKEN."""
    named = "." in host or host.partition(":")[0] == "localhost"
    return [] if named else [host]
