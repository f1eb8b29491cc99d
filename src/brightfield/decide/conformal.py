"""How unusual a part is among good ones: what can be said where no defects are there to calibrate on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brightfield.decide.checks import check_numbers
from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]


def conformal_p_values(good: npt.ArrayLike, new: npt.ArrayLike) -> FloatArray:
    """Return for each new score the share of good parts at least as unusual, the new one among them.

    Of good parts drawn like those of `good` at most a share a gets a p-value of a or less, whatever the
    scores are distributed like. It is no probability of a defect: that would take defects to know their
    scores and their share. Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005,
    section 2.2; as a test for outliers Bates et al., 2023.

    Args:
        good: (N,), scores of good parts that trained nothing, N at least 1, higher is more unusual.
        new: (M,), scores on the same scale.

    Returns:
        float64 (M,), in [1 / (N + 1), 1].

    Raises:
        DataError: If shapes or values are wrong, or there are no good parts.
    """
    known = np.sort(check_numbers(good, "scores", 1))
    if not len(known):
        raise DataError("there are no good parts to compare with; expected one at least")
    at_least = len(known) - np.searchsorted(known, check_numbers(new, "scores", 1), side="left")
    return np.asarray((1 + at_least) / (1 + len(known)), dtype=np.float64)
