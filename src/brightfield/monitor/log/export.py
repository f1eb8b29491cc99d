"""A log as a table in a file: CSV or Parquet, one row an entry."""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from brightfield.data.cells import defused
from brightfield.disk.atomic import written_atomically
from brightfield.errors import ConfigError, said_if_missing
from brightfield.monitor.log.judging import latest_judgements
from brightfield.monitor.log.records import Entry, Filter, Judged
from brightfield.monitor.log.store import VerdictLog

SUFFIXES = (".csv", ".parquet")

_TEXT, _REAL, _WHOLE = "string", "float64", "int64"

COLUMNS = {
    "id": _WHOLE,
    **dict.fromkeys(("time", "part", "lot", "station", "image", "decision", "label"), _TEXT),
    **dict.fromkeys(("score", "probability", "p_value", "threshold"), _REAL),
    **dict.fromkeys(("scale", "rule", "method"), _TEXT),
    "milliseconds": _REAL,
    **dict.fromkeys(("picture_sha256", "inspector_sha256", "picture", "probabilities", "defects"), _TEXT),
    **dict.fromkeys(("brightness", "contrast", "sharpness", "row", "column"), _REAL),
    **dict.fromkeys(("height", "width"), _WHOLE),
    **dict.fromkeys(("truth", "judged_by", "judged_at", "judged_source", "judged_note"), _TEXT),
}
"""The columns of an exported table with their types; Parquet has `embedding` besides, a list of numbers."""

EMBEDDING = "embedding"

_MEASURED = ("brightness", "contrast", "sharpness", "row", "column", "height", "width")
_PAGE = 1000

Row = dict[str, Any]


def export(log: VerdictLog, path: Path, asked: Filter | None = None) -> int:
    """Write the entries that a filter means to a file, and return how many they are.

    The table is written a page at a time, under another name until it is whole. With an entry comes the last
    judgement on it, if there is one. Text in CSV that a spreadsheet would run as a formula is escaped.

    Args:
        log: The log.
        path: A file ending in `.csv` or `.parquet`.
        asked: Which entries are meant; None for all.

    Raises:
        ConfigError: If the path ends in something else.
        WriteError: If the file cannot be written.
        MissingPackageError: If Parquet is asked for and pyarrow is not installed.
    """
    check_export(path)
    write = _write_csv if path.suffix.lower() == SUFFIXES[0] else _write_parquet
    with written_atomically(path) as file:
        return write(file, _pages(log, asked or Filter()))


def check_export(path: Path) -> None:
    """Check that a path names a format, and that it can be written.

    Raises:
        ConfigError: If it ends in something else than `.csv` or `.parquet`.
        MissingPackageError: If Parquet is asked for and pyarrow is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path} names no format; expected a file ending in {' or '.join(SUFFIXES)}")
    if path.suffix.lower() != SUFFIXES[0]:
        with said_if_missing():
            importlib.import_module("pyarrow.parquet")


def as_row(entry: Entry, judged: Judged | None) -> Row:
    """Return an entry, and the last judgement on it, as values by column."""
    row = {name: getattr(entry, name) for name in COLUMNS if hasattr(entry, name)}
    row |= {name: getattr(entry.measurement, name, None) for name in (*_MEASURED, EMBEDDING)}
    row |= {"truth": None} if judged is None else {"truth": judged.truth}
    for name in ("by", "at", "source", "note"):
        row[f"judged_{name}"] = None if judged is None else getattr(judged, name)
    row["probabilities"] = dict(entry.probabilities) or None
    row["defects"] = None if entry.defects is None else list(entry.defects)
    return row


def _pages(log: VerdictLog, asked: Filter) -> Iterator[list[Row]]:
    found = log.entries(asked)
    while page := list(islice(found, _PAGE)):
        judged = latest_judgements(log.database, (entry.id for entry in page))
        yield [as_row(entry, judged.get(entry.id)) for entry in page]


def _write_csv(file: BinaryIO, pages: Iterator[list[Row]]) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    written = 0
    for page in pages:
        writer.writerows([_cell(row[name]) for name in COLUMNS] for row in page)
        written += len(page)
    text.detach()  # flushes; the file stays open
    return written


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return defused(value) if isinstance(value, str) else str(value)


def _write_parquet(file: BinaryIO, pages: Iterator[list[Row]]) -> int:
    arrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    fields = [arrow.field(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()]
    schema = arrow.schema([*fields, arrow.field(EMBEDDING, arrow.list_(arrow.float32()))])
    written = 0
    with parquet.ParquetWriter(file, schema) as writer:
        for page in pages:
            columns = {name: [_plain(row[name]) for row in page] for name in schema.names}
            writer.write_table(arrow.table(columns, schema=schema))
            written += len(page)
    return written


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
