"""Pixel-level figures of defect types: true types counted against those found, in constant memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.errors import InputError
from brightfield.verdict import BoolMap

TypeMap = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]

BACKGROUND = "background"
UNTYPED = "defect"


class TypeMeter:
    """A running confusion matrix: how many pixels of each true type were found as which type.

    What a method finds that tells no types apart is of the one type that there is. Where there are several,
    its types have no figures but their share of pixels found.
    """

    def __init__(self, true: Sequence[str], found: Sequence[str]) -> None:
        """Start with empty counts.

        Args:
            true: The defect types of the masks.
            found: The defect types that the method tells apart; empty where it tells none.
        """
        self.types = tuple(dict.fromkeys((*true, *found)))
        self._typed = bool(found) or len(true) == 1
        self._true = np.array([0, *(self.types.index(name) + 1 for name in true)], dtype=np.int64)
        # the last column is for what is found, but of no type that is known
        self._counts: Counts = np.zeros((len(self.types) + 1, len(self.types) + 2), dtype=np.int64)

    def update(
        self, true: TypeMap, found: TypeMap, names: Sequence[str] = (), region: BoolMap | None = None
    ) -> None:
        """Count one image.

        Args:
            true: uint8 (H, W), the true type of each pixel as its position from 1 on; 0 where it is good.
            found: uint8 (H, W), the type found as its position in `names` from 1 on; without names, 1 where a
                pixel is found.
            names: The names of the types found; empty for a method that tells none apart.
            region: bool (H, W), the pixels that count; None for all of them.

        Raises:
            InputError: If the shapes differ.
        """
        if true.shape != found.shape:
            shapes = f"the true types are {true.shape}, the found ones {found.shape}"
            raise InputError(f"{shapes}; expected the same shape")
        if region is not None:
            true, found = true[region], found[region]
        unknown = self._counts.shape[1] - 1
        only = 1 if len(self.types) == 1 else unknown
        known = (self.types.index(name) + 1 if name in self.types else unknown for name in names)
        columns = np.array([0, *known] if names else [0, only], dtype=np.int64)
        cells = self._true[true].ravel() * (unknown + 1) + columns[found].ravel()
        self._counts += np.bincount(cells, minlength=self._counts.size).reshape(self._counts.shape)

    def result(self) -> dict[str, Any]:
        """Return the figures of all images counted so far, as metrics.json writes them.

        `mean_iou` is over the background and every type that occurs in the masks or was found; None for a
        method that does not tell the types apart.
        """
        figures = [self._figures(place) for place in range(len(self.types) + 1)]
        known = [each["iou"] for each in figures if each["iou"] is not None]
        columns = [BACKGROUND, *self.types, UNTYPED]
        kept = [k for k in range(len(columns)) if k < len(self.types) + 1 or self._counts[:, k].any()]
        return {
            "mean_iou": float(np.mean(known)) if self._typed and known else None,
            BACKGROUND: figures[0],
            "types": dict(zip(self.types, figures[1:], strict=True)),
            "confusion": {
                "true": [BACKGROUND, *self.types],
                "found": [columns[k] for k in kept],
                "pixels": self._counts[:, kept].tolist(),
            },
        }

    def _figures(self, place: int) -> dict[str, Any]:
        """Return the figures of one type, or of the background, which is at 0."""
        here = int(self._counts[place].sum())
        if place and not self._typed:
            found = int(self._counts[place, 1:].sum())
            return {
                **dict.fromkeys(("iou", "dice", "precision")),
                "recall": _share(found, here),
                "pixels": here,
            }
        called, right = int(self._counts[:, place].sum()), int(self._counts[place, place])
        return {
            "iou": _share(right, here + called - right),
            "dice": _share(2 * right, here + called),
            "precision": _share(right, called),
            "recall": _share(right, here),
            "pixels": here,
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
