"""Normal scores: values of any distribution, by their ranks among a reference, as standard normal ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NormalScores:
    """The transform of each of C values by its rank among those of N reference pictures.

    A part from the same line gets values that are nearly standard normal, whatever the distribution was, and
    no single part gets more than about 2 (50 pictures) to 3 (500). Van der Waerden scores; for control
    charts: Hawkins and Deng, A nonparametric change-point control chart, 2010.

    Attributes:
        ordered: The reference's values in ascending order, (N, C).
    """

    ordered: FloatArray = field(repr=False)

    @classmethod
    def of(cls, values: FloatArray) -> NormalScores:
        """Return the transform for a reference with these values, (N, C)."""
        return cls(np.sort(values, axis=0))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return the normal scores of values (n, C)."""
        table = _quantiles(len(self.ordered))
        out = np.empty(values.shape)
        for i, ordered in enumerate(self.ordered.T):
            below = np.searchsorted(ordered, values[:, i], side="left")
            out[:, i] = table[below + np.searchsorted(ordered, values[:, i], side="right")]
        return out


@lru_cache(maxsize=8)
def _quantiles(count: int) -> FloatArray:
    """Return the normal quantile of each rank among `count` others, (2 count + 1,), ties in the middle.

    A value with b others below it and e equal to it is at 2 b + e; its share is (b + e / 2 + 1 / 2) of
    count + 1.
    """
    normal = NormalDist()
    table = np.array([normal.inv_cdf((twice + 1) / (2 * (count + 1))) for twice in range(2 * count + 1)])
    table.setflags(write=False)
    return table
