"""A configuration is taken whole or refused whole, with a line for each mistake and never a secret."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.matching import Matcher
from notifier.domain.objective import Objective
from notifier.domain.routing import Escalation, Route
from notifier.domain.status import Severity
from notifier.errors import ConfigurationError
from notifier.settings import Settings, load, routes_of, windows_of
from notifier.settings.address import parse_address
from notifier.settings.alerting import objective_of, plan_of
from notifier.settings.outline import ENTRIES
from tests.support.conditions import down
from tests.support.examples import ACCOUNT

_GOOD = """\
accounts:
  - id: abc
    token: made-up-token
channels:
  noc: {url: "slack://T0000/B0000/made-up"}
"""


def _write(folder: Path, text: str, name: str = "notifier.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def _load(folder: Path, text: str = _GOOD, environ: Mapping[str, str] | None = None) -> Settings:
    _write(folder, text)
    return load(Path("notifier.yaml"), environ or {}, folder)


def _mistakes(folder: Path, text: str = _GOOD, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        _load(folder, text, environ)
    assert caught.value.__cause__ is None
    return caught.value.problems


# --- What is taken ------------------------------------------------------------------------------------------


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert settings.database.get_secret_value() == "sqlite:///notifier.db"
    assert settings.poll.interval == timedelta(seconds=60)
    assert settings.cloudflare.rate_limit.share == 0.5
    assert settings.accounts[0].name == "abc"
    assert settings.accounts[0].include == ("*",)
    assert settings.retention.deliveries == timedelta(days=90)


def test_a_section_with_nothing_in_it_is_all_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, _GOOD + "poll:\n").poll.recheck == timedelta(seconds=15)


def test_what_is_not_wanted_can_be_null(tmp_path: Path) -> None:
    settings = _load(tmp_path, _GOOD + "heartbeat: {url: null}\nweb: {listen: null, token: null}\n")
    assert (settings.heartbeat.url, settings.web.listen, settings.web.token) == (None, None, None)


@pytest.mark.parametrize(
    ("listen", "address", "private"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080), True),
        ("127.9.9.9:0", ("127.9.9.9", 0), True),
        ("localhost:80", ("127.0.0.1", 80), True),
        ("[::1]:8080", ("::1", 8080), True),
        ("0.0.0.0:8080", ("0.0.0.0", 8080), False),
        ("[::]:8080", ("::", 8080), False),
        ("192.0.2.7:8080", ("192.0.2.7", 8080), False),
    ],
)
def test_who_listens_where_others_can_reach_it_needs_a_token(
    listen: str,
    address: tuple[str, int],
    private: bool,  # noqa: FBT001 - pytest's way
    tmp_path: Path,
) -> None:
    _write(tmp_path, "a-token", "token")
    guarded = _load(tmp_path, f"{_GOOD}web: {{listen: '{listen}', token_file: token}}\n").web
    assert guarded.listen is not None
    assert (parse_address(guarded.listen), guarded.wanted) == (address, True)
    open_to_all = f"{_GOOD}web: {{listen: '{listen}'}}\n"
    if private:
        assert _load(tmp_path, open_to_all).web.listen == listen
        return
    found = json.dumps(listen) if "[" in listen else listen
    told = f"found {found}, which others can reach, and no token; add token (or token_file)"
    assert _mistakes(tmp_path, open_to_all) == [f"notifier.yaml:6: web.listen: {told}"]


def test_the_usual_address_was_not_asked_for(tmp_path: Path) -> None:
    assert not _load(tmp_path).web.wanted
    assert _load(tmp_path, environ={"NOTIFIER_WEB__LISTEN": "127.0.0.1:9090"}).web.wanted


def test_an_id_of_digits_alone_keeps_its_leading_zeros(tmp_path: Path) -> None:
    assert _load(tmp_path, _GOOD.replace("abc", "0123456701234567")).accounts[0].id == "0123456701234567"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.timezone = "UTC"


# --- Telling ------------------------------------------------------------------------------------------------


def test_without_routes_and_windows_there_are_none(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert (routes_of(settings), windows_of(settings), settings.severity) == ((), (), {})
    assert (settings.group.wait, settings.remind) == (timedelta(seconds=10), timedelta(hours=4))
    assert settings.channels["noc"].format == "text"
    assert not settings.reload.on_change


def test_a_route_takes_one_value_or_several(tmp_path: Path) -> None:
    text = """\
  mail: {url: "mailto://a:b@example.org", format: event}
