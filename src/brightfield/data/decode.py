"""Decoding: an array of pixels from an image file, bytes, a PIL image or an array."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from brightfield.data.opening import blamed_on, opened
from brightfield.errors import ImageError

Pixels = npt.NDArray[np.uint8 | np.uint16]
Rgb = npt.NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm", ".pnm"}
)

LEAST_SIDE = 8
"""The smallest side in pixels at which an image can show a part."""

BIT_DEPTHS = (8, 10, 12, 14, 16)

_COLOUR_MODES = ("RGB", "RGBX", "CMYK", "YCbCr", "HSV")

_SAMPLE_FORMAT, _SIGNED = 339, 2  # the tag and its value for signed integers (TIFF 6.0, section 19)

_BLOCK_PIXELS = 1 << 16
"""The number of pixels composited at once, which bounds the extra memory for large pictures."""


def decode(source: str | Path | bytes | Image.Image | npt.NDArray[np.generic], name: str = "") -> Pixels:
    """Return the pixels of an image in its upright orientation.

    The EXIF orientation is applied. Palette, CMYK and YCbCr images become RGB; bilevel ones become 0 and 255.
    A transparent image is composited on black, so that hidden pixels have no influence. 16-bit grey stays
    uint16; colour with 16 bits a channel becomes 8-bit, because Pillow reads no more. Of a file with several
    pages the first is read.

    Args:
        source: The image.
        name: What messages call the bytes of a file; others have their own name.

    Returns:
        (H, W, 3) colour or (H, W) grey, uint8 or uint16.

    Raises:
        ImageError: If the image cannot be read, or has floating-point, negative or more than 16-bit values.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        own = str(getattr(source, "filename", "") or "the image")
        with blamed_on(own):
            return _from_pillow(ImageOps.exif_transpose(source), own, _is_signed(source))
    if not isinstance(source, str | Path | bytes):
        raise ImageError(
            f"cannot read an image from a {type(source).__name__}; "
            "expected a path, the bytes of a file, a PIL image or a numpy array"
        )
    called = (name or "the image") if isinstance(source, bytes) else str(source)
    with opened(source if isinstance(source, bytes) else Path(source), name) as image:
        image.load()  # first, because TIFF orients itself while it loads
        ImageOps.exif_transpose(image, in_place=True)
        return _from_pillow(image, called, _is_signed(image))


def check_size(width: int, height: int) -> None:
    """Raise an error if a picture is too small to show a part.

    Raises:
        ImageError: If a side is below 8 px.
    """
    if min(width, height) < LEAST_SIDE:
        raise ImageError(f"it has {width}x{height} px; expected {LEAST_SIDE} px a side at least")


def to_8bit(image: Pixels, bits: int) -> npt.NDArray[np.uint8]:
    """Return an image for display, uint8 (H, W) or (H, W, 3); 16-bit values as in `to_rgb8`."""
    return np.asarray(image, dtype=np.uint8) if image.dtype == np.uint8 else to_rgb8(image, bits)


def to_rgb8(array: Pixels, bits: int = 8) -> Rgb:
    """Return the pixels as 8-bit RGB; the scale is the same for every image.

    Args:
        array: (H, W) or (H, W, 3), uint8 or uint16.
        bits: The bit depth of uint16 values: 2**bits - 1 and above become white. uint8 values stay unchanged.

    Returns:
        uint8 (H, W, 3).
    """
    narrow = array if array.dtype == np.uint8 else np.take(_levels(bits), array)
    if narrow.ndim == 2:
        narrow = np.repeat(narrow[:, :, None], 3, axis=2)  # (H, W) -> (H, W, 3)
    rgb: Rgb = np.ascontiguousarray(narrow, dtype=np.uint8)
    return rgb


def bit_depth(maxima: Iterable[int]) -> int:
    """Return the bit depth of a data set, given the maximum of each image: 8, 10, 12, 14 or 16.

    It is the smallest that holds the largest value. A 12-bit camera writes 16-bit files with values up to
    4095; with a bit depth of 16 they would be nearly black.

    Raises:
        ImageError: If a value needs more than 16 bits or is negative.
    """
    values = list(maxima)
    largest = max(values, default=0)
    if largest > 65535 or min(values, default=0) < 0:
        raise ImageError(f"pixel values from {min(values)} to {largest}; expected 0 to 65535")
    return next(bits for bits in BIT_DEPTHS if largest < 2**bits)


