"""What each channel knows, what is kept back from it, and what operators did.

Everything that was open stays open: each channel that was told of an open incident is known to know it, so that
nothing is told anew and every incident is closed under its old key.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

# What release 1 called the condition of a subject with an open incident, and how it told it.
TROUBLES = {"blind": "blind", "channel": "failing"}
KINDS = {"interconnect": "problem", "blind": "blind", "channel": "channel failed"}


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(op.f("ix_attempts_started_at"), "attempts", ["started_at"])
    _create_tables()
    _carry_over(op.get_bind())


def downgrade() -> None:
    for table in ("acts", "silences", "channels", "verdicts", "told", "conditions"):
        op.drop_table(table)
    op.drop_index(op.f("ix_attempts_started_at"), "attempts")
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name)


def _added() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "views": (sa.Column("empty_listings", sa.Integer(), nullable=False, server_default="0"),),
        "interconnects": (sa.Column("missing", sa.Integer(), nullable=False, server_default="0"),),
        "states": (
            sa.Column("changes", sa.JSON(), nullable=False, server_default="[]"),
            sa.Column("flapping", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
        "transitions": (sa.Column("flapping", sa.Boolean(), nullable=False, server_default=sa.false()),),
        "incidents": (
            sa.Column("acknowledged_by", sa.Text()),
            sa.Column("acknowledged_at", MOMENT),
            sa.Column("acknowledged_until", MOMENT),
            sa.Column("sticky", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
        "deliveries": (
            sa.Column("uncertain", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("why", sa.Text()),
        ),
        "attempts": (sa.Column("message", sa.Text()),),
    }


def _create_tables() -> None:
    op.create_table(
        "conditions",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("problem", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=True),
        sa.Column("flapping", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("notification", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("kind", "account", "subject", name=op.f("pk_conditions")),
    )
    op.create_index(op.f("ix_conditions_account_site"), "conditions", ["account", "site"])
    op.create_index(op.f("ix_conditions_incident"), "conditions", ["incident"])
    op.create_table(
        "told",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("problem", sa.Boolean(), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=True),
        sa.Column("notification", NUMBER, nullable=False),
        sa.Column("told_at", MOMENT, nullable=True),
        sa.Column("kept", sa.Text(), nullable=True),
        sa.Column("look_at", MOMENT, nullable=True),
        sa.Column("remind_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("channel", "kind", "account", "subject", name=op.f("pk_told")),
    )
    op.create_index(op.f("ix_told_kind_account_subject"), "told", ["kind", "account", "subject"])
    op.create_index(op.f("ix_told_look_at"), "told", ["look_at"])
    op.create_index(op.f("ix_told_notification"), "told", ["notification"])
    op.create_index(op.f("ix_told_remind_at"), "told", ["remind_at"])
    op.create_table(
        "verdicts",
        sa.Column("notification", NUMBER, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["notification"],
            ["notifications.id"],
            name=op.f("fk_verdicts_notification_notifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification", "channel", name=op.f("pk_verdicts")),
    )
    op.create_table(
        "channels",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("stateful", sa.Boolean(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channels")),
    )
    op.create_table(
        "silences",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("accounts", sa.JSON(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("from_at", MOMENT, nullable=False),
        sa.Column("until_at", MOMENT, nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index(op.f("ix_silences_until_at"), "silences", ["until_at"])
    op.create_table(
        "acts",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
    )
    op.create_index(op.f("ix_acts_target"), "acts", ["target"])


def _carry_over(connection: sa.Connection) -> None:
    meta = sa.MetaData()
    meta.reflect(connection, only=["incidents", "states", "interconnects", "notifications", "deliveries"])
    meta.reflect(connection, only=["conditions", "told", "channels"])
    t = meta.tables
    i, n = t["incidents"].c, t["notifications"].c
    for incident in connection.execute(sa.select(t["incidents"]).where(i.closed_at.is_(None))).all():
        words = sa.select(n.id).where(n.incident_key == incident.key).order_by(n.id.desc()).limit(1)
        link = _link(connection, t, incident)
        status = TROUBLES.get(incident.kind) or (link.status if link else None)
        if status is None:
            continue
        notification = connection.execute(words).scalar_one_or_none() or _reworded(connection, t, incident, status)
        subject = {"kind": incident.kind, "account": incident.account, "subject": incident.subject}
        known = {"status": status, "problem": True, "incident": incident.number, "notification": notification}
        more = {"severity": incident.severity, "changed_at": incident.opened_at, "site": link.site if link else None}
        connection.execute(sa.insert(t["conditions"]).values(**subject, **known, **more))
        for channel in _told_of(connection, t, incident.key):
            values = {**subject, **known, "channel": channel, "told_at": incident.opened_at}
            connection.execute(sa.insert(t["told"]).values(**values))
    _keep_channels(connection, t)
    _regroup(connection, t)


def _reworded(connection: sa.Connection, t: dict[str, sa.Table], incident: sa.Row[Any], status: str) -> int:
    """Put an incident into words again that is older than messages are kept."""
    about = {"kind": KINDS[incident.kind], "account": incident.account, "subject": incident.subject}
    title = f"{incident.subject} is {status}"
    at = incident.opened_at.isoformat() if incident.opened_at.tzinfo else f"{incident.opened_at.isoformat()}+00:00"
    more = {"severity": incident.severity, "account_name": incident.account, "title": title, "lead": f"{title}."}
    content = about | more | {"incident_key": incident.key, "facts": [], "observed_at": at, "recorded_at": at}
    values = about | {"incident_key": incident.key, "content": content, "recorded_at": incident.opened_at}
    writing = sa.insert(t["notifications"]).values(**values).returning(t["notifications"].c.id)
    return int(connection.execute(writing).scalar_one())


def _link(connection: sa.Connection, t: dict[str, sa.Table], incident: sa.Row[Any]) -> Any:
    if incident.kind != "interconnect":
        return None
    s, link = t["states"], t["interconnects"]
    both = sa.join(s, link, sa.and_(s.c.account == link.c.account, s.c.name == link.c.name), isouter=True)
    mine = sa.and_(s.c.account == incident.account, s.c.name == incident.subject)
    return connection.execute(sa.select(s.c.status, link.c.site).select_from(both).where(mine)).one_or_none()


def _told_of(connection: sa.Connection, t: dict[str, sa.Table], key: str) -> list[str]:
    """Return the channels that were, or will be, told of an incident."""
    d, n = t["deliveries"].c, t["notifications"].c
    query = (
        sa.select(d.channel)
        .distinct()
        .select_from(t["deliveries"].join(t["notifications"], n.id == d.notification))
        .where(n.incident_key == key, d.outcome.in_(["sent", "pending"]))
    )
    return list(connection.execute(query).scalars())


def _keep_channels(connection: sa.Connection, t: dict[str, sa.Table]) -> None:
    """Remember the channels that were in use: one that is no longer configured will be missed at the next start."""
    d = t["deliveries"].c
    stateful = sa.func.max(sa.case((d.action == "tell", 0), else_=1))
    query = sa.select(d.channel, stateful.label("stateful"), sa.func.max(d.due_at).label("since")).group_by(d.channel)
    for row in connection.execute(query).all():
        values = {"name": row.channel, "fingerprint": "", "stateful": bool(row.stateful), "since": row.since}
        connection.execute(sa.insert(t["channels"]).values(**values))


def _regroup(connection: sa.Connection, t: dict[str, sa.Table]) -> None:
    """Messages still to be sent keep their order with those that come: a message channel's lane is the site now."""
    d, n, link = t["deliveries"], t["notifications"], t["interconnects"]
    site = (
        sa.select(link.c.site)
        .join(n, sa.and_(n.c.account == link.c.account, n.c.subject == link.c.name))
        .where(n.c.id == d.c.notification, link.c.site.is_not(None))
        .limit(1)
        .scalar_subquery()
    )
    account = sa.select(n.c.account).where(n.c.id == d.c.notification).scalar_subquery()
    connection.execute(
        sa.update(d)
        .where(d.c.outcome == "pending", d.c.action == "tell", site.is_not(None))
        .values(lane=account + "/site/" + site)
    )