routes:
  - channels: [noc]
    match: {severity: [critical, error], site: "ams-*", name: icon-*, status: [Down]}
    escalate: {after: 15m, channels: [mail]}
  - channels: [mail, noc]
"""
    narrow, wide = routes_of(_load(tmp_path, _GOOD + text))
    assert narrow == Route(
        channels=("noc",),
        match=Matcher(
            name=("icon-*",),
            site=("ams-*",),
            severity=frozenset({Severity.CRITICAL, Severity.ERROR}),
            status=("Down",),
        ),
        escalate=Escalation(after=timedelta(minutes=15), channels=("mail",)),
    )
    assert wide == Route(channels=("mail", "noc"))


def test_an_account_is_matched_by_its_name_or_its_id(tmp_path: Path) -> None:
    text = _GOOD.replace("id: abc", f"id: {ACCOUNT}\n    name: production")
    routes = ", ".join(f"{{channels: [noc], match: {{account: '{name}'}}}}" for name in ("prod*", "023e*", "lab"))
    by_name, by_id, neither = routes_of(_load(tmp_path, f"{text}routes: [{routes}]\n"))
    link = down("icon-ams-01")
    assert [route.match.takes(link) for route in (by_name, by_id, neither)] == [True, True, False]


def test_a_window_recurs_by_the_clocks_of_its_zone(tmp_path: Path) -> None:
    text = "maintenance: [{name: patching, match: {site: ams-*}, cron: '0 2 * * SUN', for: 2h, timezone: Asia/Tokyo}]"
    [window] = windows_of(_load(tmp_path, _GOOD + text))
    assert window.name == "patching"
    assert window.match.takes(down("icon-ams-01", site="ams-a"))
    assert window.until(datetime(2026, 12, 5, 17, 0, tzinfo=UTC)) == datetime(2026, 12, 5, 19, 0, tzinfo=UTC)
    assert window.until(datetime(2026, 12, 5, 19, 0, tzinfo=UTC)) is None


@pytest.mark.parametrize("moment", ["2026-12-01T22:00+01:00", "2026-12-01T21:00:00Z", "2026-12-01 22:00"])
def test_a_moment_has_an_offset_or_is_by_the_zone_of_the_messages(moment: str, tmp_path: Path) -> None:
    text = f"timezone: Europe/Amsterdam\nmaintenance: [{{name: swap, from: {moment}, until: 2026-12-02T02:00}}]"
    [window] = windows_of(_load(tmp_path, _GOOD + text))
    assert window.until(datetime(2026, 12, 1, 20, 59, 59, tzinfo=UTC)) is None
    assert window.until(datetime(2026, 12, 1, 21, 0, tzinfo=UTC)) == datetime(2026, 12, 2, 1, 0, tzinfo=UTC)


def test_a_moment_that_comes_twice_is_taken_with_its_offset(tmp_path: Path) -> None:
    text = "maintenance: [{name: n, from: 2026-10-25T02:30+01:00, until: 2026-10-25T05:00, timezone: Europe/Amsterdam}]"
    [window] = windows_of(_load(tmp_path, _GOOD + text))
    assert window.until(datetime(2026, 10, 25, 1, 29, tzinfo=UTC)) is None
    assert window.until(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) == datetime(2026, 10, 25, 4, 0, tzinfo=UTC)


def test_an_objective_is_a_share_of_what_is_told_in_the_last_four_weeks(tmp_path: Path) -> None:
    objective = objective_of(_load(tmp_path, _GOOD + "objective: {notify_within: 90s, for: 99.5%}\n"))
    assert objective == Objective(
        notify_within=timedelta(seconds=90), share=Fraction(995, 1000), over=timedelta(days=28)
    )
    assert objective_of(_load(tmp_path)) is None


def test_drills_are_due_by_the_clocks_of_their_zone_and_for_five_minutes(tmp_path: Path) -> None:
    plan = plan_of(_load(tmp_path, _GOOD + "drill: {cron: 0 10 * * MON, channels: [noc], timezone: Asia/Tokyo}\n"))
    assert plan is not None
    assert (plan.channels, plan.within) == (("noc",), timedelta(minutes=10))
    ten = datetime(2026, 12, 7, 1, 0, tzinfo=UTC)
    moments = [ten - timedelta(seconds=1), ten, ten + timedelta(minutes=4), ten + timedelta(minutes=5)]
    assert [plan.due(at) for at in moments] == [None, ten, ten, None]
    assert plan_of(_load(tmp_path)) is None


def test_an_objective_over_a_time_of_which_not_all_is_kept_is_refused(tmp_path: Path) -> None:
    text = _GOOD + "retention: {deliveries: 7d}\nobjective: {notify_within: 90s, for: 99%}\n"
    told = "objective.over: found 28d, longer than deliveries are kept: retention.deliveries is 7d"
    assert _mistakes(tmp_path, text) == [f"notifier.yaml:7: {told}"]


def test_a_status_can_be_as_bad_as_one_likes(tmp_path: Path) -> None:
    settings = _load(tmp_path, _GOOD + "severity: {Unhealthy: error, brimming: info}\n")
    assert settings.severity == {"Unhealthy": Severity.ERROR, "brimming": Severity.INFO}


# --- The environment ----------------------------------------------------------------------------------------


def test_variables_fill_values_after_the_yaml_is_parsed(tmp_path: Path) -> None:
    text = _GOOD.replace("made-up-token", "${TOKEN}") + "detection: {confirm: '${CONFIRM}', recover: '${R:-4}'}\n"
    settings = _load(tmp_path, text, {"TOKEN": "a:-{b}#*&", "CONFIRM": "3"})
    assert settings.accounts[0].token is not None
    assert settings.accounts[0].token.get_secret_value() == "a:-{b}#*&"
    assert (settings.detection.confirm, settings.detection.recover) == (3, 4)


def test_a_doubled_dollar_is_a_dollar(tmp_path: Path) -> None:
    named = _load(tmp_path, _GOOD.replace("token:", 'name: "a $${b} $c"\n    token:'))
    assert named.accounts[0].name == "a ${b} $c"


def test_the_environment_overrules_the_file(tmp_path: Path) -> None:
    environ = {
        "NOTIFIER_POLL__INTERVAL": "200ms",
        "NOTIFIER_CLOUDFLARE__RATE_LIMIT__SHARE": "0.25",
        "NOTIFIER_DATABASE": "postgresql://me:pass@db:5432/n",
        "NOTIFIER_ACCOUNTS__0__NAME": "production",
        "NOTIFIER_ACCOUNTS__1__ID": "def",
        "NOTIFIER_ACCOUNTS__1__TOKEN": "another:#token",
        "NOTIFIER_ACCOUNTS__0__EXCLUDE": "[a-*, b-*]",
        "NOTIFIER_LOG": "{format: json, level: debug}",
        "NOTIFIER_CHANNELS__ON_CALL__URL": "pagerduty://made-up@unused/",
        "NOTIFIER_DETECTION__FLAPPING__CHANGES": "6",
        "NOTIFIER_ROUTES__0__CHANNELS": "[noc]",
        "NOTIFIER_ROUTES__0__MATCH__SITE": "ams-*",
        "NOTIFIER_ROUTES__0__ESCALATE": "{after: 1h, channels: [on_call]}",
        "NOTIFIER_ROUTES__0__ESCALATE__AFTER": "2h",
        "NOTIFIER_MAINTENANCE__0__NAME": "n",
        "NOTIFIER_MAINTENANCE__0__CRON": "0 2 * * *",
        "NOTIFIER_MAINTENANCE__0__FOR": "1h",
        "NOTIFIER_SEVERITY__DOWN": "error",
        "NOTIFIER_RELOAD__ON_CHANGE": "true",
        "NOTIFIER_TIMEZONE": "",
        "NOTIFIER_CONFIG": "elsewhere.yaml",
        "NOTIFIER_TEST_POSTGRES_URL": "anything",
        "NOTIFIER_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    }
    settings = _load(tmp_path, _GOOD + "poll: {interval: 5m}\n", environ)
    assert settings.poll.interval == timedelta(milliseconds=200)
    assert settings.cloudflare.rate_limit.share == 0.25
    assert settings.database.get_secret_value() == "postgresql://me:pass@db:5432/n"
    assert [account.name for account in settings.accounts] == ["production", "def"]
    assert settings.accounts[0].exclude == ("a-*", "b-*")
    assert settings.log.format == "json"
    assert set(settings.channels) == {"noc", "on_call"}
    assert settings.detection.flapping.changes == 6
    assert settings.routes[0].match.site == ("ams-*",)
    assert settings.routes[0].escalate is not None
    assert settings.routes[0].escalate.after == timedelta(hours=2)
    assert settings.maintenance[0].for_ == timedelta(hours=1)
    assert settings.severity == {"Down": Severity.ERROR}
    assert settings.reload.on_change
    assert settings.timezone == "UTC"


def test_an_override_finds_a_channel_whose_name_no_variable_can_spell(tmp_path: Path) -> None:
    text = _GOOD + '  On-call.1: {url: "slack://old"}\n'
    settings = _load(tmp_path, text, {"NOTIFIER_CHANNELS__ON_CALL_1__URL": "json://new"})
    assert settings.channels["On-call.1"].url.get_secret_value() == "json://new"


def test_an_override_makes_up_for_a_variable_the_file_lacks(tmp_path: Path) -> None:
    text = _GOOD.replace("made-up-token", "${TOKEN}")
    settings = _load(tmp_path, text, {"NOTIFIER_ACCOUNTS__0__TOKEN": "given"})
    assert settings.accounts[0].token is not None


def test_the_list_of_urls_takes_the_place_of_the_file_s_channels(tmp_path: Path) -> None:
    settings = _load(tmp_path, environ={"NOTIFIER_CHANNELS": "json://a slack://b"})
    assert list(settings.channels) == ["json", "slack"]


# --- Which file ---------------------------------------------------------------------------------------------


def test_the_file_is_the_option_s_then_the_variable_s_then_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    for name in ("option", "variable", "config/notifier"):
        _write(tmp_path, _GOOD.replace("abc", name.rpartition("/")[2]), f"{name}.yaml")
    environ = {"NOTIFIER_CONFIG": "variable.yaml"}
    assert load(Path("option.yaml"), environ, tmp_path).accounts[0].id == "option"
    assert load(None, environ, tmp_path).accounts[0].id == "variable"
    assert load(None, {}, tmp_path).accounts[0].id == "notifier"


def test_three_variables_need_no_file(tmp_path: Path) -> None:
    environ = {
        "CLOUDFLARE_API_TOKEN": "made-up-token",
        "CLOUDFLARE_ACCOUNT_ID": "abc",
        "NOTIFIER_CHANNELS": "slack://A/B/C  pagerduty://R@unused/ slack://D/E/F",
    }
    settings = load(None, environ, tmp_path)
    assert settings.accounts[0].id == "abc"
    assert list(settings.channels) == ["slack", "pagerduty", "slack-2"]


def test_without_a_file_what_the_environment_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"CLOUDFLARE_ACCOUNT_ID": "abc", "CLOUDFLARE_API_TOKEN": ""}, tmp_path)
    assert str(caught.value) == (
        "no configuration: there is no config/notifier.yaml or /etc/notifier/notifier.yaml; write one, or set"
        " CLOUDFLARE_API_TOKEN, NOTIFIER_CHANNELS in the environment"
    )


def test_without_a_file_a_misspelt_variable_is_told_too(tmp_path: Path) -> None:
    environ = {"CLOUDFLARE_ACCOUNT_ID": "abc", "CLOUDFLARE_API_TOKEN": "made-up", "NOTIFIER_CHANNEL": "slack://A/B/C"}
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ, tmp_path)
    assert caught.value.problems[0].endswith("or set NOTIFIER_CHANNELS in the environment")
    assert caught.value.problems[1:] == [
        "environment NOTIFIER_CHANNEL: unknown setting; did you mean NOTIFIER_CHANNELS?"
    ]


def test_a_usual_file_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "config" / "notifier.yaml").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"config/notifier\.yaml: cannot read it: Is a directory"):
        load(None, {}, tmp_path)


def test_a_file_that_cannot_be_read_is_named_with_the_system_s_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(Path("none.yaml"), {}, tmp_path)
    assert str(caught.value) == "none.yaml: cannot read it: No such file or directory"
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ConfigurationError) as caught:
        load(Path("latin.yaml"), {}, tmp_path)
    assert str(caught.value) == "latin.yaml: cannot read it: it is not UTF-8 text"


# --- Secrets in files ---------------------------------------------------------------------------------------


def test_each_secret_can_lie_in_a_file(tmp_path: Path) -> None:
    secrets = {"db": "sqlite:///x.db", "t": "token", "k": "key", "u": "json://host", "h": "https://hc.example.org/x"}
    secrets["w"] = "web-token"
    for name, secret in secrets.items():
        _write(tmp_path, f"{secret}\n", name)
    text = f"""\
