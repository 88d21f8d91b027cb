"""E-mail, to a real SMTP server on loopback."""

from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from notifier.ports import Accepted, Message, Refused, TryAgain
from tests.support.examples import ACCOUNT
from tests.support.messages import CLOSE, KEY, TELL, TELL_LATE, UPDATE, hostile, opened
from tests.support.receivers import MailReceiver, server_tls

PASSWORD = "correct-horse-battery"


def url(receiver: MailReceiver, **more: str) -> str:
    query = {"smtp": "127.0.0.1", "from": "noc@example.test", "to": "a@example.test", **more}
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    return f"mailto://example.test:{receiver.port}/?{pairs}"


async def test_a_mail_says_it_in_text_and_in_html(mail_receiver: MailReceiver) -> None:
    async with opened(url(mail_receiver)) as channel:
        assert not channel.stateful
        assert await channel.send(TELL_LATE) == Accepted(code=250)
    (mail,) = mail_receiver.mails
    assert mail.message["Subject"] == "[production] icon-ams-01 is Down (was Healthy) #42"
    assert mail.message["From"] == "cni-notifier <noc@example.test>"
    assert mail.message["To"] == "a@example.test"
    assert mail.message["Date"] == "Mon, 23 Nov 2026 03:20:26 +0000"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message.get_content_type() == "multipart/alternative"
    assert mail.part("plain").replace("\r\n", "\n") == (
        'icon-ams-01 changed from Healthy to Down.\nCloudflare says: "Port down"\n\n'
        "Speed: 10G\nSightings: 2\nRedundant: False\n\n"
        f"observed 03:12:04Z, late by 8m07s\nIncident: {KEY}\n"
    )
    assert mail.part("html").strip() == (
        "<p>icon-ams-01 changed from Healthy to Down.</p><p>Cloudflare says: &quot;Port down&quot;</p>"
        '<table><tr><th align="left">Speed</th><td>10G</td></tr>'
        '<tr><th align="left">Sightings</th><td>2</td></tr>'
        '<tr><th align="left">Redundant</th><td>False</td></tr></table>'
        f"<p>observed 03:12:04Z, late by 8m07s</p><p>Incident: {KEY}</p>"
    )


async def test_all_mail_of_an_incident_is_one_thread(mail_receiver: MailReceiver) -> None:
    other = replace(TELL, notification=replace(TELL.notification, incident_key=f"cni:{ACCOUNT}:icon-ams-01:8"))
    lone = replace(TELL, notification=replace(TELL.notification, incident_key=None))
    async with opened(url(mail_receiver)) as channel:
        for message in (TELL, UPDATE, CLOSE, other, lone):
            await channel.send(message)
    headers = [mail.message for mail in mail_receiver.mails]
    roots = [header["References"] for header in headers]
    assert roots[0] == roots[1] == roots[2] != roots[3]
    assert roots[4] is None
    assert [header["In-Reply-To"] for header in headers] == roots
    assert len({header["Message-ID"] for header in headers}) == 5
    assert roots[0].endswith("@example.test>")


async def test_a_mail_sent_twice_is_recognisably_one(mail_receiver: MailReceiver) -> None:
    for _ in range(2):
        async with opened(url(mail_receiver)) as channel:
            await channel.send(TELL)
    first, second = mail_receiver.mails
    assert first.message["Message-ID"] == second.message["Message-ID"]


async def test_hostile_text_is_neither_header_nor_markup(mail_receiver: MailReceiver) -> None:
    async with opened(url(mail_receiver)) as channel:
        await channel.send(hostile())
    (mail,) = mail_receiver.mails
    assert mail.recipients == ["a@example.test"]
    assert mail.message["Bcc"] is None
    assert "Bcc: x@evil.test is Down" in mail.message["Subject"]
    html = mail.part("html")
    assert "<script" not in html
    assert "<https" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


async def test_copies_replies_names_and_headers_of_the_url_are_kept(mail_receiver: MailReceiver) -> None:
    more = {
        "from": "Night%20watch%20%3Cnoc@example.test%3E",
        "to": "a@example.test,b@example.test",
        "cc": "c@example.test",
        "bcc": "d@example.test",
        "reply": "r@example.test",
        "+X-Team": "net",
    }
    async with opened(url(mail_receiver, **more)) as channel:
        await channel.send(TELL)
    (mail,) = mail_receiver.mails
    assert sorted(mail.recipients) == [f"{name}@example.test" for name in "abcd"]
    told = [mail.message[name] for name in ("From", "To", "Cc", "Bcc", "Reply-To", "X-Team")]
    assert told == [
        "Night watch <noc@example.test>",
        "a@example.test, b@example.test",
        "c@example.test",
        None,
        "r@example.test",
        "net",
    ]


