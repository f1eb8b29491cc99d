"""Venn-Abers prediction: an interval for the probability of a defect, from the calibration parts alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brightfield.decide.checks import check_labels, check_numbers

FloatArray = npt.NDArray[np.float64]


def venn_abers(scores: npt.ArrayLike, is_defect: npt.ArrayLike, new: npt.ArrayLike) -> FloatArray:
    """Return an interval for the probability of a defect at each new score.

    Each new part is added to the calibration parts, once as good and once as defective; the isotonic fit of
    each case gives one end of the interval. One of the two is exactly calibrated for any distribution of
    scores, as long as all parts are exchangeable. A wide interval means few calibration parts near the score.
    Vovk and Petej, Venn-Abers predictors, 2014, section 4.

    Args:
        scores: (N,), scores of the calibration parts, any scale, higher is more defective.
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
    intervals = np.empty((len(np.atleast_1d(np.asarray(new))), 2))
    for i, score in enumerate(check_numbers(new, "scores", 1)):
        augmented = np.append(values, score)
        for label in (0, 1):
            isotonic = IsotonicRegression().fit(augmented, np.append(defect, float(label)))
            intervals[i, label] = isotonic.predict([score])[0]
    return intervals
