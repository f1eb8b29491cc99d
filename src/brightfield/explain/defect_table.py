"""Measured defects as a table: defects.csv, one row a defect."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from brightfield.data.cells import defused
from brightfield.disk.atomic import write_atomically
from brightfield.verdict import BOX, Defect

NAME = "defects.csv"
"""The name of the file."""

MEASURES = ("area_px", "length_px", "width_px", "area_mm2", "length_mm", "width_mm")
COLUMNS = ("type", *MEASURES, "row", "column", *BOX, "heat", "probability")
"""The columns of a defect, behind those that say which picture it is in."""


def write_defects(
    path: Path, heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Sequence[Defect]]]
) -> None:
    """Write a table of defects; a picture without any has no row.

    Numbers have six digits, and what is not known is empty. Text that a spreadsheet would run as a formula is
    escaped: see `defused`.

    Args:
        path: The file.
        heads: The names of the columns that say which picture a defect is in.
        rows: For each picture the values of these columns, and its defects.

    Raises:
        WriteError: If the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heads, *COLUMNS])
    for values, defects in rows:
        for defect in defects:
            writer.writerow([*map(defused, values), *_cells(defect)])
    write_atomically(path, text.getvalue().encode("utf-8"))


def _cells(defect: Defect) -> list[str]:
    measured = defect.as_dict()
    flat = {**measured, **measured["centre"], **measured["box"], "type": defused(defect.type)}
    return ["" if flat.get(name) is None else str(flat[name]) for name in COLUMNS]
