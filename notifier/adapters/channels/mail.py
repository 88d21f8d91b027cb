"""E-mail: text and HTML in the same words, one thread for each incident."""

import hashlib
import smtplib
import ssl
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from apprise.plugins.email import NotifyEmail, SecureMailMode

from notifier.adapters.channels.answers import brief
from notifier.adapters.channels.deadline import deadline
from notifier.adapters.channels.secrets import hiding, login_secrets
from notifier.adapters.channels.text import html, one_line, plain
from notifier.adapters.channels.threads import Threads
from notifier.adapters.channels.web import CLIENT
from notifier.ports import Accepted, Answer, Message, Refused, TryAgain

_Refusals = dict[str, tuple[int, bytes]]
_PERMANENT = 500  # replies from here on will not change
_TAKEN = 250
_FAREWELL_S = 1


class MailChannel:
    """The `Channel` port over SMTP: one mail for all recipients of the URL."""

    stateful = False
    bundles = True

    def __init__(self, name: str, plugin: NotifyEmail) -> None:
        self.name = name
        self._plugin = plugin
        self._host = plugin.smtp_host
        self._sender = (str(plugin.from_addr[0] or CLIENT), str(plugin.from_addr[1]))
        self._to = [(str(name or ""), address) for name, address in plugin.targets]
        self._recipients = {*(address for _, address in self._to), *plugin.cc, *plugin.bcc}
        self._hide = hiding(login_secrets(plugin.user or "", plugin.password or ""))
        self._threads = Threads[_Refusals]()
        self._taken: dict[str, set[str]] = {}  # by mail, who has it, while others are still owed it

    async def send(self, message: Message) -> Answer:
        """Send one mail; what some recipients took already is not sent to them again."""
        mail = self._compose(message)
        owed = self._recipients - self._taken.get(mail["Message-ID"], set())
        try:
            async with deadline():
                refused = await self._threads.run(lambda: self._submit(mail, owed))
        except (smtplib.SMTPException, OSError) as error:  # a TimeoutError is an OSError
            return self._failure(error)
        return self._settle(mail["Message-ID"], owed, refused)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _compose(self, message: Message) -> EmailMessage:
        told, plugin = message.notification, self._plugin
        key = told.incident_key
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = one_line(told.title)
        mail["From"] = formataddr(self._sender)
        mail["To"] = ", ".join(map(formataddr, self._to))
        if plugin.cc:
            mail["Cc"] = self._named(plugin.cc)
        if plugin.reply_to:
            mail["Reply-To"] = self._named(plugin.reply_to)
        mail["Date"] = format_datetime(told.recorded_at + (message.late_by or timedelta()))
        mail["Message-ID"] = self._id(key, told.title, told.recorded_at)
        if key:
            mail["In-Reply-To"] = mail["References"] = self._id(key)
            mail["Thread-Topic"] = key  # for Outlook, which does not look at References
        mail["Auto-Submitted"] = "auto-generated"
        for name, value in plugin.headers.items():
            del mail[name]
            mail[name] = one_line(value)
        mail.set_content(plain(message))
        mail.add_alternative(html(message), subtype="html")
        return mail

    def _named(self, addresses: Collection[str]) -> str:
        return ", ".join(formataddr((str(self._plugin.names.get(a) or ""), a)) for a in sorted(addresses))

    def _id(self, *parts: object) -> str:
        """Make the same id for the same thing, so that a mail sent twice is recognised as one."""
        digest = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]
        return f"<{digest}@{self._sender[1].rpartition('@')[2]}>"

    def _submit(self, mail: EmailMessage, owed: Collection[str]) -> _Refusals:
        """Send it, blocking; return the recipients who were refused."""
        plugin = self._plugin
        trust = ssl.create_default_context()
        if not plugin.verify_certificate:
            trust.check_hostname = False
            trust.verify_mode = ssl.CERT_NONE
        host, port, timeout = self._host, plugin.port or 0, plugin.socket_connect_timeout
        smtp = (
            smtplib.SMTP_SSL(host, port, timeout=timeout, context=trust)
            if plugin.secure_mode == SecureMailMode.SSL
            else smtplib.SMTP(host, port, timeout=timeout)
        )
        try:
            if plugin.secure_mode == SecureMailMode.STARTTLS:
                smtp.starttls(context=trust)
            if plugin.user and plugin.password:
                smtp.login(plugin.user, plugin.password)
            return smtp.send_message(mail, self._sender[1], sorted(owed))
        except smtplib.SMTPRecipientsRefused as nobody:
            return nobody.recipients
        finally:
            _part(smtp)

    def _settle(self, mail: str, owed: set[str], refused: _Refusals) -> Answer:
        taken = self._taken.pop(mail, set()) | (owed - refused.keys())
        if not refused:
            return Accepted(code=_TAKEN)
        address, (code, said) = min(refused.items(), key=lambda refusal: refusal[1][0])
        cause = f"{self._host} refused {address}: {code} {self._said(said)}"
        if code >= _PERMANENT:
            return Refused(cause=cause, code=code)
        self._taken[mail] = taken
        return TryAgain(cause=cause, code=code)

    def _failure(self, error: Exception) -> Answer:
        host = self._host
        match error:
            case smtplib.SMTPServerDisconnected():
                return TryAgain(cause=f"{host} broke off the connection")
            case smtplib.SMTPResponseException(smtp_code=code, smtp_error=said):
                cause = f"{code} from {host}: {self._said(said)}"
                if code < _PERMANENT:
                    return TryAgain(cause=cause, code=code)
                login = isinstance(error, smtplib.SMTPAuthenticationError)
                remedy = "; check user and password in the channel's URL" if login else ""
                return Refused(cause=cause + remedy, code=code)
            case smtplib.SMTPException():  # no STARTTLS, or no way to log in
                return Refused(cause=f"{host} does not offer what the URL asks for: {brief(str(error))}")
            case ssl.SSLCertVerificationError(verify_code=10):  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED
                return TryAgain(cause=f"the certificate of {host} has expired", arrived=False)
            case ssl.SSLCertVerificationError():
                return TryAgain(cause=f"the certificate of {host} is not trusted", arrived=False)
            case TimeoutError():
                return TryAgain(cause=f"{host} did not answer in time")
            case _:
                return TryAgain(cause=f"no connection to {host}", arrived=False)

    def _said(self, words: bytes | str) -> str:
        text = words.decode(errors="replace") if isinstance(words, bytes) else words
        return brief(self._hide(text))


def _part(smtp: smtplib.SMTP) -> None:
    """Take leave; how the server answers changes nothing."""
    with suppress(smtplib.SMTPException, OSError):
        if smtp.sock is not None:
            smtp.sock.settimeout(_FAREWELL_S)
        smtp.quit()
