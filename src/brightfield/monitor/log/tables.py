"""The tables of a log of verdicts, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

# sorted by bytes everywhere, so that times, and digests by their first digits, can be found by range
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_ID = BigInteger().with_variant(Integer(), "sqlite")
_JSON = JSON(none_as_null=True)

entries = Table(
    "entries",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("key", _TEXT, nullable=False, unique=True),
    Column("time", _TEXT, nullable=False),
    Column("day", _TEXT, nullable=False),
    Column("part", _TEXT),
    Column("lot", _TEXT),
    Column("station", _TEXT),
    Column("decision", _TEXT),
    Column("label", _TEXT, nullable=False),
    Column("score", Double(), nullable=False),
    Column("probability", Double()),
    Column("p_value", Double()),
    Column("threshold", Double()),
    Column("scale", _TEXT),
    Column("rule", _TEXT),
    Column("milliseconds", Double(), nullable=False),
    Column("method", _TEXT, nullable=False),
    Column("image", _TEXT, nullable=False),
    Column("picture_sha256", _TEXT),
    Column("inspector_sha256", _TEXT),
    Column("picture", _TEXT),
    Column("picture_bytes", BigInteger()),
    Column("spared", Boolean(), nullable=False, server_default=text("false")),
    Column("brightness", Double()),
    Column("contrast", Double()),
    Column("sharpness", Double()),
    Column("height", Integer()),
    Column("width", Integer()),
    Column("centre_row", Double()),
    Column("centre_column", Double()),
    Column("probabilities", _JSON),
    Column("defects", _JSON),
    Column("embedding", LargeBinary()),
)
"""One row a verdict. `key` makes it the only one of its part, `day` is the day of `time`, and embeddings are
little-endian float32."""

Index("ix_entries_day", entries.c.day, entries.c.decision)
Index("ix_entries_time", entries.c.time)
Index("ix_entries_part", entries.c.part)
# with the id, so that the last entries of a lot need no search through all others; SQLite would add it itself
for _name, _column in (
    *((name, entries.c[name]) for name in ("lot", "station", "decision", "label")),
    ("inspector", entries.c.inspector_sha256),
):
    Index(f"ix_entries_{_name}", _column, entries.c.id)
# wide enough that a broad range is counted within the index: its entries lie all over the table
Index(
    "ix_entries_score",
    *(entries.c[name] for name in ("score", "probability", "decision", "station", "lot")),
)
Index(
    "ix_entries_kept",
    entries.c.id,
    entries.c.picture_bytes,
    sqlite_where=entries.c.picture.is_not(None),
    postgresql_where=entries.c.picture.is_not(None),
)

judgements = Table(
    "judgements",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("entry_id", _ID, ForeignKey("entries.id"), nullable=False),
    Column("truth", _TEXT, nullable=False),
    Column("by", _TEXT, nullable=False),
    Column("at", _TEXT, nullable=False),
    Column("source", _TEXT, nullable=False),
    Column("note", _TEXT, nullable=False),
    UniqueConstraint("entry_id", "by", "at", "source", name="uq_judgements"),
)

samples = Table(
    "samples",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("entry_id", _ID, ForeignKey("entries.id"), nullable=False),
    Column("draw", _TEXT, nullable=False),
    Column("pool", _TEXT, nullable=False),
    Column("probability", Double(), nullable=False),
    Column("at", _TEXT, nullable=False),
    Column("facts", _JSON),
    UniqueConstraint("entry_id", "draw", "pool", name="uq_samples"),
)

events = Table(
    "events",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("kind", _TEXT, nullable=False, index=True),
    Column("text", _TEXT, nullable=False),
    Column("entry_id", _ID, ForeignKey("entries.id")),
    Column("about", _ID, ForeignKey("events.id")),
    Column("at", _TEXT, nullable=False),
    Column("facts", _JSON),
)

identity = Table(
    "identity",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("name", _TEXT, nullable=False),
)
"""One row: what this log is known by. A copy into another database is another log."""

shown = Table(
    "shown",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("page", _TEXT, nullable=False),
    Column("item", _TEXT, nullable=False),
    Column("pool", _TEXT, nullable=False),
    Column("entry_id", _ID, ForeignKey("entries.id"), index=True),
    Column("piece", _TEXT),
    Column("truth", _TEXT),
    Column("first", _ID, ForeignKey("shown.id")),
    Column("at", _TEXT, nullable=False),
    UniqueConstraint("page", "item", name="uq_shown"),
)
"""One row a picture on a page for people to judge: an entry's, or a known piece's with its class.

`first` is the row of the piece that is shown again because of what was said of it.
"""

looks = Table(
    "looks",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("shown_id", _ID, ForeignKey("shown.id"), nullable=False),
    Column("truth", _TEXT),
    Column("by", _TEXT, nullable=False),
    Column("at", _TEXT, nullable=False),
    Column("seconds", Double()),
    Column("heat", Boolean(), nullable=False),
    UniqueConstraint("shown_id", "by", "at", name="uq_looks"),
)
"""One row a look at what was shown; without a class the person was not sure."""
