"""What was shown to people on pages, and what they said."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "shown",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("page", TEXT, nullable=False),
        sa.Column("item", TEXT, nullable=False),
        sa.Column("pool", TEXT, nullable=False),
        sa.Column("entry_id", ID, sa.ForeignKey("entries.id")),
        sa.Column("piece", TEXT),
        sa.Column("truth", TEXT),
        sa.Column("first", ID, sa.ForeignKey("shown.id")),
        sa.Column("at", TEXT, nullable=False),
        sa.UniqueConstraint("page", "item", name="uq_shown"),
    )
    op.create_index("ix_shown_entry_id", "shown", ["entry_id"])
    op.create_table(
        "looks",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("shown_id", ID, sa.ForeignKey("shown.id"), nullable=False),
        sa.Column("truth", TEXT),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("seconds", sa.Double()),
        sa.Column("heat", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("shown_id", "by", "at", name="uq_looks"),
    )
