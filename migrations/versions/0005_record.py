"""The record's chain, and Cloudflare's and the receivers' answers in it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

# Empty in what was written before, and in what an older release writes.
ADDED: dict[str, dict[str, type[sa.types.TypeEngine[Any]]]] = {
    "observations": {"answer": sa.Text, "answer_hash": sa.Text},
    "transitions": {"answers": sa.JSON},
    "attempts": {"channel": sa.Text, "receipt": sa.Text},
}


def upgrade() -> None:
    for table, columns in ADDED.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    op.create_table(
        "unsealed",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("row", NUMBER, nullable=False),
        sa.Column("part", sa.Integer(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unsealed")),
    )
    op.create_index(op.f("ix_unsealed_account_id"), "unsealed", ["account", "id"])
    op.create_table(
        "chain",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=True),
        sa.Column("at", MOMENT, nullable=True),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("account", "number", name=op.f("pk_chain")),
    )
    op.create_index(op.f("ix_chain_kind_row"), "chain", ["kind", "row"])
    op.create_table(
        "heads",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("lasting", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_heads")),
    )
    op.create_table(
        "retentions",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("observations_before", MOMENT, nullable=False),
        sa.Column("deliveries_before", MOMENT, nullable=False),
        sa.Column("removed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retentions")),
    )


def downgrade() -> None:
    for table in ("retentions", "heads", "chain", "unsealed"):
        op.drop_table(table)
    for table, columns in ADDED.items():
        for name in columns:
            op.drop_column(table, name)
