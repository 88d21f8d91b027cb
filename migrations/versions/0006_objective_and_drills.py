"""How soon changes are told, and the drills."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("sighted_at", MOMENT, nullable=True))
    op.create_index(op.f("ix_deliveries_sighted_at"), "deliveries", ["sighted_at"])
    op.create_table(
        "drills",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scheduled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.Column("within_ms", sa.Integer(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("problem", NUMBER, nullable=False),
        sa.Column("recovered_at", MOMENT, nullable=True),
        sa.Column("recovery", NUMBER, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_drills")),
    )
    op.create_index(op.f("ix_drills_ended_at"), "drills", ["ended_at"])


def downgrade() -> None:
    op.drop_table("drills")
    op.drop_index(op.f("ix_deliveries_sighted_at"), "deliveries")
    op.drop_column("deliveries", "sighted_at")
