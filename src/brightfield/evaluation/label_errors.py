"""Labels that are probably wrong, from out-of-fold probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_ROUNDS = 200
_SETTLED = 1e-6


@dataclass(frozen=True)
class LabelErrors:
    """How far each label can be trusted.

    Attributes:
        wrong: float64 (N,), the probability that each label is wrong, in [0, 1].
        suggested: int (N,), the class that is most probable if the label is wrong.
        transition: float64 (K, K), the probability with which a picture of the row's class is labelled as the
            column's.
        expected: How many labels are wrong, as far as that can be known.
        proposed: int (M,), the pictures to look at, the most doubtful first: as many as are expected.
    """

    wrong: FloatArray
    suggested: IntArray
    transition: FloatArray
    expected: float
    proposed: IntArray
