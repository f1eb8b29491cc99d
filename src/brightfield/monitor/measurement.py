"""Measurements of many pictures, as columns, and the pictures against which a line is measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.opening import opened
from brightfield.engine.measurement import Measurement as Measurement  # part of this module's interface

Arrays = dict[str, npt.NDArray[Any]]

THUMBNAIL = 96
"""The longer side of a kept picture in pixels."""

SHOWN = 6
"""The most pictures of the reference that are kept, to be shown beside those of an alarm."""

LEVELS = ("brightness", "contrast", "sharpness", "row", "column")
SIZES = ("height", "width")

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values with sides exchanged

_PREFIX = "measured."


@dataclass(frozen=True)
class Measured:
    """Pictures of a line that is well, measured: what a line's later pictures are compared with.

    Attributes:
        rows: int64 (N,): the position of each among the pictures that calibrated the inspector.
        measurements: Their measurements.
        images: Their names in the data set.
        positions: int64 (N,): the place of each among all file names of the data set, as neighbours in time
            have neighbouring names.
        groups: int64 (N,): a number for each part, equal for pictures of one part; -1 where none is known.
        thumbnails: Small copies of a few of them, uint8 (h, w, 3) each, by row of `measurements`.
    """

    rows: npt.NDArray[np.int64]
    measurements: tuple[Measurement, ...]
    images: tuple[str, ...]
    positions: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    thumbnails: Mapping[int, npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.measurements)

    def arrays(self) -> Arrays:
        """Return the arrays that a bundle keeps in `reference.npz`, and `measured_in` reads."""
        columns: Arrays = {name: column(self.measurements, name) for name in (*LEVELS, *SIZES)}
        embedded = embeddings(self.measurements)
        if embedded is not None:
            columns["embedding"] = embedded
        names = [name.encode("utf-8", "surrogateescape") for name in self.images]
        columns |= {
            "rows": self.rows,
            "images": np.array(names, dtype=np.bytes_),
            "positions": self.positions,
            "groups": self.groups,
        }
        columns |= {f"thumbnail-{row}": small for row, small in self.thumbnails.items()}
        return {_PREFIX + name: values for name, values in columns.items()}


def measured_in(reference: Mapping[str, npt.NDArray[Any]]) -> Measured | None:
    """Return the measured pictures of an inspector's reference; None if it was made before there were any.

    Raises:
        KeyError: If some of the arrays are missing.
    """
    own = {k.removeprefix(_PREFIX): v for k, v in reference.items() if k.startswith(_PREFIX)}
    if not own:
        return None
    embedded = own.get("embedding")
    levels = zip(*(own[name].tolist() for name in LEVELS), strict=True)
    sizes = zip(*(own[name].tolist() for name in SIZES), strict=True)
    measurements = tuple(
        Measurement(None if embedded is None else embedded[i], *of_levels[:3], *of_sizes, *of_levels[3:])
        for i, (of_levels, of_sizes) in enumerate(zip(levels, sizes, strict=True))
    )
    return Measured(
        rows=own["rows"],
        measurements=measurements,
        images=tuple(bytes(name).decode("utf-8", "surrogateescape") for name in own["images"]),
        positions=own["positions"],
        groups=own["groups"],
        thumbnails={int(k.split("-")[1]): v for k, v in own.items() if k.startswith("thumbnail-")},
    )


def column(measurements: Sequence[Measurement], name: str) -> npt.NDArray[Any]:
    """Return one value of many measurements, (N,): float64, or int64 for the sizes."""
    kind = np.int64 if name in SIZES else np.float64
    return np.array([getattr(m, name) for m in measurements], dtype=kind)


def embeddings(measurements: Sequence[Measurement]) -> npt.NDArray[np.float32] | None:
    """Return the embeddings of measurements, float32 (N, E); None if one has none or another length."""
    every = [m.embedding for m in measurements if m.embedding is not None]
    if not every or len(every) != len(measurements) or len({len(e) for e in every}) > 1:
        return None
    return np.stack(every).astype(np.float32)


def size_of(path: Any) -> tuple[int, int]:
    """Return the (height, width) of an image file as it is decoded, from its header.

    Raises:
        ImageError: If it cannot be read.
    """
    with opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _TURNED
    return (width, height) if turned else (height, width)


def thumbnail(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a small copy of a picture uint8 (H, W, 3), its longer side at most 96 px."""
    small = Image.fromarray(np.ascontiguousarray(picture))
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.array(small, dtype=np.uint8)


def in_natural_order(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the place of each name in the order of file names, with numbers by value: int64 (N,)."""
    keys = [(_natural(name.rpartition("/")[2]), name) for name in names]
    places = np.empty(len(names), dtype=np.int64)
    places[sorted(range(len(names)), key=keys.__getitem__)] = np.arange(len(names))
    return places


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    pieces = re.split(r"(\d+)", name)
    return tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in pieces)
