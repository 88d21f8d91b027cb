"""The log: a phrase and fields, in two formats, other packages held back, and no secret in any disguise (R33)."""

import io
import json
import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import logs

_SECRET = 'pl4nted/s3cret+"\\ü&x'
_log = logging.getLogger("notifier.pipeline.polling")
_NAMES = ("", "notifier", "httpx", "apprise")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logging is the process's own: what a test configures must not outlive it."""
    root, raising = logging.getLogger(), logging.raiseExceptions
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in _NAMES}
    yield
    root.handlers[:] = handlers
    logging.raiseExceptions = raising
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _configured(log_format: str = "text", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(format=log_format, level=level, secrets={_SECRET, ""}, stream=stream)
    return stream


class _Word(StrEnum):
    DOWN = "Down"


_FIELDS = {
    "account": "production",
    "cause": "403 from Cloudflare",
    "links": 2,
    "kept": timedelta(seconds=90),
    "since": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    "status": _Word.DOWN,
    "path": Path("a/b"),
    "names": ("x", None),
}


def test_text_is_a_line_of_time_level_logger_phrase_and_fields() -> None:
    stream = _configured()
    _log.warning("account blind", extra={"fields": _FIELDS})
    moment, _, rest = stream.getvalue().partition(" ")
    assert datetime.fromisoformat(moment).tzinfo == UTC
    assert len(moment) == len("2026-01-02T03:04:05.678Z")
    assert rest == (
        'WARNING notifier.pipeline.polling: account blind account=production cause="403 from Cloudflare" links=2'
        ' kept=90s since=2026-01-02T03:04:05.678Z status=Down path=a/b names=["x", null]\n'
    )


def test_json_is_an_object_a_line_whose_own_names_no_field_takes() -> None:
    stream = _configured("json")
    _log.info("account blind", extra={"fields": {**_FIELDS, "level": "mine"}})
    told = json.loads(stream.getvalue())
    assert list(told)[:4] == ["at", "level", "logger", "event"]
    assert (told["level"], told["logger"], told["event"]) == ("info", "notifier.pipeline.polling", "account blind")
    assert (told["links"], told["kept"], told["status"], told["names"]) == (2, "90s", "Down", ["x", None])


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_record_is_one_line_whatever_it_holds(log_format: str) -> None:
    stream = _configured(log_format)
    _log.info("one\ntwo\x1b[31m", extra={"fields": {"reason": "three\r\nfour"}})
    assert stream.getvalue().count("\n") == 1
    assert not set(stream.getvalue()) & {"\r", "\x1b"}


def test_the_level_holds_for_our_own_records() -> None:
    stream = _configured(level="warning")
    _log.info("no")
    _log.warning("yes")
    assert stream.getvalue().count("\n") == 1


_OTHERS = (
    "httpx",
    "httpcore",
    "aiohttp.access",
    "apscheduler.scheduler",
    "apscheduler.executors.default",
    "alembic.runtime.migration",
    "sqlalchemy.engine",
    "notifiers",
)


@pytest.mark.parametrize("name", _OTHERS)
def test_other_packages_are_heard_from_warning_up_even_at_debug(name: str) -> None:
    stream = _configured(level="debug")
    other = logging.getLogger(name)
    before = other.level
    other.setLevel(logging.DEBUG)  # as some packages do themselves
    try:
        other.info("a request to %s", "https://example.org")
        other.warning("a warning about %s", _SECRET)
    finally:
        other.setLevel(before)
    assert f"WARNING {name}: a warning about ***" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_configuring_again_takes_the_place_of_what_was() -> None:
    first, second = _configured(), _configured()
    _log.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def _fail() -> None:
    _log.debug("before")
    raise ValueError(f"no such key: {_SECRET}")


@pytest.mark.parametrize(
    ("log_format", "level", "traced"), [("text", "info", False), ("text", "debug", True), ("json", "info", True)]
)
def test_a_traceback_is_spared_those_who_read_text(log_format: str, level: str, traced: bool) -> None:  # noqa: FBT001 - an example
    stream = _configured(log_format, level)
    try:
        _fail()
    except ValueError:
        _log.exception("poll failed")
    assert "ValueError: no such key: ***" in stream.getvalue()
    assert ("Traceback" in stream.getvalue()) is traced
    assert "pl4nted" not in stream.getvalue()


def test_a_record_whose_words_and_arguments_do_not_fit_is_still_written() -> None:
    stream = _configured()
    logging.getLogger("aiohttp").warning("%d of us", "many")
    assert "%d of us" in stream.getvalue()


_DISGUISES = {
    "as it is": _SECRET,
    "percent-encoded": quote(_SECRET, safe=""),
    "percent-encoded path": quote(_SECRET),
    "form-encoded": quote_plus(_SECRET),
    "quoted by Python": repr(_SECRET),
    "quoted by JSON": json.dumps(_SECRET),
    "base64": b64encode(_SECRET.encode()).decode(),
    "base64 of user and password": b64encode(f"user:{_SECRET}".encode()).decode(),
    "base64 of more": b64encode(f"me:{_SECRET}:you".encode()).decode(),
    "base64 for URLs": urlsafe_b64encode(f"x{_SECRET}yy".encode()).decode(),
}


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("disguise", _DISGUISES)
def test_a_secret_is_hidden_in_every_disguise_and_place(disguise: str, log_format: str) -> None:
    stream = _configured(log_format, "debug")
    hidden = _DISGUISES[disguise]
    _log.error("sent %s", hidden, extra={"fields": {"url": f"https://{hidden}@host", hidden: [{"deep": (hidden,)}]}})
    written = stream.getvalue()
    assert written.count("***") == 4
    assert hidden.strip("'\"=")[4:-4] not in written


def test_words_too_short_to_be_secret_stay() -> None:
    stream = io.StringIO()
    logs.configure(format="text", level="info", secrets={"a", "", "abc"}, stream=stream)
    _log.info("abc and a")
    assert "abc and a" in stream.getvalue()


@given(secret=st.text(min_size=4, max_size=40), before=st.text(max_size=5), after=st.text(max_size=5))
def test_no_secret_survives_redaction(secret: str, before: str, after: str) -> None:
    told = logs.Redaction([secret])(before + secret + after)
    assert secret not in told or secret in "***"
