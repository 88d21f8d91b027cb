"""What others may send to harm: settings, answers and words that are no accident (docs/security.md)."""

import asyncio
import json
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import click
import pytest
import trustme

from notifier.adapters.cloudflare.bodies import MalformedError, read_page, read_status
from notifier.cli import notifier
from notifier.domain.observation import Unseen
from notifier.errors import ConfigurationError
from notifier.ports import Accepted, TryAgain
from notifier.settings import load
from tests.support.cloudflare_server import asking, say, serving
from tests.support.examples import ACCOUNT
from tests.support.messages import OPEN, TELL, hostile, opened
from tests.support.receivers import PAGERDUTY, FixedHosts, HttpReceiver, MailReceiver, Say
from tests.support.stage import open_stage

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\nroot@noc:~# "
BOTTOMLESS = "[" * 100_000

BOMBS = {
    "aliases": "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n",
    "depth": "accounts: " + "[" * 10_000,
    "a tag": "accounts: !!python/object/apply:os.system [id]\n",
    "binary": "accounts: \x00\x01\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_configuration_made_to_harm_is_refused_at_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "notifier.yaml").write_text(text)
    began = monotonic()
    with pytest.raises(ConfigurationError):
        load(tmp_path / "notifier.yaml", {}, tmp_path)
    assert monotonic() - began < 5


@pytest.mark.parametrize("text", [BOTTOMLESS, '{"state": ' + BOTTOMLESS, '{"items": ' + BOTTOMLESS])
def test_an_answer_without_a_bottom_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        read_status(text.encode())
    with pytest.raises(MalformedError):
        read_page(text.encode(), ACCOUNT)


def test_words_of_cloudflare_can_steer_no_terminal() -> None:
    seen = read_status(json.dumps({"state": "Down", "reason": f"a{STEERING}\u202eb\u2028c"}).encode())
    assert seen.reason is not None
    assert seen.reason.isprintable()
    for bad in (STEERING, "Down\u202e"):
        with pytest.raises(MalformedError):
            read_status(json.dumps({"state": bad}).encode())
        with pytest.raises(MalformedError):
            read_page(json.dumps({"items": [{"name": bad}]}).encode(), ACCOUNT)


async def test_the_console_shows_hostile_text_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    async with opened("console://here") as channel:
        await channel.send(hostile(STEERING))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert not [line for line in shown.splitlines() if line.startswith("root@")]


async def test_a_receivers_answer_without_a_bottom_is_survived(fixed_hosts: FixedHosts) -> None:
    fixed_hosts.usual_for[PAGERDUTY] = Say(status=202, body=BOTTOMLESS)
    async with opened("pagerduty://routingkey0123456789abcdefabcdef@unused/") as channel:
        assert isinstance(await channel.send(OPEN), Accepted | TryAgain)


@pytest.mark.slow
async def test_a_receiver_that_drips_its_answer_is_left_after_twenty_seconds() -> None:
    left = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.5)
        writer.close()
        left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"json://127.0.0.1:{server.sockets[0].getsockname()[1]}/?rto=5"
        async with opened(url) as channel:
            began = monotonic()
            answer = await channel.send(TELL)
        await asyncio.wait_for(left.wait(), 5)
    assert isinstance(answer, TryAgain)
    assert monotonic() - began < 25


def test_no_command_takes_a_secret_where_everybody_can_read_it() -> None:
    """What stands on a command line is shown to all users of the machine."""
    context = click.Context(notifier)
    waiting = [(name, notifier.get_command(context, name)) for name in notifier.list_commands(context)]
    found = set()
    while waiting:
        name, command = waiting.pop()
        assert command is not None
        if isinstance(command, click.Group):
            waiting += [
                (f"{name} {each}", command.get_command(context, each)) for each in command.list_commands(context)
            ]
        names = {option.strip("-") for parameter in command.params for option in parameter.opts}
        found |= {f"{name} --{each}" for each in names & {"token", "key", "password", "secret", "url", "database"}}
    assert found == {"simulate --token"}, "but of the simulator's own world"


@pytest.mark.slow
async def test_a_name_made_to_break_out_is_a_name(
    database_url: str, tmp_path: Path, http_receiver: HttpReceiver
) -> None:
    name = """x'); DROP TABLE states; --"%s%00{0}$${HOME}"""
    async with open_stage(database_url, tmp_path) as stage:
        link = stage.link(name)
        async with stage.at_work(noc=f"json://{http_receiver.address}/"):
            await stage.polls(link, "Healthy", "Down", "Down")
            await stage.advance(30)
            assert any(row.get("name") == name and row.get("after") == "Down" for row in await stage.history())
    [told] = http_receiver.requests
    assert told.json["title"] == f"[production] {name} is Down (was Healthy) #2"


async def test_an_expired_certificate_is_named_by_whoever_meets_it(
    ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    then = datetime(2020, 1, 1, tzinfo=UTC)
    ca.issue_cert("127.0.0.1", not_before=then, not_after=then + timedelta(days=90)).configure_cert(tls)
    async with serving(say(200, "{}"), tls=tls) as server, asking(server.url) as api:
        sight = await api.status("icon-ams-01")
    async with MailReceiver().running(tls) as receiver:
        where = "smtp=127.0.0.1&from=noc@example.test&mode=starttls"
        async with opened(f"mailtos://127.0.0.1:{receiver.port}/?{where}&to=ops@example.test") as channel:
            answer = await channel.send(TELL)
    assert isinstance(sight, Unseen)
    assert isinstance(answer, TryAgain)
    assert sight.cause.text == answer.cause == "the certificate of 127.0.0.1 has expired"
