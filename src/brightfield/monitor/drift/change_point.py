"""Since when: the most likely part from which a line's values have another mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def change_point(values: npt.NDArray[np.float64]) -> int:
    """Return the position of the first part after the change, in [0, n - 1].

    It is the maximum-likelihood estimate for normal values whose mean is 0 before the change and anything
    after it: the k that maximises (n - k) times the squared mean of the parts from k on. Zamba and Hawkins,
    A multivariate change-point model for statistical process control, 2006, with a known mean before.

    Args:
        values: Values with mean 0 and standard deviation 1 in control, (n, V), n at least 1.
    """
    from_each = np.cumsum(values[::-1], axis=0)[::-1]  # (n, V): the sum from each part on
    counts = np.arange(len(values), 0, -1)
    return int((np.square(from_each).sum(axis=1) / counts).argmax())
