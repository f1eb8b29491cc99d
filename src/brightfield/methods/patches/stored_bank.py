"""A memory bank as arrays and settings of a bundle, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.methods.declared import plain
from brightfield.methods.patches.coreset import Selection
from brightfield.methods.patches.crops import Crops
from brightfield.methods.patches.detectors import Bank

Arrays = Mapping[str, npt.NDArray[Any]]

_CROPS = {"sources": np.int32, "files": np.uint8, "ends": np.int64, "of_patch": np.int32}
"""The arrays of `Crops`, and their dtypes."""


def arrays_of(bank: Bank, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """Return a bank's arrays, under names that begin with the prefix."""
    arrays: dict[str, npt.NDArray[Any]] = {f"{prefix}.bank": bank.patches}
    if bank.crops is not None:
        arrays |= {f"{prefix}.crops.{name}": getattr(bank.crops, name) for name in _CROPS}
    return arrays


def settings_of(bank: Bank) -> dict[str, Any]:
    """Return what else describes a bank, as JSON types."""
    return {
        "selection": plain(bank.selection),
        "images": None if bank.crops is None else list(bank.crops.images),
    }


def load_bank(arrays: Arrays, settings: Mapping[str, Any], prefix: str) -> Bank:
    """Return the bank that `arrays_of` and `settings_of` described.

    Raises:
        KeyError: If something is missing.
        TypeError: If a setting has the wrong type.
        ValueError: If the arrays do not fit each other.
    """
    patches = np.asarray(arrays[f"{prefix}.bank"], dtype=np.float32)
    images, selection = settings["images"], settings["selection"]
    crops = None
    if images is not None:
        found = {n: np.asarray(arrays[f"{prefix}.crops.{n}"], dtype=dtype) for n, dtype in _CROPS.items()}
        crops = Crops(images=tuple(str(image) for image in images), **found)
        if len(crops) != len(patches):
            raise ValueError(f"there are {len(patches)} patches in the bank, and crops of {len(crops)}")
    return Bank(patches, crops, None if selection is None else Selection(**selection))
