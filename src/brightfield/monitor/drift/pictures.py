"""The pictures of an alarm above those of the reference, on one sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from brightfield.data.decode import decode, to_rgb8
from brightfield.disk.atomic import write_atomically
from brightfield.errors import ImageError

Rgb = npt.NDArray[np.uint8]

CELL, MARGIN, LINE = 160, 8, 16
_PAPER, _INK = (255, 255, 255), (40, 40, 40)


def sheet(rows: Sequence[tuple[str, Sequence[Rgb]]]) -> Image.Image:
    """Return a picture with a row of small pictures under each heading.

    Args:
        rows: A heading and its pictures, uint8 (H, W, 3) of any size, for each row.
    """
    across = max((len(pictures) for _, pictures in rows), default=0)
    size = (MARGIN + max(across, 3) * (CELL + MARGIN), len(rows) * (LINE + CELL + 2 * MARGIN) + MARGIN)
    out = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(out)
    for i, (heading, pictures) in enumerate(rows):
        top = MARGIN + i * (LINE + CELL + 2 * MARGIN)
        draw.text((MARGIN, top), heading, fill=_INK)
        for j, picture in enumerate(pictures):
            small = Image.fromarray(np.ascontiguousarray(picture))
            scale = CELL / max(small.size)
            small = small.resize([max(1, round(side * scale)) for side in small.size])
            out.paste(small, (MARGIN + j * (CELL + MARGIN), top + LINE + MARGIN // 2))
    return out


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


def read_pictures(paths: Sequence[Path | None], bits: int) -> list[Rgb]:
    """Return the pictures that can be read, for display."""
    out = []
    for path in paths:
        if path is not None:
            try:
                out.append(to_rgb8(decode(path), bits))
            except ImageError:  # it was taken away since it was judged
                continue
    return out
