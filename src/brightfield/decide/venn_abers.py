"""Venn-Abers: two probabilities of a defect, one of which is calibrated, from the calibration parts alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brightfield.decide.checks import check_labels, check_numbers

FloatArray = npt.NDArray[np.float64]


def venn_abers(scores: npt.ArrayLike, is_defect: npt.ArrayLike, new: npt.ArrayLike) -> FloatArray:
    """Return an interval of the probability of a defect for each new score.

    Each part is added to the calibration parts once as good and once as defective; an isotonic fit of either
    gives an end of the interval. One of the two is exactly calibrated, whatever the scores are distributed
    like, as long as all the parts are drawn alike; the wider the interval, the less the calibration parts say
    about such a score. Vovk and Petej, Venn-Abers predictors, 2014, section 4.

    Args:
        scores: (N,), of the calibration parts, any scale, higher is more defective.
        is_defect: (N,), bool.
        new: (M,), scores on the same scale.

    Returns:
        float64 (M, 2), the lower and the upper end in [0, 1].

    Raises:
        DataError: If shapes or values are wrong.
    """
    from sklearn.isotonic import IsotonicRegression

    values = check_numbers(scores, "scores", 1)
    defect = check_labels(is_defect, len(values), 2).astype(np.float64)
    found = np.empty((len(np.atleast_1d(np.asarray(new))), 2))
    for i, score in enumerate(check_numbers(new, "scores", 1)):
        at = np.append(values, score)
        for side in (0, 1):
            fitted = IsotonicRegression().fit(at, np.append(defect, float(side)))
            found[i, side] = fitted.predict([score])[0]
    return found
