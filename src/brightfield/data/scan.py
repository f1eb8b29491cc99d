"""What the headers of a data set's files say, before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags

from brightfield.data.decode import check_size, decode
from brightfield.data.opening import opened
from brightfield.data.parallel import ordered_map
from brightfield.errors import ImageError
from brightfield.progress import Progress, silent

_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image file from its header.

    Attributes:
        path: The file.
        width: In pixels, of the upright image; 0 where the header cannot be read.
        height: As the width.
        mode: Pillow's name of the pixel format (`L`, `RGB`, `I;16` and so on); empty where it cannot be read.
        maximum: The largest value, for grey of more than 8 bits only.
        error: Why it cannot be read; None where it can.
    """

    path: Path
    width: int
    height: int
    mode: str
    maximum: int | None = None
    error: str | None = None


def scan(paths: Sequence[Path], progress: Progress | None = None) -> list[ImageFacts]:
    """Return the facts of each file, in order; a file that cannot be read says so in `error`.

    Only grey of more than 8 bits is decoded, for its maximum: see `bit_depth`.
    """
    tell = progress or silent
    facts: list[ImageFacts] = []
    for done, fact in enumerate(ordered_map(_facts, paths), start=1):
        facts.append(fact)
        tell("scan", done, len(paths))
    return facts


def _facts(path: Path) -> ImageFacts:
    try:
        with opened(path) as image:
            width, height = image.size
            mode = image.mode
            sideways = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
            tiff = image.format == "TIFF"
        _check_size(path, width, height)
        if not mode.startswith("I") and not (sideways and tiff):
            return ImageFacts(path, *((height, width) if sideways else (width, height)), mode)
        pixels = decode(path)  # for the maximum, or as Pillow's releases differ in the size of a turned TIFF
        maximum = int(pixels.max()) if mode.startswith("I") else None
        return ImageFacts(path, pixels.shape[1], pixels.shape[0], mode, maximum)
    except ImageError as error:
        return ImageFacts(path, 0, 0, "", error=str(error))


def _check_size(path: Path, width: int, height: int) -> None:
    try:
        check_size(width, height)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
