"""Labelme files: the outlined defects of one image in a JSON file of its own."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brightfield.data.annotated import Annotated, read_json, ring_of, size_of
from brightfield.data.decode import decode
from brightfield.data.mask_kinds import Ring, Shape
from brightfield.data.normal_names import means_good_pixels
from brightfield.data.outlines import to_runs
from brightfield.errors import DataError, ImageError

SUFFIX = ".json"

_SAGITTA = 0.002
"""How far, in pixels, the sides of the polygon that stands for a circle are from its rim."""

Record = Mapping[str, Any]


def is_labelme(content: Any) -> bool:
    """Return whether a JSON file's content has the parts of a labelme file."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read_labelme(path: Path, content: Any = None, normal: str | None = None) -> Annotated:
    """Return what a labelme file says of its image.

    Polygons, rectangles, circles and painted masks mark pixels; lines and points mark none.

    Args:
        path: The file.
        content: Its content, if that was read already.
        normal: The normal class; shapes of that label mark no defect.

    Raises:
        DataError: If it is no labelme file, or a shape cannot be understood.
    """
    record = read_json(path) if content is None else content
    if not is_labelme(record):
        raise DataError(f"{path} is no labelme file; expected an object with shapes")
    size = (size_of(record.get("imageHeight")), size_of(record.get("imageWidth")))
    shapes: list[Shape] = []
    others: list[tuple[str, float]] = []
    for number, drawn in enumerate(record["shapes"], start=1):
        where = f"{path}, shape {number}"
        name = drawn.get("label") if isinstance(drawn, dict) else None
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where}: it has no label; name its defect type, or remove it")
        name = name.strip()
        if means_good_pixels(name, normal):
            continue
        shape = _shape(name, drawn, size, where)
        if shape is None:
            others.append((name, 0.0))
        else:
            shapes.append(shape)
    image = str(record.get("imagePath") or path.stem).replace("\\", "/")
    return Annotated(image, path, *size, tuple(shapes), tuple(others))


def _shape(name: str, drawn: Record, size: tuple[int, int], where: str) -> Shape | None:
    """Return a drawn shape; None for one that marks no pixels."""
    points = drawn.get("points")
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise DataError(f"{where}: its points are {str(points)[:60]}; expected pairs of x and y")
    kind = drawn.get("shape_type") or "polygon"
    flat = [value for point in points for value in point]
    ring_of(flat, where)  # refuses what is no number
    if kind == "mask":
        return Shape(name, runs=_painted(drawn, flat, size, where))
    ring: Ring | None = None
    if kind == "circle" and len(points) == 2:
        ring = _circle(*flat)
    elif kind == "rectangle" and len(points) == 2:
        left, top, right, bottom = map(float, flat)
        ring = (left, top, right, top, right, bottom, left, bottom)
    elif kind in ("polygon", "rectangle"):
        ring = ring_of(flat, where)
    return None if ring is None else Shape(name, (ring,))


def _circle(x: float, y: float, rim_x: float, rim_y: float) -> Ring:
    """Return a polygon for the circle around (x, y) through a point of its rim."""
    radius = math.hypot(rim_x - x, rim_y - y)
    sides = max(8, math.ceil(math.pi / math.acos(1 - min(1.0, _SAGITTA / max(radius, _SAGITTA)))))
    angles = 2 * np.pi * np.arange(sides) / sides
    points = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)  # (sides, 2)
    return tuple(points.ravel().tolist())


def _painted(drawn: Record, corners: list[float], size: tuple[int, int], where: str) -> tuple[int, ...]:
    """Return the run lengths of a mask that was painted into a rectangle of the image."""
    try:
        painted = decode(base64.b64decode(str(drawn.get("mask")), validate=True)) > 0
    except (ValueError, ImageError) as error:
        raise DataError(f"{where}: its mask cannot be read ({error}); draw it again") from error
    if painted.ndim != 2 or len(corners) < 2 or not all(size):
        raise DataError(f"{where}: its mask has no place in the image; draw it again")
    left, top = round(corners[0]), round(corners[1])
    out = np.zeros(size, dtype=np.bool_)
    if left < 0 or top < 0 or top + painted.shape[0] > size[0] or left + painted.shape[1] > size[1]:
        raise DataError(
            f"{where}: its mask reaches beyond the image of {size[1]}x{size[0]} px; draw it again"
        )
    out[top : top + painted.shape[0], left : left + painted.shape[1]] = painted
    return tuple(to_runs(out))
