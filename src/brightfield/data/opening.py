"""The one place where pictures from elsewhere are opened: what goes wrong there is that picture's error."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from brightfield.errors import ImageError

_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)

_AT_WORK: ContextVar[str | None] = ContextVar("picture_at_work", default=None)


@contextmanager
def opened(source: Path | bytes) -> Iterator[Image.Image]:
    """Open a picture file, or the bytes of one; until the block ends, whatever a decoder raises is its error.

    Nothing but the header is read until the block asks for pixels.

    Raises:
        ImageError: If it is not there, is no picture, is broken, or does not fit into memory.
    """
    # By its handle, not its name: Pillow maps named TIFF files into memory, and scrambles those it turns.
    name = "the image" if isinstance(source, bytes) else str(source)
    with _handle(source) as file, blamed_on(name):
        Image.init()  # all formats now: while one thread adds them late, another may overlook one
        with Image.open(file) as image:
            yield image


@contextmanager
def blamed_on(name: str) -> Iterator[None]:
    """Turn whatever is raised in the block, lack of memory included, into an error that names the picture.

    Raises:
        ImageError: Then; one that the block itself raises is left as it is.
    """
    before = _AT_WORK.set(name)
    try:
        yield
    except ImageError:
        raise
    except _BOMB as error:
        raise ImageError(
            f"{name} claims more pixels than can be trusted ({error}); "
            "if it is meant, cut it into smaller images first"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image that can be read; expected PNG, JPEG, TIFF, BMP or WebP"
        ) from error
    except MemoryError as error:
        raise ImageError(
            f"{name} does not fit into memory; cut it into smaller images, or make room"
        ) from error
    except Exception as error:  # decoders are foreign: no list of what they raise is complete
        found = str(error) or type(error).__name__
        raise ImageError(
            f"{name} is truncated or corrupt ({found}); copy or export it again, or remove it"
        ) from error
    finally:
        _AT_WORK.reset(before)


def picture_at_work() -> str | None:
    """Return the name of the picture that this thread is reading, None where it reads none."""
    return _AT_WORK.get()


def _handle(path: Path | bytes) -> BinaryIO:
    if isinstance(path, bytes):
        if not path:
            raise ImageError("the image is empty (0 bytes)")
        return io.BytesIO(path)
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} does not exist or may not be read ({error}); check the path") from error
    if path.is_dir():
        raise ImageError(f"{path} is a folder; expected one image file")
    if size == 0:
        raise ImageError(f"{path} is empty (0 bytes); copy it again from where it came")
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"{path} may not be read ({error.strerror}); ask for the right to") from error
