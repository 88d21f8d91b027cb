"""Which parts of a URL are secret. In doubt they are: a word too many hidden in the log harms nobody (R33)."""

import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_TELLING = 8  # a shorter part of a path is a word, not a token


def database_secrets(url: str) -> set[str]:
    """Return the password in a database's URL, as it is written and as it is meant."""
    password = urlsplit(url).password
    return {password, unquote(password)} if password else set()


def channel_secrets(url: str) -> set[str]:
    """Return an Apprise URL and the parts of it that are, or may be, a token or a password."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    found = {url, *user.split(":"), *(part for part in _longer_parts(parts, host) if len(part) >= _TELLING)}
    return {form for part in found if part for form in (part, unquote(part))}


def _longer_parts(parts: SplitResult, host: str) -> list[str]:
    """Many services take a token where a host or a path would be: slack://TOKEN/TOKEN/TOKEN."""
    values = [value for _, value in parse_qsl(parts.query)]
    named = "." in host or host.partition(":")[0] == "localhost"
    return [*([] if named else [host]), *re.split("[/:]", parts.path), *values]
