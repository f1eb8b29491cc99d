"""Manifests: tables, CSV or Parquet, that list a data set's images and labels."""

from __future__ import annotations

import csv
import importlib
import io
import logging
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from brightfield.data.annotations import outlines_of_rows
from brightfield.data.cells import restored
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.image_files import SPLIT_FOLDERS
from brightfield.data.layouts import as_dataset
from brightfield.errors import DataError, said_if_missing

_LOG = logging.getLogger(__name__)

MANIFEST_SUFFIXES = (".csv", ".tsv", ".parquet")
_NEEDED = ("image", "label")
_OPTIONAL = ("mask", "group", "split", "stratum", "defect_probability")
_SHOWN = 5
_NAMED_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?(?=[\r\n])', re.IGNORECASE)

Row = dict[str, str]


def load_manifest(path: Path, *, name: str, normal: str | None = None) -> Dataset:
    """Return the data set that a manifest describes, with one image a row.

    The columns `image` and `label` are required; `mask`, `group`, `split` (`train`, `val`, `test`), `stratum`
    and `defect_probability` are optional, and others are ignored. Paths are relative to the manifest. For the
    CSV format see `read_csv`.

    Raises:
        DataError: If a column, label or file is missing, an image is listed twice, or only some rows have a
            split.
    """
    rows = _read_parquet(path) if path.suffix.lower() == ".parquet" else read_csv(path, _NEEDED, _OPTIONAL)
    if not rows:
        raise DataError(f"{path} has no rows; expected one for each image, with the columns image,label")
    samples = [_sample(path, row, number) for number, row in enumerate(rows, start=1)]
    _check_files(path, samples)
    _check_twice(path, samples)
    unsplit = sum(s.split is None for s in samples)
    if 0 < unsplit < len(samples):
        raise DataError(
            f"{path}: {unsplit} of {len(samples)} rows name no split; name it in all of them or in none"
        )
    return as_dataset(name, outlines_of_rows(samples, normal), normal)


def read_csv(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Return the rows of a CSV table as dictionaries by column name, with stripped cells.

    The file is UTF-8, separated by commas, semicolons or tabs. A first line such as `sep=;`, which Excel
    understands, sets another separator. An apostrophe that protects a cell from being run as a formula is
    removed: see `restored`.

    Args:
        path: The CSV file.
        needed: The required columns, in lower case.
        optional: The optional columns; others are ignored.

    Raises:
        DataError: If the file cannot be read, is empty or lacks a column, or a row has more cells than the
            header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}); save it as 'CSV UTF-8'") from error
    separator, text = _separated(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        lines = [line for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}; expected plain CSV") from error
    if not lines:
        raise DataError(f"{path} is empty; expected a header line with {','.join(needed)}")
    columns = _columns(path, lines[0], needed, optional)
    for number, line in enumerate(lines[1:], start=1):
        if len(line) > len(columns):
            raise DataError(
                f"{path}, row {number}: {len(line)} cells under {len(columns)} columns; "
                "put text that holds the separator in double quotes"
            )
    return [dict(zip(columns, (restored(cell.strip()) for cell in line), strict=False)) for line in lines[1:]]


def _separated(text: str) -> tuple[str, str]:
    """Return the separator of a CSV text, and the text without a `sep=` line.

    An empty line takes the place of the `sep=` line, so that line numbers stay right.
    """
    named = _NAMED_SEPARATOR.match(text)
    if named:
        return named[1], text[named.end() :]
    return max(",;\t", key=text.partition("\n")[0].count), text


def _read_parquet(path: Path) -> list[Row]:
    with said_if_missing():
        parquet = importlib.import_module("pyarrow.parquet")
        arrow = importlib.import_module("pyarrow")
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    columns = _columns(path, table.column_names, _NEEDED, _OPTIONAL)
    cells = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]


def _text(value: object) -> str:
    """Return a cell as text; a float that is a whole number has no decimals, so that the label 1.0 is 1."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _columns(path: Path, header: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise DataError(
            f"{path} has no column {' and '.join(missing)}; it has {', '.join(columns) or 'none'}, "
            f"expected {','.join(needed)}" + (f" and, where known, {','.join(optional)}" if optional else "")
        )
    extra = [name for name in columns if name not in (*needed, *optional)]
    if extra:
        _LOG.info("%s: columns ignored: %s", path, ", ".join(extra))
    return columns


def _sample(manifest: Path, row: Row, number: int) -> Sample:
    where = f"{manifest}, row {number}"
    image, label = row.get("image", ""), row.get("label", "")
    if not image:
        raise DataError(f"{where}: the image is empty; expected a path relative to {manifest.parent}")
    if not label:
        raise DataError(f"{where}: the label of {image} is empty; name its class or remove the row")
    return Sample(
        image=image.replace("\\", "/"),
        path=_path(manifest, image),
        label=label,
        mask=_path(manifest, row["mask"]) if row.get("mask") else None,
        group=row.get("group") or None,
        split=_split(row.get("split", ""), where),
        stratum=row.get("stratum") or None,
        defect_probability=_probability(row.get("defect_probability", ""), where),
    )


def _path(manifest: Path, text: str) -> Path:
    return manifest.parent / text.replace("\\", "/")


def _split(text: str, where: str) -> str | None:
    if not text:
        return None
    split = SPLIT_FOLDERS.get(text.lower())
    if split is None:
        raise DataError(f"{where}: the split is {text!r}; expected train, val or test")
    return split


def _probability(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 <= value <= 1.0:
        raise DataError(f"{where}: defect_probability is {text!r}; expected a number from 0 to 1")
    return value


def _check_files(manifest: Path, samples: Sequence[Sample]) -> None:
    for kind, paths in (
        ("images", [s.path for s in samples]),
        ("masks", [s.mask_file for s in samples if s.mask_file is not None]),
    ):
        missing = [str(p) for p in paths if not p.is_file()]
        if missing:
            raise DataError(
                f"{manifest}: {len(missing)} of {len(paths)} {kind} do not exist: "
                f"{', '.join(missing[:_SHOWN])}{', ...' if len(missing) > _SHOWN else ''}; "
                f"paths are relative to {manifest.parent}"
            )


def _check_twice(manifest: Path, samples: Sequence[Sample]) -> None:
    counted = Counter(s.image for s in samples)
    twice = sorted(image for image, times in counted.items() if times > 1)
    if twice:
        raise DataError(
            f"{manifest}: {len(twice)} images are listed more than once: {', '.join(twice[:_SHOWN])}; "
            "keep one row for each image"
        )
