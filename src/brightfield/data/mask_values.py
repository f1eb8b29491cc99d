"""The table that says which defect type each value of a data set's mask images stands for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from brightfield.data.dataset import Dataset
from brightfield.data.image_files import MASK_FOLDERS, SPLIT_FOLDERS
from brightfield.data.manifest import read_csv
from brightfield.data.mask_kinds import ValuedMask
from brightfield.data.normal_names import means_good_pixels
from brightfield.errors import DataError

TABLE = "mask_values.csv"
"""The table's name: in the data set's folder, or in a folder of masks."""

_NUMBER = re.compile(r"\d{1,5}")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_RGB = re.compile(r"(\d{1,3})[ ,;/]+(\d{1,3})[ ,;/]+(\d{1,3})")

Names = tuple[tuple[int, str], ...]


def with_mask_values(dataset: Dataset, folder: Path) -> Dataset:
    """Return the data set with its mask images' values named, if there is a `mask_values.csv` in the folder.

    Raises:
        DataError: If the table cannot be used.
    """
    table = _find_table(folder)
    if table is None:
        return dataset
    names, colours = read_table(table, dataset.normal)
    return dataset.subset(
        replace(s, mask=ValuedMask(s.mask, names, colours, table)) if isinstance(s.mask, Path) else s
        for s in dataset.samples
    )


def read_table(path: Path, normal: str | None = None) -> tuple[Names, bool]:
    """Return the pairs of value and type in a table with the columns `value,type`, and if they are colours.

    A value is a number, as in a grey or palette image, or a colour: `#ff0000` or `"255,0,0"`. The type is
    empty, `background` or the name of the good class where good pixels have that value.

    Raises:
        DataError: If the file cannot be read, a value is none or named twice, or some are colours and others
            numbers.
    """
    rows = read_csv(path, ("value", "type"))
    parsed: dict[int, str] = {}
    kinds: set[bool] = set()
    for number, row in enumerate(rows, start=1):
        value, colour = _value(row.get("value", ""), f"{path}, row {number}")
        if value in parsed:
            raise DataError(f"{path}, row {number}: {row['value']} has a name already; name each value once")
        name = row.get("type", "")
        parsed[value] = "" if not name or means_good_pixels(name, normal) else name
        kinds.add(colour)
    if len(kinds) != 1:
        found = "both numbers and colours" if kinds else "no values"
        raise DataError(f"{path} has {found}; expected a line for each value, such as 1,scratch")
    return tuple(sorted(parsed.items())), kinds.pop()


def _find_table(folder: Path) -> Path | None:
    places = [folder]
    for split in ("", *SPLIT_FOLDERS):
        places += [folder / split / masks for masks in sorted(MASK_FOLDERS)]
    return next((place / TABLE for place in places if (place / TABLE).is_file()), None)


def _value(text: str, where: str) -> tuple[int, bool]:
    """Return a value, and whether it is a colour."""
    if _HEX.fullmatch(text):
        return int(text[1:], 16), True
    parts = _RGB.fullmatch(text)
    channels = [int(part) for part in parts.groups()] if parts else []
    if channels and max(channels) <= 255:
        return (channels[0] << 16) + (channels[1] << 8) + channels[2], True
    if _NUMBER.fullmatch(text) and int(text) < 65536:
        return int(text), False
    raise DataError(
        f"{where}: the value is {text!r}; expected a number from 0 to 65535, or a colour: #ff0000 or 255 0 0"
    )
