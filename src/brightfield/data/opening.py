"""Opening of image files; any failure becomes an ImageError that names the file."""

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
def opened(source: Path | bytes, name: str = "") -> Iterator[Image.Image]:
    """Open an image, given as a file or its bytes; an error raised in the block becomes an ImageError.

    Only the header is read until the block asks for pixels.

    Args:
        source: The file, or its bytes.
        name: What messages call bytes.

    Raises:
        ImageError: If the file does not exist, is not an image, is damaged, or does not fit into memory.
    """
    # opened by handle: given a name, Pillow maps a TIFF file into memory, and scrambles it when it rotates it
    called = (name or "the image") if isinstance(source, bytes) else str(source)
    with _handle(source) as file, blamed_on(called):
        Image.init()  # registers all formats now: done lazily by several threads, one may miss a format
        with Image.open(file) as image:
            yield image


def file_content(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        ImageError: If the file does not exist, is empty or cannot be read.
    """
    with _handle(path) as file, blamed_on(str(path)):
        return file.read()


@contextmanager
def blamed_on(name: str) -> Iterator[None]:
    """Turn any exception raised in the block, MemoryError included, into an error that names the picture.

    Raises:
        ImageError: In place of any exception; an ImageError of the block itself passes unchanged.
    """
    before = _AT_WORK.set(name)
    try:
        yield
    except ImageError:
        raise
    except _BOMB as error:
        raise ImageError(
            f"{name} claims to have suspiciously many pixels ({error}); "
            "if it really is that large, cut it into smaller images first"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image that can be read; expected PNG, JPEG, TIFF, BMP or WebP"
        ) from error
    except MemoryError as error:
        raise ImageError(
            f"{name} does not fit into memory; cut it into smaller images, or free memory"
        ) from error
    except Exception as error:  # decoders may raise anything
        found = str(error) or type(error).__name__
        raise ImageError(
            f"{name} is truncated or corrupt ({found}); copy or export it again, or remove it"
        ) from error
    finally:
        _AT_WORK.reset(before)


def picture_at_work() -> str | None:
    """Return the name of the picture that this thread is reading; None if it reads none."""
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