database_file: db
accounts:
  - {{id: a, token_file: {tmp_path}/t}}
  - {{id: b, email: me@example.org, key_file: k}}
channels:
  noc: {{url_file: u}}
heartbeat: {{url_file: h}}
web: {{token_file: w}}
"""
    settings = _load(tmp_path, text)
    assert settings.database.get_secret_value() == "sqlite:///x.db"
    token, key = settings.accounts[0].token, settings.accounts[1].key
    assert token is not None
    assert token.get_secret_value() == "token"
    assert key is not None
    assert key.get_secret_value() == "key"
    assert settings.channels["noc"].url.get_secret_value() == "json://host"
    assert settings.heartbeat.url is not None
    assert settings.heartbeat.url.get_secret_value() == "https://hc.example.org/x"
    assert settings.web.token is not None
    assert settings.web.token.get_secret_value() == "web-token"


def test_a_secret_s_file_that_is_no_good_is_named(tmp_path: Path) -> None:
    _write(tmp_path, " \n", "empty")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    text = """\
database: sqlite:///x.db
database_file: db
accounts:
  - {id: a, token_file: /nowhere/token}
  - {id: b, token_file: .}
channels:
  one: {url_file: empty}
  two: {url_file: binary}
  three: {url_file: "slack://not/a/file"}
  four: {url_file: CfW8ATk4Z0mRqq3vHn7Bs1pXy5LdUe2GjKo9Tc6M}
