"""What a log is known by, so that a folder of pictures can say whose it is."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table, with its one row."""
    identity = op.create_table(
        "identity",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("name", TEXT, nullable=False),
    )
    op.bulk_insert(identity, [{"id": 1, "name": secrets.token_hex(16)}])