@lru_cache(maxsize=8)
def _levels(bits: int) -> npt.NDArray[np.uint8]:
    """Return the 8-bit level of each of the 65536 values of uint16."""
    if bits not in BIT_DEPTHS:
        raise ImageError(f"bits is {bits}; expected one of {', '.join(map(str, BIT_DEPTHS))}")
    scaled = np.arange(65536, dtype=np.float64) * (255.0 / (2**bits - 1))
    levels: npt.NDArray[np.uint8] = np.rint(np.minimum(scaled, 255.0)).astype(np.uint8)
    return levels


def _from_pillow(image: Image.Image, name: str, signed: bool) -> Pixels:
    mode = image.mode
    if mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if mode == "I":
        return _narrowed(np.asarray(image), name)
    if mode == "F":
        raise ImageError(f"{name} holds floating-point pixels; save it with 8- or 16-bit integers")
    if image.has_transparency_data or mode in ("La", "RGBa"):
        grey = mode in ("1", "L", "LA", "La")
        return _on_black(np.asarray(_with_alpha(image, grey)))
    if mode in ("1", "L"):
        grey8 = np.array(image.convert("L"))
        return _unsigned(grey8, name) if signed else grey8
    if mode == "P" or mode in _COLOUR_MODES:
        return np.array(image.convert("RGB"))
    raise ImageError(f"{name} has the colour mode {mode}, which cannot be read; save it as RGB or grey")


def _with_alpha(image: Image.Image, grey: bool) -> Image.Image:
    """Return the image as LA or RGBA, with straight instead of premultiplied alpha."""
    if image.mode == "La":
        return image.convert("LA")
    return image.convert("LA" if grey else "RGBA")


def _narrowed(values: npt.NDArray[np.int32], name: str) -> Pixels:
    """Return 32-bit integers as uint16, if they fit."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(
            f"{name} has values from {low} to {high}; expected 0 to 65535: save it as 16-bit grey"
        )
    return values.astype(np.uint16)


def _is_signed(image: Image.Image) -> bool:
    """Return whether a TIFF holds signed integers, which Pillow ignores for 8 bits."""
    tags = getattr(image, "tag_v2", {})
    return bool(_SIGNED in tags.get(_SAMPLE_FORMAT, ()))


def _unsigned(grey: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image of signed 8-bit integers, if none is negative."""
    low, high = int(grey.view(np.int8).min()), int(grey.view(np.int8).max())
    if low < 0:
        raise ImageError(
            f"{name} has signed values from {low} to {high}; expected 0 to 255: save it as unsigned grey"
        )
    return grey


def _on_black(array: npt.NDArray[np.uint8 | np.uint16]) -> Pixels:
    """Composite an image with alpha, (H, W, 2) or (H, W, 4), on black: grey (H, W) or colour (H, W, 3).

    A value v with the alpha a becomes v * a / white, rounded to the nearest whole number.
    """
    height, width, channels = array.shape
    white = np.iinfo(array.dtype).max
    wide: type[np.unsignedinteger[Any]] = np.uint16 if array.dtype == np.uint8 else np.uint32
    composited: Pixels = np.empty((height, width, channels - 1), dtype=array.dtype)
    rows = max(1, _BLOCK_PIXELS // max(1, width))
    for top in range(0, height, rows):
        block = array[top : top + rows]
        product = np.multiply(block[..., :-1], block[..., -1:], dtype=wide)  # at most white**2: it fits
        product += wide(white // 2)
        product //= wide(white)
        composited[top : top + rows] = product
    return composited[..., 0] if channels == 2 else composited


def _from_array(array: npt.NDArray[np.generic]) -> Pixels:
    found = f"an array of {array.dtype} and shape {array.shape}"
    if array.dtype.kind == "f":
        unusual = "" if np.isfinite(array).all() else ", some of it NaN or infinite"
        raise ImageError(f"{found}{unusual}; expected uint8 or uint16: scale to 0-255 and convert first")
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise ImageError(f"{found}; expected uint8 or uint16")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"{found}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    if array.size == 0:
        raise ImageError(f"{found} has no pixels")
    pixels: Pixels = array.astype(np.uint8 if array.dtype.itemsize == 1 else np.uint16)
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    return _on_black(pixels) if pixels.shape[2] == 4 else pixels