async def test_starttls_with_a_trusted_certificate(
    ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    receiver = MailReceiver()
    async with receiver.running(server_tls(ca, "127.0.0.1")):
        secure = url(receiver, mode="starttls").replace("mailto", "mailtos", 1)
        async with opened(secure) as channel:
            distrusted = "the certificate of 127.0.0.1 is not trusted"
            assert await channel.send(TELL) == TryAgain(cause=distrusted, arrived=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with opened(secure) as channel:
            assert await channel.send(TELL) == Accepted(code=250)
        async with opened(f"{secure}&verify=no") as channel:
            assert await channel.send(TELL) == Accepted(code=250)
    assert [mail.over_tls for mail in receiver.mails] == [True, True]


async def test_a_server_without_starttls_gets_nothing_in_the_clear(mail_receiver: MailReceiver) -> None:
    async with opened(url(mail_receiver, mode="starttls")) as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, Refused)
    assert "STARTTLS" in answer.cause
    assert mail_receiver.mails == []


@pytest.mark.parametrize(("password", "kind"), [(PASSWORD, Accepted), ("wrong-password", Refused)])
async def test_a_wrong_password_is_refused_for_good(mail_receiver: MailReceiver, password: str, kind: type) -> None:
    mail_receiver.passwords = {"anna": PASSWORD}
    login = url(mail_receiver).replace("mailto://", f"mailto://anna:{password}@")
    async with opened(login) as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, kind)
    if isinstance(answer, Refused):
        assert answer.cause.startswith("535 from 127.0.0.1")
        assert answer.cause.endswith("check user and password in the channel's URL")


async def test_a_recipient_refused_for_good_is_named_and_the_others_have_it(mail_receiver: MailReceiver) -> None:
    mail_receiver.refuses = {"b@example.test": "550 5.1.1 no such user"}
    async with opened(url(mail_receiver, to="a@example.test,b@example.test")) as channel:
        answer = await channel.send(TELL)
    cause = "127.0.0.1 refused b@example.test: 550 5.1.1 no such user"
    assert answer == Refused(cause=cause, code=550)
    assert [mail.recipients for mail in mail_receiver.mails] == [["a@example.test"]]


async def test_who_has_the_mail_does_not_get_it_again(mail_receiver: MailReceiver) -> None:
    mail_receiver.refuses = {"b@example.test": "451 try later"}
    async with opened(url(mail_receiver, to="a@example.test,b@example.test")) as channel:
        assert isinstance(await channel.send(TELL), TryAgain)
        assert isinstance(await channel.send(TELL), TryAgain)
        mail_receiver.refuses = {}
        assert isinstance(await channel.send(TELL), Accepted)
        assert isinstance(await channel.send(CLOSE), Accepted)
    assert [mail.recipients for mail in mail_receiver.mails] == [
        ["a@example.test"],
        ["b@example.test"],
        ["a@example.test", "b@example.test"],
    ]


@pytest.mark.parametrize(("reply", "kind"), [("451 busy", TryAgain), ("554 spam", Refused)])
async def test_a_refused_mail_is_tried_again_only_if_that_may_help(
    mail_receiver: MailReceiver, reply: str, kind: type
) -> None:
    mail_receiver.data_reply = reply
    async with opened(url(mail_receiver)) as channel:
        assert isinstance(await channel.send(TELL), kind)


async def test_a_silent_server_is_not_waited_for(mail_receiver: MailReceiver) -> None:
    mail_receiver.asleep.set()
    async with opened(url(mail_receiver, cto="0.3")) as channel:
        answer = await channel.send(TELL)
    assert answer == TryAgain(cause="127.0.0.1 broke off the connection")


async def test_no_server_is_a_reason_to_try_again() -> None:
    async with opened("mailto://example.test:1/?smtp=127.0.0.1&from=noc@example.test") as channel:
        assert await channel.send(TELL) == TryAgain(cause="no connection to 127.0.0.1", arrived=False)


async def test_words_beyond_ascii_arrive(mail_receiver: MailReceiver) -> None:
    told = replace(TELL.notification, title="Köln is Down", lead="Zürich ☂")
    async with opened(url(mail_receiver)) as channel:
        await channel.send(Message(notification=told, action=TELL.action))
    assert mail_receiver.mails[0].message["Subject"] == "Köln is Down"
    assert "Zürich ☂" in mail_receiver.mails[0].part("plain")
