"""Entries and judgements."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Make the tables."""
    _make_indices(_make_entries())
    op.create_table(
        "judgements",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("entry_id", ID, sa.ForeignKey("entries.id"), nullable=False),
        sa.Column("truth", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.UniqueConstraint("entry_id", "by", "at", "source", name="uq_judgements"),
    )


def _make_entries() -> sa.Table:
    return op.create_table(
        "entries",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("key", TEXT, nullable=False, unique=True),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("part", TEXT),
        sa.Column("lot", TEXT),
        sa.Column("station", TEXT),
        sa.Column("decision", TEXT),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("probability", sa.Double()),
        sa.Column("p_value", sa.Double()),
        sa.Column("threshold", sa.Double()),
        sa.Column("scale", TEXT),
        sa.Column("rule", TEXT),
        sa.Column("milliseconds", sa.Double(), nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("image", TEXT, nullable=False),
        sa.Column("picture_sha256", TEXT),
        sa.Column("inspector_sha256", TEXT),
        sa.Column("picture", TEXT),
        sa.Column("picture_bytes", sa.BigInteger()),
        sa.Column("spared", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("brightness", sa.Double()),
        sa.Column("contrast", sa.Double()),
        sa.Column("sharpness", sa.Double()),
        sa.Column("height", sa.Integer()),
        sa.Column("width", sa.Integer()),
        sa.Column("centre_row", sa.Double()),
        sa.Column("centre_column", sa.Double()),
        sa.Column("probabilities", JSON),
        sa.Column("defects", JSON),
        sa.Column("embedding", sa.LargeBinary()),
    )


def _make_indices(entries: sa.Table) -> None:
    for name, columns in (
        ("day", ["day", "decision"]),
        ("time", ["time"]),
        ("part", ["part"]),
        ("lot", ["lot", "id"]),
        ("station", ["station", "id"]),
        ("decision", ["decision", "id"]),
        ("label", ["label", "id"]),
        ("inspector", ["inspector_sha256", "id"]),
        ("score", ["score", "probability", "decision", "station", "lot"]),
    ):
        op.create_index(f"ix_entries_{name}", "entries", columns)
    kept = entries.c.picture.is_not(None)
    op.create_index(
        "ix_entries_kept", "entries", ["id", "picture_bytes"], sqlite_where=kept, postgresql_where=kept
    )
