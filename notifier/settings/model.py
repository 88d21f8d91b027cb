"""The settings of this release, with their defaults: one frozen tree. Pydantic stops here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator

from notifier.settings.kinds import (
    Address,
    ApiUrl,
    Changes,
    ChannelName,
    ChannelUrl,
    Count,
    Credential,
    Cron,
    DatabaseUrl,
    FilePath,
    Identifier,
    Level,
    Listen,
    Moment,
    Name,
    OneOrMore,
    Percentage,
    PingUrl,
    Share,
    Span,
    Status,
    Switch,
    Trouble,
    Zone,
    expecting,
)
from notifier.settings.secret_parts import database_secrets, url_secrets

_SQLITE = "sqlite:///notifier.db"


def _or_null(made: dict[str, Any]) -> None:
    """Say that one may write null, too: none is wanted."""
    made["type"] = [made["type"], "null"]


def _one_of(*together: list[JsonValue]) -> dict[str, JsonValue]:
    return {"oneOf": [{"required": names} for names in together]}


class Section(BaseModel):
    """A map of settings; one with nothing in it is all defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value


class AccountSettings(Section):
    """A Cloudflare account whose interconnects are watched, with a token, or with an e-mail address and key."""

    model_config = ConfigDict(
        json_schema_extra=_one_of(["token"], ["token_file"], ["email", "key"], ["email", "key_file"])
    )

    id: Identifier
    """The account id."""
    name: Name = Field(default_factory=lambda account: account.get("id", ""))
    """What messages call the account; default: the id."""
    token: Credential | None = None
    """An API token with the permission to read interconnects."""
    token_file: FilePath | None = None
    """A file that holds the token."""
    email: Address | None = None
    """With `key`: the user's e-mail address, the older way to authenticate."""
    key: Credential | None = None
    """With `email`: the user's global API key."""
    key_file: FilePath | None = None
    """A file that holds the key."""
    include: tuple[Name, ...] = ("*",)
    """Names of the interconnects to watch: shell patterns."""
    exclude: tuple[Name, ...] = ()
    """Names of the interconnects not to watch: shell patterns; stronger than `include`."""


class RateLimitSettings(Section):
    """How much Cloudflare lets one user ask, and how much of it is ours."""

    requests: Count = 1200
    """Requests that Cloudflare allows in any `per`."""
    per: Annotated[timedelta, Span("1s", "1d")] = timedelta(minutes=5)
    """The time in which Cloudflare counts requests."""
    share: Share = 0.5
    """The part of the limit that the notifier uses at most; the rest is left to the dashboard and other tools."""


class CloudflareSettings(Section):
    """How Cloudflare's API is reached."""

    url: ApiUrl = "https://api.cloudflare.com/client/v4"
    """Where the API is."""
    timeout: Annotated[timedelta, Span("200ms", "5m")] = timedelta(seconds=10)
    """How long one request may take, whole."""
    rate_limit: RateLimitSettings = RateLimitSettings()
    """The request limit."""


class PollSettings(Section):
    """How often Cloudflare is asked."""

    interval: Annotated[timedelta, Span("200ms", "1d")] = timedelta(seconds=60)
    """Between two polls of an interconnect."""
    recheck: Annotated[timedelta, Span("200ms", "1d")] = timedelta(seconds=15)
    """Until an interconnect that seems to have changed is asked again."""
    discovery: Annotated[timedelta, Span("200ms", "7d")] = timedelta(minutes=10)
    """Between two listings of an account's interconnects."""


class FlappingSettings(Section):
    """When changes come too often to be told one by one."""

    changes: Changes = 4
    """An interconnect flaps after so many confirmed changes,"""
    within: Annotated[timedelta, Span("1s", "7d")] = timedelta(minutes=60)
    """if no more than this lies between the first and the last of them,"""
    quiet: Annotated[timedelta, Span("1s", "7d")] = timedelta(minutes=30)
    """until it has not changed for so long."""


class DetectionSettings(Section):
    """When a change is believed."""

    confirm: Count = 2
    """Agreeing observations that confirm a problem."""
    recover: Count = 2
    """Good observations that confirm a recovery."""
    recover_for: Annotated[timedelta, Span("0s", "1d")] = timedelta(seconds=30)
    """The time those good observations span at least."""
    blind_after: Count = 3
    """Failed polls in a row after which an interconnect counts as not seen."""
    removed_after: Count = 3
    """Complete listings in a row without an interconnect after which it counts as removed."""
    flapping: FlappingSettings = FlappingSettings()
    """When changes come too often to be told one by one."""


