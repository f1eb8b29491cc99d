"""Match the defects that were found in one image with the true ones, by how far their pixels overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from brightfield.errors import InputError

Regions = npt.NDArray[np.int32]

MATCH_IOU = 0.3
"""A found defect matches a true one whose IoU with it is above this value.

It is lower than the 0.5 of object detection: a thin scratch whose outline is one pixel off has lost half of
its IoU, and would still be called found.
"""


@dataclass(frozen=True)
class Matching:
    """How the found defects of one image go with the true ones; regions are numbered from 1 on.

    Attributes:
        pairs: The IoU of each matched pair (true region, found region).
        seen: The true regions of which any pixel was found.
        lit: The found regions with any pixel in a true one.
    """

    pairs: dict[tuple[int, int], float]
    seen: frozenset[int]
    lit: frozenset[int]


def match(true: Regions, found: Regions, above: float = MATCH_IOU) -> Matching:
    """Match regions one to one: as many pairs as possible, and of equally many those of the greatest IoU.

    Caicedo et al., "Evaluation of deep learning strategies for nucleus segmentation in fluorescence images",
    Cytometry A, 2019; the assignment is the Hungarian method's.

    Args:
        true: int32 (H, W), the number of the true region that each pixel belongs to; 0 for none.
        found: int32 (H, W), the same of the found regions.
        above: The IoU that a pair must exceed, in [0, 1).

    Raises:
        InputError: If the shapes differ.
    """
    if true.shape != found.shape:
        raise InputError(
            f"the true regions are {true.shape}, the found ones {found.shape}; expected one shape"
        )
    both = (true > 0) & (found > 0)
    stride = int(found.max(initial=0)) + 1
    keys, shared = np.unique(true[both].astype(np.int64) * stride + found[both], return_counts=True)  # (N,)
    pairs = np.stack(np.divmod(keys, stride), axis=1)  # (N, 2)
    areas_true, areas_found = np.bincount(true.ravel()), np.bincount(found.ravel())
    iou = shared / (areas_true[pairs[:, 0]] + areas_found[pairs[:, 1]] - shared)  # (N,)
    close = iou > above
    return Matching(
        pairs=_assigned(pairs[close], iou[close]),
        seen=frozenset(pairs[:, 0].tolist()),
        lit=frozenset(pairs[:, 1].tolist()),
    )


def _assigned(pairs: npt.NDArray[np.int64], iou: npt.NDArray[np.float64]) -> dict[tuple[int, int], float]:
    """Return which of some pairs (N, 2) go together one to one, with their IoU."""
    rows, row = np.unique(pairs[:, 0], return_inverse=True)
    columns, column = np.unique(pairs[:, 1], return_inverse=True)
    worth = np.zeros((len(rows), len(columns)))
    worth[row, column] = 1.0 + iou / (len(pairs) + 1)  # one pair more is worth more than all of their IoU
    best = {(int(rows[i]), int(columns[j])) for i, j in zip(*linear_sum_assignment(worth, True), strict=True)}
    known = {(int(t), int(f)): float(value) for (t, f), value in zip(pairs, iou, strict=True)}
    return {pair: known[pair] for pair in sorted(best & known.keys())}
