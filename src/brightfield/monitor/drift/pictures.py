"""The pictures of an alarm above those of the reference, on one sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from brightfield.data.decode import decode, to_rgb8
from brightfield.disk.atomic import write_atomically
from brightfield.errors import ImageError

Rgb = npt.NDArray[np.uint8]

CELL, MARGIN, LINE = 160, 8, 20
_PAPER, _INK = (255, 255, 255), (40, 40, 40)
_TEXT, _SMALL = 14, 12  # heights of letters in pixels


@dataclass(frozen=True)
class Row:
    """Pictures that belong together.

    Attributes:
        heading: What they are.
        pictures: uint8 (H, W, 3) of any size.
        names: What stands below each; empty for nothing.
    """

    heading: str
    pictures: Sequence[Rgb] = field(repr=False)
    names: Sequence[str] = ()


def sheet(rows: Sequence[Row]) -> Image.Image:
    """Return a picture with a row of small pictures under each heading."""
    across = max((len(row.pictures) for row in rows), default=0)
    height = 2 * LINE + CELL + 2 * MARGIN
    out = Image.new("RGB", (MARGIN + max(across, 3) * (CELL + MARGIN), len(rows) * height + MARGIN), _PAPER)
    draw = ImageDraw.Draw(out)
    large, small = (ImageFont.load_default(size) for size in (_TEXT, _SMALL))
    for i, row in enumerate(rows):
        top = MARGIN + i * height
        draw.text((MARGIN, top), row.heading, fill=_INK, font=large)
        for j, picture in enumerate(row.pictures):
            left = MARGIN + j * (CELL + MARGIN)
            out.paste(_small(picture), (left, top + LINE + MARGIN // 2))
            if j < len(row.names):
                draw.text((left, top + LINE + MARGIN // 2 + CELL + 2), row.names[j], fill=_INK, font=small)
    return out


def _small(picture: Rgb) -> Image.Image:
    """Return a picture that fits its cell."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    scale = CELL / max(image.size)
    return image.resize([max(1, round(side * scale)) for side in image.size])


def write_sheet(path: Path, image: Image.Image) -> bool:
    """Write a sheet as PNG, and return whether it is there; another one at the path stays.

    Raises:
        WriteError: If the file system refuses.
    """
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    if path.exists():
        return path.read_bytes() == buffer.getvalue()
    write_atomically(path, buffer.getvalue())
    return True


def read_picture(path: Path | None, bits: int) -> Rgb | None:
    """Return a picture for display; None if it is not kept, or was taken away since it was judged."""
    if path is None:
        return None
    try:
        return to_rgb8(decode(path), bits)
    except ImageError:
        return None


def row_of(heading: str, parts: Sequence[tuple[str, Path | None]], bits: int) -> Row:
    """Return the pictures of parts that can be read, with the names of the parts."""
    read = [(read_picture(path, bits), name) for name, path in parts]
    found = [(picture, name) for picture, name in read if picture is not None]
    return Row(heading, [picture for picture, _ in found], [name for _, name in found])