class ChannelSettings(Section):
    """Where messages go."""

    model_config = ConfigDict(json_schema_extra=_one_of(["url"], ["url_file"]))

    url: ChannelUrl = Field(default_factory=lambda: SecretStr(""))
    """The channel's Apprise URL: slack://…, mailtos://…, pagerduty://… and many more."""
    url_file: FilePath | None = None
    """A file that holds the URL."""
    format: Annotated[Literal["text", "event"], expecting("text or event")] = "text"
    """Words for people, or for programs a JSON document that has the form of Cloudflare's own webhooks."""


class MatchSettings(Section):
    """What it is about: all that is given has to fit; of several values for one thing, one has to. Default: all."""

    account: OneOrMore[Name] = ()
    """Accounts by name or id: shell patterns."""
    name: OneOrMore[Name] = ()
    """Interconnects by name: shell patterns."""
    site: OneOrMore[Name] = ()
    """Sites: shell patterns."""
    severity: OneOrMore[Level] = ()
    """Severities."""
    status: OneOrMore[Name] = ()
    """What it has come to, in Cloudflare's words: shell patterns."""


class EscalationSettings(Section):
    """Whom else to tell of an incident that nobody acknowledges."""

    after: Annotated[timedelta, Span("1s", "7d")]
    """How long after its beginning."""
    channels: tuple[ChannelName, ...] = Field(min_length=1)
    """The channels to tell then."""


class RouteSettings(Section):
    """What goes to which channels; every route that fits counts."""

    channels: tuple[ChannelName, ...] = Field(min_length=1)
    """The channels to tell."""
    match: MatchSettings = Field(default_factory=MatchSettings)
    """Of what; default: of everything."""
    escalate: EscalationSettings | None = None
    """Whom else to tell if nobody acknowledges the incident."""


class StormSettings(Section):
    """How many messages a message channel bears; what is more goes into one."""

    messages: Count = 10
    """So many messages"""
    per: Annotated[timedelta, Span("1s", "1h")] = timedelta(minutes=1)
    """in any span of this length."""


class GroupSettings(Section):
    """What is told in one message."""

    wait: Annotated[timedelta, Span("0s", "5m")] = timedelta(seconds=10)
    """How long what happens at one site is gathered for one message."""
    storm: StormSettings = StormSettings()
    """How many messages a message channel bears; what is more goes into one."""


class MaintenanceSettings(Section):
    """When messages are kept back, and about what: by `cron` and `for`, or once by `from` and `until`."""

    model_config = ConfigDict(json_schema_extra=_one_of(["cron", "for"], ["from", "until"]))

    name: Name
    """What the window is called."""
    match: MatchSettings = Field(default_factory=MatchSettings)
    """What is kept back; default: everything."""
    cron: Cron | None = None
    """When it begins, again and again: minute, hour, day, month, weekday."""
    for_: Annotated[timedelta, Span("1m", "31d")] | None = Field(None, alias="for")
    """How long it lasts each time."""
    from_: Moment | None = Field(None, alias="from")
    """When it begins, once."""
    until: Moment | None = None
    """When it ends."""
    timezone: Zone | None = None
    """Whose clocks count; default: the zone of the messages."""


class ObjectiveSettings(Section):
    """How soon changes are to be told; when it is missed, that is an incident."""

    notify_within: Annotated[timedelta, Span("1s", "1d")]
    """How soon after the first sighting of a confirmed change a channel has taken it,"""
    for_: Percentage = Field(alias="for")
    """of what share of the notifications,"""
    over: Annotated[timedelta, Span("1h", "3650d")] = timedelta(days=28)
    """in the time just past; no longer than `retention.deliveries`."""


class DrillSettings(Section):
    """When a marked problem and its recovery are sent, to see whether they arrive; when not, that is an incident."""

    cron: Cron
    """When: minute, hour, day, month, weekday."""
    channels: tuple[ChannelName, ...] = Field(min_length=1)
    """To which channels."""
    within: Annotated[timedelta, Span("10s", "1h")] = timedelta(minutes=10)
    """How soon each of them has to take the problem, and then the recovery."""
    timezone: Zone | None = None
    """Whose clocks count; default: the zone of the messages."""


class ReplicasSettings(Section):
    """How several processes share the accounts; PostgreSQL only."""

    lease: Annotated[timedelta, Span("1s", "5m")] = timedelta(seconds=15)
    """How long an account belongs to a process that can't renew its lease; it is renewed three times in that time."""


