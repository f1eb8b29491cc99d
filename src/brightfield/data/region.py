"""The region of interest: the part of every picture that an inspector looks at, drawn as a mask."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.decode import LEAST_SIDE, decode
from brightfield.errors import ConfigError, ImageError

MOST_SIDE = 1024
"""The longest side in pixels at which a region is kept; larger masks are shrunk."""

SHAPE_TOLERANCE = 0.03
"""How much the aspect ratio of a picture may differ from the region's, as a share."""

_HALF = 128  # of 255: a pixel is inside if half of it is

Bools = npt.NDArray[np.bool_]
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True)
class Region:
    """A region of interest; it is scaled to each picture, as the camera stands still.

    Attributes:
        height: The height of the mask in pixels.
        width: The width of the mask in pixels.
        packed: The mask's pixels, 1 inside, eight to a byte, row by row.
        sha256: The SHA-256 of the file that it was read from; empty if it comes from no file.
    """

    height: int
    width: int
    packed: bytes = field(repr=False)
    sha256: str = ""

    @classmethod
    def of(cls, mask: Bools, sha256: str = "") -> Region:
        """Return the region of a mask, bool (H, W), shrunk to `MOST_SIDE` if it is larger.

        Raises:
            ConfigError: If no pixel is inside.
        """
        scale = min(1.0, MOST_SIDE / max(mask.shape))
        height, width = (max(1, round(side * scale)) for side in mask.shape)
        kept = _scaled_mask(mask, (height, width))
        if not kept.any():
            found = "is black throughout" if not mask.any() else "has too thin an area of white"
            raise ConfigError(f"the region {found}; expected white where the inspector has to look")
        return cls(height, width, np.packbits(kept).tobytes(), sha256)

    @property
    def mask(self) -> Bools:
        """The pixels inside, bool (height, width)."""
        bits = np.unpackbits(np.frombuffer(self.packed, np.uint8), count=self.height * self.width)
        return bits.reshape(self.height, self.width).astype(np.bool_)

    @property
    def share(self) -> float:
        """The share of a picture that is inside, in (0, 1]."""
        return float(self.mask.mean())

    @property
    def cropped(self) -> Region:
        """The region in its own bounding box."""
        return _cropped(self)

    def at(self, shape: tuple[int, int]) -> Bools:
        """Return which pixels of a picture of this (H, W) are inside, bool (H, W), read-only."""
        return _at(self, shape)

    def window(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns of a picture of this (H, W) that hold the region: its bounding box."""
        rows, columns = _bounds(self)
        return _scaled_slice(rows, self.height, shape[0]), _scaled_slice(columns, self.width, shape[1])

    def check(self, shape: tuple[int, int]) -> None:
        """Check that a picture of this (H, W) can have been taken as the mask was drawn.

        Raises:
            ImageError: If its aspect ratio is another, or the region in it is too small to show a part.
        """
        self.check_shape(shape, "the region of interest")
        rows, columns = self.window(shape)
        seen = (rows.stop - rows.start, columns.stop - columns.start)
        if min(seen) < LEAST_SIDE or not self.at(shape).any():
            raise ImageError(
                f"the region of interest takes {seen[1]}x{seen[0]} px of it; expected {LEAST_SIDE} px a side "
                "at least: draw a larger region, or take larger pictures"
            )

    def check_shape(self, shape: tuple[int, int], named: str) -> None:
        """Check that a picture of this (H, W) has the aspect ratio of the mask.

        Raises:
            ImageError: If it has not; the message calls the region by the given name.
        """
        height, width = shape
        if abs(math.log(width / height * self.height / self.width)) > math.log1p(SHAPE_TOLERANCE):
            raise ImageError(
                f"it is {width}x{height} px ({width / height:.2f} to 1), {named} was drawn on "
                f"{self.width}x{self.height} px ({self.width / self.height:.2f} to 1); expected pictures of "
                "the aspect ratio of the mask, from the same camera"
            )

    def as_dict(self) -> dict[str, str]:
        """Return plain values for a manifest: a black and white PNG, in base64, and the file's SHA-256."""
        buffer = io.BytesIO()
        Image.fromarray(self.mask).save(buffer, "PNG", optimize=True)
        return {"png": base64.b64encode(buffer.getvalue()).decode(), "sha256": self.sha256}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Region:
        """Return the region that `as_dict` described.

        Raises:
            ValueError: If the values describe no region.
        """
        try:
            mask = decode(base64.b64decode(values["png"], validate=True)) > 0
        except ImageError as error:
            raise ValueError(f"the region's picture cannot be read: {error}") from error
        return cls(mask.shape[0], mask.shape[1], np.packbits(mask).tobytes(), str(values["sha256"]))


@dataclass(frozen=True)
class Seen:
    """The part of one picture that is looked at: the bounding box of the region of interest.

    Attributes:
        shape: The (H, W) of the picture.
        window: The rows and columns of the bounding box.
        region: The pixels of the picture that are inside, bool (H, W); None for all of them.
    """

    shape: tuple[int, int]
    window: tuple[slice, slice]
    region: Bools | None

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the bounding box."""
        rows, columns = self.window
        return rows.stop - rows.start, columns.stop - columns.start

    @property
    def corner(self) -> tuple[int, int]:
        """The first row and column of the bounding box."""
        rows, columns = self.window
        return int(rows.start), int(columns.start)

    @property
    def inside(self) -> Bools | None:
        """The pixels of the bounding box that are inside the region, bool (h, w); None for all of them."""
        return None if self.region is None else self.region[self.window]

    def cut(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the bounding box of a picture, (H, W, ...), as a view (h, w, ...)."""
        return picture[self.window]

    def placed(self, found: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """Return a map of the bounding box, (h, w), as a map of the picture, (H, W), 0 around it."""
        if self.region is None:
            return found
        whole = np.zeros(self.shape, found.dtype)
        whole[self.window] = found
        return whole


def seen_in(shape: tuple[int, int], region: Region | None) -> Seen:
    """Return which part of a picture of this (H, W) is looked at.

    Raises:
        ImageError: If its aspect ratio is another than the region's, or the region in it is too small.
    """
    if region is None:
        return Seen(shape, (slice(0, shape[0]), slice(0, shape[1])), None)
    region.check(shape)
    return Seen(shape, region.window(shape), region.at(shape))


@lru_cache(maxsize=4)  # of large pictures each takes megabytes, and the pictures of a camera have one size
def _at(region: Region, shape: tuple[int, int]) -> Bools:
    scaled = _scaled_mask(region.mask, shape)
    scaled.flags.writeable = False
    return scaled


@lru_cache(maxsize=4)
def _bounds(region: Region) -> tuple[slice, slice]:
    """Return the rows and columns of the mask that hold the region."""
    mask = region.mask
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@lru_cache(maxsize=4)
def _cropped(region: Region) -> Region:
    kept = region.mask[_bounds(region)]
    return Region(kept.shape[0], kept.shape[1], np.packbits(kept).tobytes(), region.sha256)


def _scaled_slice(kept: slice, old: int, new: int) -> slice:
    """Return a slice of a side of `old` pixels on a side of `new` pixels, rounded outwards."""
    return slice(kept.start * new // old, -(-kept.stop * new // old))


def _scaled_mask(mask: Bools, shape: tuple[int, int]) -> Bools:
    """Return a mask resized to (H, W); a pixel is inside if half of what it covers is."""
    if mask.shape == shape:
        return mask.copy()
    grey = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    return np.asarray(grey.resize((shape[1], shape[0]), Image.Resampling.BOX)) >= _HALF
