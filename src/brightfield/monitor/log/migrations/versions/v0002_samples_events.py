"""What audits drew, and what happened to the line."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "samples",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("entry_id", ID, sa.ForeignKey("entries.id"), nullable=False),
        sa.Column("draw", TEXT, nullable=False),
        sa.Column("pool", TEXT, nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("facts", JSON),
        sa.UniqueConstraint("entry_id", "draw", "pool", name="uq_samples"),
    )
    op.create_table(
        "events",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("entry_id", ID, sa.ForeignKey("entries.id")),
        sa.Column("about", ID, sa.ForeignKey("events.id")),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("facts", JSON),
    )
    op.create_index("ix_events_kind", "events", ["kind"])
