"""The tables, as the newest migration leaves them (a test compares the two)."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeDecorator

HEAD = "0007"  # the newest migration: kept here, because importing Alembic takes as long as everything else together


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC, on SQLite too, which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def result_processor(self, dialect: Dialect, _coltype: object) -> Any:
        """Give it back aware; PostgreSQL's driver does already. Of a year's moments there are millions."""
        return _aware if dialect.name == "sqlite" else None

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: it would be somebody's local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime reached the database: {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc


def _aware(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(f"{written}+00:00")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column that is INTEGER to the letter.
_Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=options.pop("nullable", False), **options)


def _at(name: str, *, nullable: bool = True) -> Column[datetime]:
    return Column(name, UtcDateTime, nullable=nullable)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=false())


# What can be seen of an account.
views = Table(
    "views",
    metadata,
    _text("account", primary_key=True),
    Column("listing_failures", Integer, nullable=False),
    Column("listing_cause", JSON(none_as_null=True)),
    Column("incident", Integer),
    Column("incidents", Integer, nullable=False),
    _at("since"),
    Column("empty_listings", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False),
)

# What Cloudflare lists.
interconnects = Table(
    "interconnects",
    metadata,
    _text("account", primary_key=True),
    _text("name", primary_key=True),
    _text("site", nullable=True),
    _text("facility", nullable=True),
    _text("speed", nullable=True),
    _text("type", nullable=True),
    _text("reservation", nullable=True),
    Column("watched", Boolean, nullable=False),
    _at("listed_at", nullable=False),
    Column("missing", Integer, nullable=False, server_default="0"),
)

# What is believed of each link; `version` is checked at every save.
states = Table(
    "states",
    metadata,
    _text("account", primary_key=True),
    _text("name", primary_key=True),
    _text("status", nullable=True),
    _text("reason", nullable=True),
    _at("since"),
    Column("was_healthy", Boolean, nullable=False),
    Column("number", Integer, nullable=False),
    Column("incidents", Integer, nullable=False),
    Column("incident", Integer),
    _at("problem_since"),
    _at("observed_at"),
    _at("last_seen_at"),
    Column("candidate", JSON(none_as_null=True)),
    Column("failed_polls", Integer, nullable=False),
    Column("blind", Boolean, nullable=False),
    Column("cause", JSON(none_as_null=True)),
    Column("changes", JSON, nullable=False, server_default="[]"),
    _flag("flapping"),
    Column("version", Integer, nullable=False),
)

# Observations that differed from what was believed, or saw nothing: the evidence before a transition. Those of one
# transaction were `written_at` the same moment, each at its `place`; `last_seen_before` is the look before, if it saw.
observations = Table(
    "observations",
    metadata,
    _id(),
    _text("account"),
    _text("name"),
    _at("at", nullable=False),
    _text("status", nullable=True),
    _text("reason", nullable=True),
    Column("cause", JSON(none_as_null=True)),
    _text("answer", nullable=True),
    _text("answer_hash", nullable=True),
    _at("written_at"),
    Column("place", Integer),
    _at("last_seen_before"),
    Index(None, "account", "name", "at"),
    Index(None, "at"),
)

transitions = Table(
    "transitions",
    metadata,
    _id(),
    _text("account"),
    _text("name"),
    Column("number", Integer, nullable=False),
    Column("change", String(20), nullable=False),
    _text("before", nullable=True),
    _text("after"),
    _text("reason", nullable=True),
    _at("last_seen_before"),
    _at("first_seen_at", nullable=False),
    _at("confirmed_at", nullable=False),
    Column("sightings", Integer, nullable=False),
    Column("unobserved", Boolean, nullable=False),
    Column("incident", Integer),
    _at("problem_since"),
    _flag("flapping"),
    Column("answers", JSON(none_as_null=True)),
    UniqueConstraint("account", "name", "number"),
    Index(None, "confirmed_at"),
)

# Intervals in which nothing was observed.
gaps = Table(
    "gaps",
    metadata,
    _id(),
    _text("account"),
    _text("name"),
    _at("from_at", nullable=False),
    _at("until_at", nullable=False),
    Index(None, "account", "name", "from_at"),
    Index(None, "until_at"),
)

incidents = Table(
    "incidents",
    metadata,
    _id(),
    Column("kind", String(20), nullable=False),
    _text("account"),
    _text("subject"),
    Column("number", Integer, nullable=False),
    _text("key", unique=True),
    Column("severity", String(20), nullable=False),
    _at("opened_at", nullable=False),
    _at("closed_at"),
    _text("acknowledged_by", nullable=True),
    _at("acknowledged_at"),
    _at("acknowledged_until"),
    _flag("sticky"),
    UniqueConstraint("kind", "account", "subject", "number"),
    Index(None, "closed_at"),
)

notifications = Table(
    "notifications",
    metadata,
    _id(),
    Column("kind", String(20), nullable=False),
    _text("account"),
    _text("subject"),
    _text("incident_key", nullable=True),
    Column("content", JSON, nullable=False),
    _at("recorded_at", nullable=False),
    Index(None, "incident_key"),
    Index(None, "recorded_at"),
)

# The outbox: one notification promised to one channel. `lane` keeps the order of what concerns one subject.
deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    Column("notification", _Id, ForeignKey("notifications.id", ondelete="CASCADE"), nullable=False),
    _text("channel"),
    _text("lane"),
    Column("action", String(20), nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    _at("due_at", nullable=False),
    _at("give_up_at", nullable=False),
    _at("leased_until"),
    _text("leased_by", nullable=True),
    _at("settled_at"),
    _text("cause", nullable=True),
    _text("receipt", nullable=True),
    _flag("uncertain"),
    _text("why", nullable=True),
    _at("sighted_at"),
    UniqueConstraint("notification", "channel"),
    Index(None, "outcome", "channel", "due_at"),
    Index(None, "channel", "lane", "outcome"),
    Index(None, "sighted_at"),
)

# The drills, each by when it began: scheduled, that is the same second whoever made it.
drills = Table(
    "drills",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _flag("scheduled"),
    Column("channels", JSON, nullable=False),
    Column("within_ms", Integer, nullable=False),
    _at("begun_at", nullable=False),
    Column("problem", _Id, nullable=False),
    _at("recovered_at"),
    Column("recovery", _Id),
    _at("ended_at"),
    Index(None, "ended_at"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery", _Id, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    _at("started_at", nullable=False),
    _at("ended_at", nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("code", Integer),
    _text("cause", nullable=True),
    _text("message", nullable=True),
    _text("channel", nullable=True),
    _text("receipt", nullable=True),
    Index(None, "started_at"),
)

# How each subject stands now, as far as telling goes.
conditions = Table(
    "conditions",
    metadata,
    Column("kind", String(20), primary_key=True),
    _text("account", primary_key=True),
    _text("subject", primary_key=True),
    _text("site", nullable=True),
    _text("status"),
    _text("before", nullable=True),
    Column("problem", Boolean, nullable=False),
    Column("severity", String(20), nullable=False),
    Column("incident", Integer),
    _flag("flapping"),
    _at("changed_at", nullable=False),
    Column("notification", _Id, nullable=False),
    Index(None, "account", "site"),
    Index(None, "incident"),
)

# What each channel knows of each subject, and what is kept back from it.
told = Table(
    "told",
    metadata,
    _text("channel", primary_key=True),
    Column("kind", String(20), primary_key=True),
    _text("account", primary_key=True),
    _text("subject", primary_key=True),
    _text("status", nullable=True),
    Column("problem", Boolean, nullable=False),
    Column("incident", Integer),
    Column("notification", _Id, nullable=False),
    _at("told_at"),
    _text("kept", nullable=True),
    _at("look_at"),
    _at("remind_at"),
    Index(None, "kind", "account", "subject"),
    Index(None, "look_at"),
    Index(None, "notification"),
    Index(None, "remind_at"),
)

# Why a notification was not promised to a channel.
verdicts = Table(
    "verdicts",
    metadata,
    Column("notification", _Id, ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True),
    _text("channel", primary_key=True),
    _text("why"),
    _at("at", nullable=False),
)

# The channels as they were last configured; the fingerprint recognises one that was given another name.
channels = Table(
    "channels",
    metadata,
    _text("name", primary_key=True),
    _text("fingerprint"),
    Column("stateful", Boolean, nullable=False),
    _at("since", nullable=False),
)

# Suppressions set by an operator; each list holds shell patterns, an empty one takes everything.
silences = Table(
    "silences",
    metadata,
    _id(),
    Column("accounts", JSON, nullable=False),
    Column("names", JSON, nullable=False),
    Column("sites", JSON, nullable=False),
    _at("from_at", nullable=False),
    _at("until_at", nullable=False),
    _text("set_by"),
    _text("comment"),
    Index(None, "until_at"),
)

# What operators did: who, when, to what, and why.
acts = Table(
    "acts",
    metadata,
    _id(),
    _at("at", nullable=False),
    _text("done_by"),
    Column("act", String(20), nullable=False),
    _text("target"),
    _text("comment"),
    Column("given", JSON(none_as_null=True)),
    Index(None, "target"),
)

# What else a replay goes by: listings that changed something, starts, and when what is due by time alone was done.
inputs = Table(
    "inputs",
    metadata,
    _id(),
    _at("at", nullable=False),
    Column("kind", String(20), nullable=False),
    _text("account"),
    Column("content", JSON, nullable=False),
    Index(None, "at"),
)

# What happened, for those who follow it; `written_by` is the transaction that wrote it, where there can be several.
events = Table(
    "events",
    metadata,
    _id(),
    Column("written_by", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    _at("at", nullable=False),
    _text("account"),
    _text("subject"),
    Column("content", JSON, nullable=False),
    Index(None, "written_by", "id"),
    Index(None, "at"),
)

# What was recorded, about one row each, and is not sealed yet.
unsealed = Table(
    "unsealed",
    metadata,
    _id(),
    _text("account"),
    Column("kind", String(20), nullable=False),
    Column("row", _Id, nullable=False),
    Column("part", Integer),
    _at("at", nullable=False),
    _text("about"),
    Column("digest", LargeBinary, nullable=False),
    Index(None, "account", "id"),
)

# What is sealed. A run that retention has removed has its last `number`, its first (`row`), and its `counts`.
chain = Table(
    "chain",
    metadata,
    _text("account", primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("row", BigInteger, nullable=False),
    Column("part", Integer),
    _at("at"),
    _text("about", nullable=True),
    Column("digest", LargeBinary),
    Column("hash", LargeBinary, nullable=False),
    Column("counts", JSON(none_as_null=True)),
    Index(None, "kind", "row"),
)

# Where each account's chain ends; `lasting` and `base` are the last entry's that is never removed.
heads = Table(
    "heads",
    metadata,
    _text("account", primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("lasting", BigInteger, nullable=False),
    Column("base", LargeBinary, nullable=False),
)

# What retention has removed from the record: how many entries of each kind, and before which moments.
retentions = Table(
    "retentions",
    metadata,
    _id(),
    _text("account"),
    _at("at", nullable=False),
    _at("observations_before", nullable=False),
    _at("deliveries_before", nullable=False),
    Column("removed", JSON, nullable=False),
)

# The replicas that are at work, with what each is configured for; `seen_at` is the database's time.
replicas = Table(
    "replicas",
    metadata,
    _text("name", primary_key=True),
    _text("schema"),
    Column("accounts", JSON, nullable=False),
    Column("channels", JSON, nullable=False),
    _at("seen_at", nullable=False),
)

# Which replica watches an account, until when by the database's time; the fence grows with every change of hands.
leases = Table(
    "leases",
    metadata,
    _text("account", primary_key=True),
    _text("owner", nullable=True),
    Column("fence", Integer, nullable=False),
    _at("until_at", nullable=False),
)

# What all replicas together have set aside of the request budget of each credential.
budgets = Table(
    "budgets",
    metadata,
    _text("credential", primary_key=True),
    Column("taken", JSON, nullable=False),
    _at("blocked_until"),
)