"""
    assert _mistakes(tmp_path, text) == [
        "notifier.yaml:2: database_file: found database beside it; give one of them",
        "notifier.yaml:4: accounts[0].token_file: cannot read /nowhere/token: No such file or directory",
        "notifier.yaml:5: accounts[1].token_file: cannot read .: Is a directory",
        "notifier.yaml:7: channels.one.url_file: cannot read empty: it is empty",
        "notifier.yaml:8: channels.two.url_file: cannot read binary: it is not text",
        "notifier.yaml:9: channels.three.url_file: cannot read a text (not shown): No such file or directory",
        "notifier.yaml:10: channels.four.url_file: cannot read a text of 40 characters: No such file or directory",
    ]


# --- Mistakes -----------------------------------------------------------------------------------------------

_FIXTURES = Path(__file__).parents[1] / "fixtures" / "settings"


def test_every_mistake_is_told_at_once_each_on_its_line(tmp_path: Path) -> None:
    told = _mistakes(tmp_path, (_FIXTURES / "mistakes.yaml").read_text())
    assert told == (_FIXTURES / "mistakes.txt").read_text().splitlines()


def test_without_accounts_or_channels_it_says_how_to_add_them(tmp_path: Path) -> None:
    expected = [
        "notifier.yaml: accounts: missing; add an account: its id and a token",
        'notifier.yaml: channels: missing; add a channel by a name, such as noc: {url: "slack://…"}',
    ]
    assert _mistakes(tmp_path, "") == expected
    assert _mistakes(tmp_path, "accounts: []\nchannels:\n") == [
        expected[0].replace(".yaml:", ".yaml:1:"),
        expected[1].replace(".yaml:", ".yaml:2:"),
    ]


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    text = _GOOD.replace("made-up-token", "${TOKEN}").replace("abc", "${ID}").replace("T0000", "${EMPTY}")
    assert [told.partition(" is not set;")[0] for told in _mistakes(tmp_path, text, {"EMPTY": ""})] == [
        "notifier.yaml:2: accounts[0].id: the environment variable ID",
        "notifier.yaml:3: accounts[0].token: the environment variable TOKEN",
        "notifier.yaml:5: channels.noc.url: the environment variable EMPTY",
    ]


@pytest.mark.parametrize("unfinished", ["${", "${TOKEN", "${1}", "${}", "${A-b}"])
def test_a_variable_written_wrongly_is_told(unfinished: str, tmp_path: Path) -> None:
    assert _mistakes(tmp_path, _GOOD.replace("abc", f'"{unfinished}"')) == [
        "notifier.yaml:2: accounts[0].id: found ${ without a variable's name and }; write $${ for a plain ${"
    ]


def test_a_value_from_the_environment_is_told_by_its_variable(tmp_path: Path) -> None:
    text = _GOOD + "detection: {confirm: '${TOKEN}'}\n"
    [told] = _mistakes(tmp_path, text, {"TOKEN": "hunter22"})
    assert told.startswith("notifier.yaml:6: detection.confirm: found ${TOKEN}, expected a whole number")


@pytest.mark.parametrize(
    "wrong",
    [
        "routes: [{channels: ['${TOKEN}']}]",
        "routes: [{channels: [noc], match: {severity: '${TOKEN}'}}]",
        "routes: [{channels: [noc], match: {severity: ['${TOKEN}']}}]",
        "maintenance: [{name: n, cron: '${TOKEN}', for: 1h}]",
        "maintenance: [{name: n, from: 2026-12-01T22:00, until: '${TOKEN}'}]",
    ],
)
def test_so_it_is_wherever_settings_must_suit_each_other(wrong: str, tmp_path: Path) -> None:
    [told] = _mistakes(tmp_path, _GOOD + wrong, {"TOKEN": "hunter22"})
    assert "found ${TOKEN}, expected " in told
    assert "hunter22" not in told


def test_mistakes_in_the_environment_name_the_variable(tmp_path: Path) -> None:
    environ = {
        "NOTIFIER_POLL__INTERVAL": "soon",
        "NOTIFIER_POLL_RECHECK": "1s",
        "NOTIFIER_DETECTION": "{confirm: 0, recovr: 1}",
        "NOTIFIER_LOG": "[hunter22",
        "NOTIFIER_FOO__BAR": "1",
        "NOTIFIER_POLL__INTERVAL__X": "1",
        "NOTIFIER_ACCOUNTS__0__TOKEN": "hunter 22",
        "NOTIFIER_ACCOUNTS__3__ID": "x",
        "NOTIFIER_CHANNELS": "json://a hunter22",
    }
    told = _mistakes(tmp_path, _GOOD, environ)
    assert told == (_FIXTURES / "mistakes_in_environment.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: b: hunter22", "notifier.yaml:1:5: not YAML: a second ':' on one line"),
        ("a:\n\t- hunter22", "notifier.yaml:2:1: not YAML: tabs can't indent"),
        ("a: {b: hunter22", "notifier.yaml:1:16: not YAML: a list in [ ] or a map in { } lacks a comma or its end"),
        ("a: 'hunter22", "notifier.yaml:1:13: not YAML: a quote is opened and never closed"),
        ("a: 1\n---\nb: hunter22", "notifier.yaml:2:1: not YAML: a second document begins"),
        ("a: *hunter22", "notifier.yaml:1:4: not YAML: a value that begins with & or * needs quotes"),
        ("a: &hunter22", "notifier.yaml:1:4: not YAML: a value that begins with & or * needs quotes"),
        ("a: @hunter22", "notifier.yaml:1:4: not YAML: tabs can't indent, and a value that begins with @, ` or %"),
        ("a:\n  - b\n c: hunter22", "notifier.yaml:3:2: not YAML: this doesn't line up"),
        ("a: \x01", "notifier.yaml: not YAML: it holds characters that are not text"),
        ("[" * 5000, "notifier.yaml: lists and maps are nested too deeply"),
        ("- hunter22", "notifier.yaml: found no settings"),
        ("hunter22", "notifier.yaml: found no settings"),
        ("? [hunter22]\n: x", "notifier.yaml:1: found a list or map, expected a setting's name"),
        ("timezone: !hunter22 UTC", "notifier.yaml:1: timezone: found a tag, expected a plain value"),
    ],
)
def test_what_is_no_yaml_is_told_in_plain_words_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    mistake = _mistakes(tmp_path, text)[0]
    assert mistake.startswith(told)
    assert "hunter22" not in mistake


@pytest.mark.parametrize(
    "wrong",
    [
        "timezone: ''",
        "timezone: ../../etc/passwd",
        "timezone: America",
        "detection: {confirm: 1.5}",
        "detection: {confirm: null}",
        "detection: {confirm: " + "9" * 5000 + "}",
        "cloudflare: {rate_limit: {share: nan}}",
        "cloudflare: {rate_limit: {share: 0}}",
        "cloudflare: {url: ftp://example.org}",
        "poll: {interval: 199ms}",
        "poll: {interval: 999999999d}",
        "poll: {interval: {}}",
        "database: sqlite://",
        "database: sqlite:///",
        "database: postgres://host/name",
        "database: 'postgresql://user:pass/word@host/name'",
        "database: 'postgresql://[host/name'",
        "database: []",
        "web: {listen: 8080}",
        "web: {listen: ':8080'}",
        "web: {listen: 127.0.0.1}",
        "web: {listen: 127.0.0.1:65536}",
        "web: {listen: 127.0.0.300:80}",
        "web: {listen: '::1:8080'}",
        "web: {listen: '[127.0.0.1]:8080'}",
        "web: {listen: example.org:8080}",
        "web: {token: has a space}",
        "heartbeat: {url: hc.example.org/ping}",
        "heartbeat: {url: 'https://hc.example.org/ping#here'}",
        "heartbeat: {url: 'https://hc.example.org:99999/ping'}",
        "heartbeat: {every: 100ms}",
        "group: {wait: 6m}",
        "remind: 31d",
        "detection: {flapping: {changes: 101}}",
        "severity: {healthy: info}",
        "routes: [{channels: [mail]}]",
        "routes: [{channels: [noc], escalate: {after: 1m, channels: [mail]}}]",
        "routes: [{channels: [noc], match: {site: []}}]",
        "maintenance: [{name: n, cron: '0 2 * * *', for: 59s}]",
        "maintenance: [{name: n, cron: '0 2 * * *', for: 1h, from: 2026-12-01T22:00Z}]",
        "maintenance: [{name: n, from: 2026-12-01T22:00Z, until: 2026-12-01T22:00Z}]",
        "maintenance: [{name: n, from: 2026-03-29T02:30, until: 2026-04-01T00:00, timezone: Europe/Amsterdam}]",
        "objective: {notify_within: 90s, for: 99}",
        "objective: {notify_within: 90s, for: 0.00%}",
        "objective: {notify_within: 90s, for: 100%}",
        "objective: {notify_within: 0s, for: 99%}",
        "objective: {for: 99%}",
        "objective: {notify_within: 90s, for: 99%, over: 91d}",
        "retention: {deliveries: 7d}\nobjective: {notify_within: 90s, for: 99%}",
        "drill: {cron: 0 10 * * MON, channels: [mail]}",
        "drill: {cron: 0 10 * * MON, channels: []}",
        "drill: {cron: 0 10 * *, channels: [noc]}",
        "drill: {channels: [noc]}",
        "drill: {cron: 0 10 * * MON, channels: [noc], within: 2h}",
        "maintenance: [{name: n, cron: '" + "9" * 5000 + " * * * *', for: 1h}]",
    ],
)
def test_each_of_these_is_refused_by_one_line(wrong: str, tmp_path: Path) -> None:
    mistakes = _mistakes(tmp_path, _GOOD + wrong)
    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"notifier.yaml:{6 + wrong.count(chr(10))}: ")


_BITS = st.sampled_from(["accounts", "channels", "id", "token", "noc", "url", "poll", "interval", "7d", "_file"])
_SIGNS = st.sampled_from(["${A}", "${", "~", "!x", "&a", "*a", "[", "]", "{", "}", "'", '"\\x', "#", "%", "|", "<<"])
_GLUE = st.sampled_from([": ", "\n", "\n  ", "- ", "? ", ", ", "---\n"])


@given(text=st.text() | st.lists(_BITS | _SIGNS | _GLUE).map("".join))
def test_no_text_at_all_raises_anything_else(text: str) -> None:
    with TemporaryDirectory() as folder, suppress(ConfigurationError):
        _load(Path(folder), text)


_NAMES = st.sampled_from(
    sorted({str(name) for path in ENTRIES for name in path} | {"", "0", "accounts__0__id", "poll__x"})
)
_VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["${A}", "7d", "json://x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=5), inner, max_size=5),
)


@given(values=st.dictionaries(_NAMES, _VALUES))
def test_no_shape_of_settings_raises_anything_else(values: dict[str, object]) -> None:
    with TemporaryDirectory() as folder, suppress(ConfigurationError):
        _load(Path(folder), json.dumps(values))


@given(environ=st.dictionaries(_NAMES.map(lambda name: f"NOTIFIER_{name.upper()}"), st.text() | _VALUES.map(str)))
def test_no_environment_raises_anything_else(environ: dict[str, str]) -> None:
    with TemporaryDirectory() as folder, suppress(ConfigurationError):
        _load(Path(folder), _GOOD, environ)
