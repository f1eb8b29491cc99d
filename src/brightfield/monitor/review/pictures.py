"""Pictures for a page: all brought to one form, so that none tells where it comes from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.decode import bit_depth, decode, to_rgb8
from brightfield.explain.overlay import as_png, shrink, shrink_heat

LONG_SIDE = 1600
"""The longer side of a picture on a page in pixels; larger ones are shrunk."""

_MOST_BYTES = 1_500_000
_QUALITY = 95
_COLOUR = np.array([255.0, 96.0, 0.0])
_OPACITY = 0.65
_FAINTEST = 0.25
_HEAT_SIDE = 400


def picture_file(path: Path, bits: int | None = None) -> bytes:
    """Return a picture as a PNG file, or as a JPEG file of high quality where that would be large.

    Nothing else of the file is kept: neither name nor time.

    Args:
        path: The picture.
        bits: Bit depth of 16-bit pixels; None to take the least that holds them.

    Raises:
        ImageError: If it cannot be read.
    """
    pixels = decode(path)
    depth = bit_depth([int(pixels.max())]) if bits is None and pixels.dtype != np.uint8 else bits or 8
    shown = shrink(to_rgb8(pixels, depth), LONG_SIDE)
    png = as_png(shown)
    if len(png) <= _MOST_BYTES:
        return png
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def heat_file(heatmap: npt.NDArray[np.float32]) -> bytes | None:
    """Return a heatmap as a PNG file with transparency, to be laid over its picture; None where it is calm.

    It is drawn in relation to its own maximum, so that it tells where the inspector found most, and not
    whether that was enough to reject the part.

    Args:
        heatmap: float32 (H, W), 0 where nothing suggests a defect.
    """
    height, width = heatmap.shape
    factor = min(1.0, _HEAT_SIDE / max(height, width))
    small = shrink_heat(heatmap, (max(1, round(height * factor)), max(1, round(width * factor))))
    top = float(small.max())
    if top <= 0.0:
        return None
    strength = np.clip((small / top - _FAINTEST) / (1.0 - _FAINTEST), 0.0, 1.0)
    out = np.empty((*small.shape, 4), dtype=np.uint8)  # (h, w, 4)
    out[..., :3] = _COLOUR
    out[..., 3] = np.rint(255.0 * _OPACITY * strength)
    return as_png(out)
