"""URLs that are none, and secrets that nobody reads (R33)."""

import logging

import pytest

from notifier.adapters.channels import check_url, open_channels
from notifier.adapters.channels.secrets import hiding, secrets_of
from notifier.errors import ConfigurationError
from tests.support.messages import OPEN, opened
from tests.support.receivers import FixedHosts, HttpReceiver, MailReceiver, Say

BAD = {
    "nowhere": "nosuch://s3cr3t-0ne/s3cr3t-tw0",
    "slack": "slack://xoxz-s3cr3t-0ne/s3cr3t-tw0",
    "pagerduty": "pagerduty://s3cr3t-0ne@x?region=jp",
    "mail": "mailtos://anna:s3cr3t-0ne@example.test/s3cr3t-tw0?from=noc@example.test&to=s3cr3t-tw0",
    "timeout": "json://anna:s3cr3t-0ne@example.test/?rto=s3cr3t-tw0",
    "port": "json://s3cr3t-0ne:99999999/",
    "words": "s3cr3t-0ne s3cr3t-tw0",
    "what the plugin itself fails at": "json://s3cr3t@example.test?tz=%00",
}
GOOD = ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "console://here", "ntfy://topic", "pagerduty://K@x"]


def test_all_bad_urls_are_named_at_once_without_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigurationError) as caught:
        open_channels({"good": GOOD[0], **BAD})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [f"channels.{n}.url" for n in BAD]
    assert all("expected" in problem for problem in caught.value.problems)
    assert "s3cr3t" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r} {caplog.text}"


@pytest.mark.parametrize("url", BAD.values())
def test_a_bad_url_is_said_to_be_one(url: str) -> None:
    problem = check_url(url)
    assert problem is not None
    assert "expected" in problem


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_is_nothing_to_complain_of(url: str) -> None:
    assert check_url(url) is None


def test_what_apprise_would_go_on_without_is_named() -> None:
    problem = check_url("mailtos://anna:pass@example.test?cc=nobody")
    assert problem is not None
    assert problem.startswith("Dropped invalid Carbon Copy email; expected mailtos://")


@pytest.mark.parametrize(
    "url",
    [
        "pagerduty://s3cr3tr0ut1ngk3y@s3cr3tap1k3y/",
        "opsgenie://s3cr3t-ap1k3y/",
        "slack://Ts3cr3tA/Bs3cr3tB/Cs3cr3tCs3cr3tCs3cr3tCc",
        "slack://xoxb-1234-1234-s3cr3tt0ken/%23noc",
        "json://anna:s3cr3tpassw0rd@{http}/s3cr3tpath?+X-Key=s3cr3th3ader&-token=s3cr3tparam",
        "form://anna:s3cr3tpassw0rd@{http}/s3cr3tpath?+X-Key=s3cr3th3ader&-token=s3cr3tparam",
        "mailto://anna:s3cr3tpassw0rd@example.test:{smtp}/?smtp=127.0.0.1&from=noc@example.test",
        "json://anna:s3cr3tpassw0rd@127.0.0.1:1/s3cr3tpath",
        "form://anna:s3cr3tpassw0rd@127.0.0.1:1/s3cr3tpath",
        "xml://s3cr3tt0ken:1/",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_send_tells_no_secret_even_if_the_receiver_echoes_it(
    url: str,
    status: int,
    fixed_hosts: FixedHosts,
    http_receiver: HttpReceiver,
    mail_receiver: MailReceiver,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    url = url.format(http=http_receiver.address, smtp=mail_receiver.port)
    echo = " ".join([url, "YW5uYTpzM2NyM3RwYXNzdzByZA==" if "anna" in url else "", *secrets_of(url)])
    for script in (fixed_hosts.script, http_receiver.script):
        script.append(Say(status=status, body={"message": echo, "error": echo}))
    mail_receiver.passwords = {"anna": "s3cr3tpassw0rd"}
    mail_receiver.data_reply = f"{250 if status == 200 else status} {echo}"[:400]
    async with opened(url) as channel:
        answer = await channel.send(OPEN)
        told = f"{answer!r} {channel!r}"
    told += caplog.text + "".join(capfd.readouterr())
    assert "s3cr3t" not in told
    assert "YW5uYTpzM2NyM3" not in told


def test_secrets_are_hidden_in_each_form_they_are_sent_in() -> None:
    hide = hiding(secrets_of("json://anna:p%40ss%20word@example.test/hook-path?+Authorization=Bearer%20abc123==&x=y"))
    echoed = "p@ss word p%40ss%20word hook-path Bearer abc123== abc123== YW5uYTpwQHNzIHdvcmQ= example.test"
    assert hide(echoed) == "*** *** *** *** *** *** example.test"