class WebSettings(Section):
    """What is answered over HTTP, and to whom."""

    listen: Listen | None = Field(default="127.0.0.1:8080", json_schema_extra=_or_null)
    """Where to listen; null: nowhere. If it is left out and that port is taken, the service does without."""
    token: Credential | None = Field(default=None, json_schema_extra=_or_null)
    """What has to be shown to see more than the health; needed where others than this machine can reach it."""
    token_file: FilePath | None = None
    """A file that holds the token."""
    public: Switch = False
    """Whether who shows no token may look, too: at states and times, at no reasons, addresses, words or people."""
    url: ApiUrl | None = Field(default=None, json_schema_extra=_or_null)
    """Where people reach it, if not at `listen`: by that name it may be asked."""

    @property
    def wanted(self) -> bool:
        """Whether it was asked for."""
        return "listen" in self.model_fields_set


class HeartbeatSettings(Section):
    """Whom to tell, again and again, that the service does its work: when they hear nothing, it does not."""

    url: PingUrl | None = Field(default=None, json_schema_extra=_or_null)
    """What to ask, as Healthchecks takes it; its /fail is told what is wrong."""
    url_file: FilePath | None = None
    """A file that holds the URL."""
    every: Annotated[timedelta, Span("200ms", "1d")] = timedelta(seconds=60)
    """How often."""


class ReloadSettings(Section):
    """When the configuration is read again, besides at SIGHUP."""

    on_change: Switch = False
    """By itself, when its file has changed."""


class RetentionSettings(Section):
    """How long the past is kept; transitions and incidents stay."""

    deliveries: Annotated[timedelta, Span("1h", "3650d")] = timedelta(days=90)
    """Settled deliveries."""
    observations: Annotated[timedelta, Span("1h", "3650d")] = timedelta(days=30)
    """Observations that differed from what was believed, or saw nothing."""


class LogSettings(Section):
    """What is logged, to stderr."""

    format: Annotated[Literal["text", "json"], expecting("text or json")] = "text"
    """Lines for people, or one JSON object a line."""
    level: Annotated[Literal["debug", "info", "warning", "error"], expecting("debug, info, warning or error")] = "info"
    """The least severe that is logged; `debug` shows tracebacks."""


class Settings(Section):
    """The configuration of the notifier."""

    database: DatabaseUrl = Field(default_factory=lambda: SecretStr(_SQLITE), json_schema_extra={"default": _SQLITE})
    """Where everything is kept: sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME."""
    database_file: FilePath | None = None
    """A file that holds the database's URL."""
    accounts: tuple[AccountSettings, ...] = Field(json_schema_extra={"minItems": 1})
    """The accounts to watch."""
    cloudflare: CloudflareSettings = CloudflareSettings()
    """How Cloudflare's API is reached."""
    poll: PollSettings = PollSettings()
    """How often Cloudflare is asked."""
    detection: DetectionSettings = DetectionSettings()
    """When a change is believed."""
    channels: Mapping[ChannelName, ChannelSettings] = Field(
        json_schema_extra={"minProperties": 1, "additionalProperties": False}
    )
    """Where messages go, by name."""
    routes: tuple[RouteSettings, ...] = ()
    """What goes to which channels; default: everything to every channel."""
    group: GroupSettings = GroupSettings()
    """What is told in one message."""
    remind: Annotated[timedelta, Span("0s", "30d")] = timedelta(hours=4)
    """Between two reminders of an incident that nobody has acknowledged; 0s: none."""
    maintenance: tuple[MaintenanceSettings, ...] = ()
    """When messages are kept back."""
    objective: ObjectiveSettings | None = None
    """How soon changes are to be told; default: nobody asks."""
    drill: DrillSettings | None = None
    """When to try out whether messages arrive; default: never."""
    severity: Mapping[Status, Trouble] = Field(default_factory=dict)
    """How bad a status is, where it is not to be as usual."""
    timezone: Zone = "UTC"
    """Messages give moments in UTC and in this zone."""
    web: WebSettings = WebSettings()
    """What is answered over HTTP."""
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    """Whom to tell that the service does its work."""
    retention: RetentionSettings = RetentionSettings()
    """How long the past is kept."""
    replicas: ReplicasSettings = ReplicasSettings()
    """How several processes share the accounts."""
    log: LogSettings = LogSettings()
    """What is logged."""
    reload: ReloadSettings = ReloadSettings()
    """When the configuration is read again."""

    def secrets(self) -> frozenset[str]:
        """Return every text that must never be seen: tokens, keys, passwords, URLs that open something (R33)."""
        found = database_secrets(self.database.get_secret_value())
        tokens = [self.web.token, *(secret for account in self.accounts for secret in (account.token, account.key))]
        found |= {token.get_secret_value() for token in tokens if token is not None}
        for url in (self.heartbeat.url, *(channel.url for channel in self.channels.values())):
            found |= set() if url is None else url_secrets(url.get_secret_value())
        return frozenset(found)
