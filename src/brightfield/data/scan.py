"""A quick scan of a data set's image files: sizes and pixel formats from their headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags

from brightfield.data.decode import check_size, decode
from brightfield.data.opening import opened
from brightfield.data.parallel import ordered_map
from brightfield.errors import DataError, ImageError
from brightfield.progress import Progress, silent

_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class ImageFacts:
    """The facts that an image file's header states.

    Attributes:
        path: The image file.
        width: The width of the upright image in pixels; 0 if the header cannot be read.
        height: The height of the upright image in pixels; 0 if the header cannot be read.
        mode: Pillow's name of the pixel format (`L`, `RGB`, `I;16` and so on); empty if it cannot be read.
        maximum: The largest pixel value; None for images with 8 bits a channel.
        error: The reason why the file cannot be read; None if it can.
    """

    path: Path
    width: int
    height: int
    mode: str
    maximum: int | None = None
    error: str | None = None


def scan(paths: Sequence[Path], progress: Progress | None = None) -> list[ImageFacts]:
    """Return the facts of each file, in order; an unreadable file has its reason in `error`.

    Grey images of more than 8 bits are decoded, since their maximum sets the bit depth: see `bit_depth`.
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
        pixels = decode(path)  # for the maximum; and Pillow's releases differ in the size of a rotated TIFF
        maximum = int(pixels.max()) if mode.startswith("I") else None
        return ImageFacts(path, pixels.shape[1], pixels.shape[0], mode, maximum)
    except ImageError as error:
        return ImageFacts(path, 0, 0, "", error=str(error))


def _check_size(path: Path, width: int, height: int) -> None:
    try:
        check_size(width, height)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def scan_readable(paths: Sequence[Path], progress: Progress | None = None) -> list[ImageFacts]:
    """Return the facts of each training image, in order.

    Raises:
        DataError: If one cannot be read.
    """
    facts = scan(paths, progress)
    broken = [f for f in facts if f.error]
    if broken:
        raise DataError(
            f"{len(broken)} training image(s) cannot be read, first {broken[0].path}: {broken[0].error}. "
            "Run `brightfield data check` for all of them, and take them out"
        )
    return facts
