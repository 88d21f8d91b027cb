"""No secret of the configuration is ever seen: not in a repr, not in an error; and the log knows them all (R33)."""

import pickle
import traceback
from pathlib import Path

import pytest

from notifier.errors import ConfigurationError
from notifier.settings import Settings, load

_PLANTED = "pl4nted-s3cret"
_SECRETS = {
    "database": f"postgresql://me:{_PLANTED}%2Fx@db/n",
    "token": f"{_PLANTED}-token",
    "key": f"{_PLANTED}-key",
    "slack": f"slack://T0000/B0000/{_PLANTED}",
    "mail": f"mailtos://ops:{_PLANTED}@example.org/?to=noc@example.org",
    "web": f"{_PLANTED}-web",
    "heartbeat": f"https://hc.example.org/ping/{_PLANTED}-uuid",
}
_TEXT = """\
database: ${database}
accounts:
  - {id: a, token: "${token}"}
  - {id: b, email: me@example.org, key: "${key}"}
channels:
  slack: {url: "${slack}"}
  mail: {url: "${mail}"}
heartbeat: {url: "${heartbeat}"}
web: {token: "${web}"}
"""


def _load(folder: Path, text: str = _TEXT) -> Settings:
    (folder / "notifier.yaml").write_text(text)
    return load(Path("notifier.yaml"), _SECRETS, folder)


def test_no_secret_shows_in_what_settings_look_like(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    shown = [f"{settings}", repr(settings), settings.model_dump_json(), str(settings.model_dump())]
    shown += [
        f"{part!r}" for part in (*settings.accounts, *settings.channels.values(), settings.heartbeat, settings.web)
    ]
    assert not [text for text in shown if _PLANTED in text]
    assert _PLANTED in str(pickle.dumps(settings))  # they are in there


def test_the_log_is_told_every_secret(tmp_path: Path) -> None:
    secrets = _load(tmp_path).secrets()
    assert {
        f"{_PLANTED}%2Fx",
        f"{_PLANTED}/x",
        _SECRETS["token"],
        _SECRETS["key"],
        _SECRETS["slack"],
        _SECRETS["mail"],
        _PLANTED,
        _SECRETS["web"],
        _SECRETS["heartbeat"],
        f"{_PLANTED}-uuid",
    } <= secrets


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("pagerduty://R0UT1NGK3Y@unused/", "R0UT1NGK3Y"),
        ("slack://T0K3NAAAA/T0K3NBBBB/T0K3NCCCC/#network", "T0K3NAAAA"),
        ("tgram://123456789:AAbbCCdd_eeFF/-100123", "123456789:AAbbCCdd_eeFF"),
        ("json://me:p%40ss@example.org/", "p@ss"),
        ("json://me:p#ss[w0rd@example.org/", "p#ss[w0rd"),
        ("json://example.org/hook/?:token=T0K3NAAAA", "T0K3NAAAA"),
    ],
)
def test_the_parts_of_a_channel_s_url_are_secret_too(url: str, secret: str, tmp_path: Path) -> None:
    text = _TEXT.replace("${slack}", url)
    assert secret in _load(tmp_path, text).secrets()


@pytest.mark.parametrize(
    "url", ["json://localhost:8080/a", "mailtos://ops:password@example.org", "pagerduty://x@unused"]
)
def test_plain_words_of_a_channel_s_url_stay_readable(url: str, tmp_path: Path) -> None:
    settings = _load(tmp_path, _TEXT.replace("${slack}", url))
    assert not settings.secrets() & {"localhost", "localhost:8080", "example.org", "unused", "ops", "a"}


_WRONG = (
    "{s}",
    "- {s}",
    "{s}: {s}",
    "? {s}",
    "a: {s}: {s}",
    "a: '{s}",
    "a: *{s}",
    "a: &{s} *{s}",
    "a: !{s} {s}",
    "a: !{s}!b c",
    "a: !<{s}> c",
    "%{s} a\n---\n",
    "a: |{s}\n",
    'a: "\\{s}"',
    "a: {s}\na: {s}",
    "database: {s}",
    "database: postgres://me:{s}@host/name",
    "database: postgresql://me:{s}/x@host/name",
    "database_file: {s}{s}{s}",
    "database_file: json://{s}",
    "accounts: {s}",
    "accounts: [{s}]",
    "accounts: [{{id: {s}, token: [{s}]}}]",
    "accounts: [{{id: '{s} {s} {s}', tokn: {s}, token: '{s} '}}]",
    "accounts: [{{id: a, email: {s}, key: {{a: {s}}}}}]",
    "accounts: [{{id: a, token: {s}, token_file: {s}}}]",
    "channels: {s}",
    "channels: [{s}]",
    "channels: {{noc: {s}}}",
    "channels: {{noc: {{url: {s}}}}}",
    "channels: {{'slack://{s}': }}",
    "channels: {{noc: {{url: {{{s}: {s}}}}}}}",
    "channels: {{noc: {{'slack://{s}': 1}}}}",
    "cloudflare: {{url: 'https://me:{s}@example.org'}}",
    "web: {{listen: '${{token}}'}}",
    "web: {{token: '{s} '}}",
    "web: {{token: {s}, token_file: {s}}}",
    "heartbeat: {{url: {s}}}",
    "heartbeat: {{url: 'https://hc.example.org:{s}/ping'}}",
    "heartbeat: {{url: 'https://hc.example.org/{s}', url_file: {s}}}",
    "poll: {s}",
    "poll: {{interval: '${{token}}'}}",
    "log: {{level: '${{token}}'}}",
    "timezone: '${{token}}'",
)


@pytest.mark.parametrize("wrong", _WRONG)
def test_no_mistake_quotes_a_secret(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, wrong.format(s=_PLANTED))
    assert _PLANTED not in "".join(traceback.format_exception(caught.value)).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    "variable",
    [
        "DATABASE",
        "ACCOUNTS",
        "CHANNELS",
        "CHANNELS__NOC",
        "CHANNELS__NOC__URL",
        "ACCOUNTS__0__TOKEN",
        "POLL",
        "X__TOKEN",
    ],
)
def test_no_mistake_in_the_environment_quotes_a_secret(variable: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {f"NOTIFIER_{variable}": f"{_PLANTED} {{"}, tmp_path)
    assert _PLANTED not in str(caught.value)
