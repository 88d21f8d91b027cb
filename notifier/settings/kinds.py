"""The kinds of values a setting can have; each says in one phrase what it expects."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from notifier.domain.duration import parse_duration

MOST = 1_000_000
_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def expecting(what: str, *, fits: Callable[[Any], bool] = lambda _: True, shown: bool = True) -> WrapValidator:
    """Say of any value that can't be read, or doesn't fit: expected `what`.

    `shown` tells whether a mistaken value may be quoted.
    """

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            result = handler(value)
        except ValidationError:
            pass
        else:
            if fits(result):
                return result
        raise PydanticCustomError("expected", "{what}", {"what": what, "shown": shown})

    return WrapValidator(check)


def between(least: str, most: str) -> WrapValidator:
    """Hold a duration within bounds, both included."""
    low, high = parse_duration(least), parse_duration(most)
    return expecting(
        f"a duration from {least} to {most}, written like 200ms, 15s, 5m, 4h or 7d",
        fits=lambda span: low <= span <= high,
    )


def written(span: timedelta) -> str:
    """Write a span as the configuration does, in the largest unit that holds it whole: `90s`, `5m`."""
    milliseconds = span // timedelta(milliseconds=1)
    unit = next(unit for unit, size in _UNITS.items() if milliseconds % size == 0)
    return f"{milliseconds // _UNITS[unit]}{unit}" if milliseconds else "0s"


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - pydantic takes a ValueError for a mistake
    return parse_duration(value)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _is_database(url: SecretStr) -> bool:
    try:
        parts = urlsplit(url.get_secret_value())
        return bool(parts.port or True) and re.match(r"sqlite:///.|postgresql://.", parts.geturl()) is not None
    except ValueError:  # the port is no number, or a bracket is open
        return False


def _matching(pattern: str) -> Callable[[SecretStr], bool]:
    return lambda secret: re.fullmatch(pattern, secret.get_secret_value()) is not None


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(written),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(ms|s|m|h|d)$"}),
]
Count = Annotated[int, Field(ge=1, le=MOST), expecting(f"a whole number of at least 1, and at most {MOST}")]
Share = Annotated[float, Field(gt=0, le=1), expecting("a number above 0, and at most 1")]
Name = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$"), expecting("text of at most 100 characters, on one line")
]
Identifier = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,64}$"),
    expecting("an account id as Cloudflare's dashboard shows it: letters and digits only"),
]
ChannelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,29}$"),
    expecting("a channel name of at most 30 letters, digits, '_', '.' and '-', beginning with a letter or digit"),
]
Address = Annotated[str, Field(pattern=r"^[^\s@]+@[^\s@]+$"), expecting("an e-mail address", shown=False)]
FilePath = Annotated[str, Field(min_length=1), expecting("the path of a file")]
Zone = Annotated[str, expecting("an IANA time zone, such as UTC or Europe/Amsterdam", fits=_is_zone)]
ApiUrl = Annotated[
    str,
    Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"),
    expecting("an http:// or https:// URL without user, query and fragment", shown=False),
]
Credential = Annotated[
    SecretStr,
    expecting("a token or key: printable characters, no spaces or line breaks", fits=_matching(r"[!-~]+"), shown=False),
]
ChannelUrl = Annotated[
    SecretStr,
    expecting(
        "an Apprise URL, such as slack://… or mailtos://…",
        fits=_matching(r"[A-Za-z][A-Za-z0-9+.-]*://\S.*"),
        shown=False,
    ),
]
DatabaseUrl = Annotated[
    SecretStr,
    expecting(
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME, special characters in the password"
        " percent-encoded",
        fits=_is_database,
        shown=False,
    ),
]
