"""The kinds of values a setting can have; each says in one phrase what it expects."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from notifier.adapters.cron import check_cron
from notifier.domain.duration import parse_duration
from notifier.domain.status import HEALTHY, KNOWN, Severity
from notifier.settings.address import is_address
from notifier.settings.moments import MOMENT, is_moment

CHANNEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,29}$"

_MOST, _MOST_CHANGES = 1_000_000, 100
_LONGEST = 100  # characters
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
        raise mistaken(what, shown=shown)

    return WrapValidator(check)


def mistaken(what: str, *, shown: bool = True) -> PydanticCustomError:
    """Make the error that says what is expected."""
    return PydanticCustomError("expected", "{what}", {"what": what, "shown": shown})


class Span:
    """A duration from `least` to `most`, both included, written as `15s`."""

    def __init__(self, least: str, most: str) -> None:
        self._least, self._most = parse_duration(least), parse_duration(most)
        self._what = f"a duration from {least} to {most}, written like 200ms, 15s, 5m, 4h or 7d"

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read, serialization=core_schema.plain_serializer_function_ser_schema(written)
        )

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$"}

    def _read(self, value: Any) -> timedelta:
        try:
            span = parse_duration(value)
        except (TypeError, ValueError, AttributeError):
            raise mistaken(self._what) from None
        if not self._least <= span <= self._most:
            raise mistaken(self._what)
        return span


class Listed:
    """Lets the only entry of a list stand by itself; its mistakes are then told of the setting."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        several = handler(core)
        return {"anyOf": [several["items"], several]}

    def _read(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if value is None or isinstance(value, list | tuple):
            return handler(value)
        try:
            return handler([value])
        except ValidationError as invalid:
            raise mistaken(**invalid.errors()[0]["ctx"]) from None


def written(span: timedelta) -> str:
    """Write a span as the configuration does, in the largest unit that holds it whole: `90s`, `5m`."""
    milliseconds = span // timedelta(milliseconds=1)
    unit = next(unit for unit, size in _UNITS.items() if milliseconds % size == 0)
    return f"{milliseconds // _UNITS[unit]}{unit}" if milliseconds else "0s"


def is_zone(name: str) -> bool:
    """Whether there is such a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _url_like(pattern: str) -> Callable[[SecretStr], bool]:
    """Whether it looks so, and its port can be one."""

    def fits(url: SecretStr) -> bool:
        text = url.get_secret_value()
        try:
            port = urlsplit(text).port
        except ValueError:  # a special character in the password ends the host's name early
            return False
        return port != 0 and re.fullmatch(pattern, text) is not None

    return fits


def _as_cloudflare_writes(status: Any) -> Any:
    """A variable's name, and so NOTIFIER_SEVERITY__DOWN, knows no case."""
    return next((known for known in KNOWN if isinstance(status, str) and known.lower() == status.lower()), status)


def _read_cron(value: Any) -> Any:
    wrong = check_cron(value) if isinstance(value, str) and len(value) <= _LONGEST else "not one line of text"
    if wrong is not None:
        raise mistaken(f"minute, hour, day, month and weekday, such as 0 2 * * SUN or 30 1 * * 6-7 ({wrong})")
    return value


def _matching(pattern: str) -> Callable[[SecretStr], bool]:
    return lambda secret: re.fullmatch(pattern, secret.get_secret_value()) is not None


_T = TypeVar("_T")
OneOrMore = Annotated[tuple[_T, ...], Field(min_length=1), Listed()]

Count = Annotated[int, Field(ge=1, le=_MOST), expecting(f"a whole number of at least 1, and at most {_MOST}")]
Changes = Annotated[
    int,
    Field(ge=2, le=_MOST_CHANGES),
    expecting(f"a whole number of at least 2, and at most {_MOST_CHANGES}"),
]
Switch = Annotated[bool, expecting("true or false")]
Percentage = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,4})?%$"),
    expecting("a percentage above 0% and below 100%, such as 99% or 99.5%", fits=lambda text: float(text[:-1]) > 0),
]
Share = Annotated[float, Field(gt=0, le=1), expecting("a number above 0, and at most 1")]
Name = Annotated[
    str,
    Field(min_length=1, max_length=_LONGEST, pattern=r"^\S(.*\S)?$"),
    expecting(f"text of at most {_LONGEST} characters, on one line"),
]
Identifier = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,64}$"),
    expecting("an account id as Cloudflare's dashboard shows it: letters and digits only"),
]
ChannelName = Annotated[
    str,
    Field(pattern=CHANNEL_NAME),
    expecting(
        "a channel name of at most 30 letters, digits, '_', '.' and '-', beginning with a letter or digit", shown=False
    ),
]
Address = Annotated[str, Field(pattern=r"^[^\s@]+@[^\s@]+$"), expecting("an e-mail address", shown=False)]
FilePath = Annotated[str, Field(min_length=1), expecting("the path of a file")]
Level = Annotated[
    Literal[Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.OK],
    expecting("critical, error, warning, info or ok"),
]
Trouble = Annotated[
    Literal[Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.INFO],
    expecting("critical, error, warning or info"),
]
Status = Annotated[
    Name,
    BeforeValidator(_as_cloudflare_writes),
    expecting(f"a status other than {HEALTHY}, as Cloudflare writes it", fits=lambda status: status != HEALTHY),
]
Cron = Annotated[str, BeforeValidator(_read_cron)]
Moment = Annotated[
    str,
    Field(pattern=MOMENT),
    expecting("a moment such as 2026-12-01T22:00+01:00, or 2026-12-01T22:00 by the clocks there", fits=is_moment),
]
Zone = Annotated[str, expecting("an IANA time zone, such as UTC or Europe/Amsterdam", fits=is_zone)]
Listen = Annotated[str, expecting("an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080", fits=is_address)]
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
PingUrl = Annotated[
    SecretStr,
    expecting("an http:// or https:// URL", fits=_url_like(r"https?://[^\s/?#]+([/?][^\s#]*)?"), shown=False),
]
DatabaseUrl = Annotated[
    SecretStr,
    expecting(
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME, special characters in the password"
        " percent-encoded",
        fits=_url_like(r"(sqlite:///|postgresql://)\S.*"),
        shown=False,
    ),
]
