"""From an Apprise URL to a channel, and what is wrong with one that is none."""

import re
import ssl
from collections.abc import Callable, Mapping
from functools import cache

import httpx
from apprise import Apprise, AppriseAsset, NotificationManager, NotifyBase, OverflowMode
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.email import NotifyEmail
from apprise.plugins.opsgenie import NotifyOpsgenie
from apprise.plugins.pagerduty import NotifyPagerDuty
from apprise.plugins.slack import NotifySlack

from notifier.adapters.channels import console, slack
from notifier.adapters.channels.event import EventChannel
from notifier.adapters.channels.mail import MailChannel
from notifier.adapters.channels.muted import listening, mute
from notifier.adapters.channels.opsgenie import Opsgenie
from notifier.adapters.channels.other import OtherChannel
from notifier.adapters.channels.pagerduty import PagerDuty
from notifier.adapters.channels.secrets import hiding, secrets_of
from notifier.adapters.channels.slack import Slack
from notifier.adapters.channels.web import CLIENT, Connection, Receiver, WebChannel, trusted
from notifier.adapters.channels.webhook import EventWebhook, Webhook
from notifier.errors import ConfigurationError
from notifier.ports import Channel

_FORMS = 3  # of a service's URL, shown in an error
_LAST_PORT = 65_535
_SPOKEN_TO: dict[str, type[NotifyBase]] = {
    "json": NotifyJSON,
    "jsons": NotifyJSON,
    "mailto": NotifyEmail,
    "mailtos": NotifyEmail,
    "opsgenie": NotifyOpsgenie,
    "pagerduty": NotifyPagerDuty,
    "slack": NotifySlack,
}
_NO_EVENTS = "found event, expected text; PagerDuty and Opsgenie keep incidents, and have a form of their own for them"


def open_channels(urls: Mapping[str, str], formats: Mapping[str, str] | None = None) -> dict[str, Channel]:
    """Make the channels from Apprise URLs by name; nothing is connected yet. `formats`: `text` (if none) or `event`.

    Raises:
        ConfigurationError: Some URLs are none, or are not for events; every one is named, no secret is.
    """
    events = {name for name, form in (formats or {}).items() if form == "event"}
    problems: list[str] = []
    channels: dict[str, Channel] = {}
    trust = cache(trusted)  # read once for all channels
    for name, url in urls.items():
        event = name in events
        try:
            channel = _open(name, url, trust, event=event)
        except ConfigurationError as error:
            problems += [f"channels.{name}.url: {problem}" for problem in error.problems]
            continue
        if event and channel.stateful:
            problems.append(f"channels.{name}.format: {_NO_EVENTS}")
        channels[name] = EventChannel(channel) if event and channel.bundles else channel
    if problems:
        raise ConfigurationError(problems)
    return channels


def check_url(url: str) -> str | None:
    """Say what is wrong with an Apprise URL, without its secrets; None if nothing is. Nothing is sent."""
    try:
        _open("", url, trusted)
    except ConfigurationError as error:
        return "; ".join(error.problems)
    return None


def _open(name: str, url: str, trust: Callable[..., ssl.SSLContext], *, event: bool = False) -> Channel:
    plugin = _plugin(url)
    receiver: Receiver
    try:
        match plugin:
            case NotifyPagerDuty():
                receiver = PagerDuty(plugin)
            case NotifyOpsgenie():
                receiver = Opsgenie(plugin)
            case NotifySlack() if slack.speaks(plugin):
                receiver = Slack(plugin)
            case NotifyJSON():
                receiver = EventWebhook(plugin) if event else Webhook(plugin)
            case NotifyEmail(pgp_mode="no") if type(plugin) is NotifyEmail:
                return MailChannel(name, plugin)
            case _:
                return OtherChannel(name, plugin, hiding(secrets_of(url)))
    except httpx.InvalidURL:
        raise ConfigurationError([_expected(url)]) from None
    connection = Connection(
        connect_s=plugin.socket_connect_timeout,
        read_s=plugin.socket_read_timeout,
        trust=trust(verify=plugin.verify_certificate),
    )
    return WebChannel(name, receiver, connection, hiding(secrets_of(url)))


def _plugin(url: str) -> NotifyBase:
    """Have Apprise read the URL. What it only warns of is a mistake too: it would go on without that part."""
    asset = _apprise()
    with listening() as heard:
        plugin = _spoken_to(url, asset) or _any_other(url, asset)
    if plugin is None or heard or (plugin.port or 0) > _LAST_PORT:
        raise ConfigurationError([_complaint(heard, url) + _expected(url)])
    plugin.request_rate_per_sec = 0  # it would sleep between two sends
    plugin.redirects = False
    if plugin.overflow_mode == OverflowMode.UPSTREAM:
        plugin.overflow_mode = OverflowMode.TRUNCATE
    return plugin


def _spoken_to(url: str, asset: AppriseAsset) -> NotifyBase | None:
    """Have the one plugin read the URL that it is for, if it is one of those with a class of ours and a good one."""
    plugin = _SPOKEN_TO.get(url.partition("://")[0].lower())
    if plugin is None:
        return None
    try:
        parts = plugin.parse_url(url.replace("/#", "/%23"))  # as Apprise does: Slack's channels begin with it
        return plugin(**parts, asset=asset) if parts else None
    except Exception:  # noqa: BLE001 - whatever it is, Apprise meets it again, and says what is wrong
        return None


def _any_other(url: str, asset: AppriseAsset) -> NotifyBase | None:
    """Have Apprise find the plugin; it imports all of its hundred services for that: 20 MB, a fifth of a second."""
    console.register()
    return Apprise.instantiate(url, asset=asset)


@cache
def _apprise() -> AppriseAsset:
    """Set Apprise up, once: silent, following no redirects, storing nothing."""
    mute()
    return AppriseAsset(app_id=CLIENT, app_desc=CLIENT, http_redirects=False)


def _complaint(heard: list[str], url: str) -> str:
    """Repeat the fixed beginning of Apprise's first complaint; what follows it comes from the URL."""
    first = hiding(secrets_of(url))(heard[0]) if heard else ""
    fixed = re.match(r"(?!Un)[A-Z][A-Za-z ,~-]*", first)  # "Unparseable ..." says nothing more
    return f"{fixed[0].strip()}; " if fixed else ""


def _expected(url: str) -> str:
    scheme = url.partition("://")[0].lower()
    known = NotificationManager()  # type: ignore[no-untyped-call]  # Apprise is typed in part
    if scheme not in known:
        return "expected an Apprise URL of a service it knows, such as slack://… or mailtos://…"
    service = known[scheme]
    if not service.enabled:
        return f"{scheme}:// needs {service.requirements['packages_required']}, which is not installed"
    forms = [str(form).replace("{schema}", scheme) for form in service.templates[:_FORMS]]
    return f"expected {' or '.join(forms)}"
