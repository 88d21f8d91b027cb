"""What of a channel's URL is secret, and how it is kept out of what others read (R33)."""

import re
from base64 import b64encode
from collections.abc import Callable, Collection
from urllib.parse import unquote

_SHORTEST = 4  # characters; hiding less would leave no word whole

Hide = Callable[[str], str]


def secrets_of(url: str) -> frozenset[str]:
    """Return the parts of an Apprise URL that are, or may be, secret: in doubt they are."""
    place, _, query = url.partition("://")[2].partition("?")
    login, _, rest = place.rpartition("@")
    host, *path = re.split(r"[/#]+", rest)
    values = [pair.partition("=")[2] for pair in query.split("&")]
    parts = [login, *login.split(":", 1), *_maybe_token(host), *path, *values]
    meant = [form for part in parts for form in (part, unquote(part), *unquote(part).split())]
    user, _, password = unquote(login).partition(":")
    return frozenset({url, *meant, *login_secrets(user, password)}) - {""}


def login_secrets(user: str, password: str) -> frozenset[str]:
    """Return a password in the forms in which it is sent over HTTP and SMTP; nothing if there is none."""
    if not password:
        return frozenset()
    return frozenset({password, _base64(password), _base64(f"{user}:{password}"), _base64(f"\0{user}\0{password}")})


def hiding(secrets: Collection[str]) -> Hide:
    """Return a function that puts `***` in the place of each secret."""
    longest_first = sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
    return lambda text: pattern.sub("***", text)


def _maybe_token(host: str) -> list[str]:
    """Many services take a token where a host would be: slack://TOKEN/TOKEN/TOKEN."""
    named = "." in host or host.startswith(("localhost", "["))
    return [] if named else [host, host.partition(":")[0]]


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
