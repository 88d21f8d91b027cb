"""What a replay needs to know: observations by transaction, listings, starts, and for how long acts were to hold."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("observations", sa.Column("written_at", MOMENT))
    op.add_column("observations", sa.Column("place", sa.Integer()))
    op.add_column("observations", sa.Column("last_seen_before", MOMENT))
    op.add_column("acts", sa.Column("given", sa.JSON()))
    op.create_table(
        "inputs",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inputs")),
    )
    op.create_index(op.f("ix_inputs_at"), "inputs", ["at"])


def downgrade() -> None:
    op.drop_table("inputs")
    op.drop_column("acts", "given")
    for name in ("last_seen_before", "place", "written_at"):
        op.drop_column("observations", name)
