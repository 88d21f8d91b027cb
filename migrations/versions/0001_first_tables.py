"""The first release's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "gaps",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("from_at", MOMENT, nullable=False),
        sa.Column("until_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
    )
    op.create_index(op.f("ix_gaps_account_name_from_at"), "gaps", ["account", "name", "from_at"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("key", name=op.f("uq_incidents_key")),
        sa.UniqueConstraint(
            "kind", "account", "subject", "number", name=op.f("uq_incidents_kind_account_subject_number")
        ),
    )
    op.create_index(op.f("ix_incidents_closed_at"), "incidents", ["closed_at"], unique=False)
    op.create_table(
        "interconnects",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("facility", sa.Text(), nullable=True),
        sa.Column("speed", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("reservation", sa.Text(), nullable=True),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("listed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name=op.f("pk_interconnects")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("incident_key", sa.Text(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index(op.f("ix_notifications_incident_key"), "notifications", ["incident_key"], unique=False)
    op.create_index(op.f("ix_notifications_recorded_at"), "notifications", ["recorded_at"], unique=False)
    op.create_table(
        "observations",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("cause", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observations")),
    )
    op.create_index(op.f("ix_observations_account_name_at"), "observations", ["account", "name", "at"], unique=False)
    op.create_index(op.f("ix_observations_at"), "observations", ["at"], unique=False)
    op.create_table(
        "states",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("was_healthy", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("incidents", sa.Integer(), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=True),
        sa.Column("problem_since", MOMENT, nullable=True),
        sa.Column("observed_at", MOMENT, nullable=True),
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.Column("candidate", sa.JSON(), nullable=True),
        sa.Column("failed_polls", sa.Integer(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("cause", sa.JSON(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name=op.f("pk_states")),
    )
    op.create_table(
        "transitions",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("change", sa.String(length=20), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("last_seen_before", MOMENT, nullable=True),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=False),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.Column("unobserved", sa.Boolean(), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=True),
        sa.Column("problem_since", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
        sa.UniqueConstraint("account", "name", "number", name=op.f("uq_transitions_account_name_number")),
    )
    op.create_index(op.f("ix_transitions_confirmed_at"), "transitions", ["confirmed_at"], unique=False)
    op.create_table(
        "views",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("listing_failures", sa.Integer(), nullable=False),
        sa.Column("listing_cause", sa.JSON(), nullable=True),
        sa.Column("incident", sa.Integer(), nullable=True),
        sa.Column("incidents", sa.Integer(), nullable=False),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_views")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("notification", NUMBER, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("give_up_at", MOMENT, nullable=False),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notification"],
            ["notifications.id"],
            name=op.f("fk_deliveries_notification_notifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("notification", "channel", name=op.f("uq_deliveries_notification_channel")),
    )
    op.create_index(
        op.f("ix_deliveries_channel_lane_outcome"), "deliveries", ["channel", "lane", "outcome"], unique=False
    )
    op.create_index(
        op.f("ix_deliveries_outcome_channel_due_at"),
        "deliveries",
        ["outcome", "channel", "due_at"],
        unique=False,
    )
    op.create_table(
        "attempts",
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery"], ["deliveries.id"], name=op.f("fk_attempts_delivery_deliveries"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery", "number", name=op.f("pk_attempts")),
    )


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_index(op.f("ix_deliveries_outcome_channel_due_at"), table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_channel_lane_outcome"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("views")
    op.drop_index(op.f("ix_transitions_confirmed_at"), table_name="transitions")
    op.drop_table("transitions")
    op.drop_table("states")
    op.drop_index(op.f("ix_observations_at"), table_name="observations")
    op.drop_index(op.f("ix_observations_account_name_at"), table_name="observations")
    op.drop_table("observations")
    op.drop_index(op.f("ix_notifications_recorded_at"), table_name="notifications")
    op.drop_index(op.f("ix_notifications_incident_key"), table_name="notifications")
    op.drop_table("notifications")
    op.drop_table("interconnects")
    op.drop_index(op.f("ix_incidents_closed_at"), table_name="incidents")
    op.drop_table("incidents")
    op.drop_index(op.f("ix_gaps_account_name_from_at"), table_name="gaps")
    op.drop_table("gaps")
