"""The migrations of a log's tables, one a file; Alembic runs those that a log lacks when it is opened."""
