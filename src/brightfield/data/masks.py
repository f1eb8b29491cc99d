"""Masks: which pixels of an image are defective, at the sizes that training and evaluation need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.decode import read_mask
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import tile_origins


def resize_mask(mask: npt.NDArray[np.bool_], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return a mask at another (height, width); a pixel is defective where any part of it was."""
    if mask.shape == shape:
        return mask
    grey = Image.fromarray(mask.astype(np.float32))  # 8 bits would round a small share of a pixel to none
    return np.asarray(grey.resize((shape[1], shape[0]), Image.Resampling.BOX)) > 0


def tile_shares(
    mask: Path | None, shape: tuple[int, int], preprocessing: Preprocessing
) -> npt.NDArray[np.float64]:
    """Return the share of each tile's pixels that are defective, float64 (T,), at a working (H, W)."""
    origins = tile_origins(shape, preprocessing.tile, preprocessing.overlap)
    if mask is None:
        return np.zeros(len(origins))
    pixels = resize_mask(read_mask(mask), shape)
    side = preprocessing.tile
    inside = [
        pixels[max(top, 0) : top + side, max(left, 0) : left + side].sum() / side**2 for top, left in origins
    ]
    return np.asarray(inside, dtype=np.float64)
