"""From the probabilities of pixels to a picture's score, its evidence map and the logits of its classes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

CALM = 1e-3
"""The probability of a defective pixel up to which evidence hardly grows."""

SPECK = 16
"""The pixels, the most probably defective ones, whose mean evidence makes the score: fewer than any defect
that is worth an outline has, more than noise has."""

LEAST_SHARE = 1e-3
"""The share that every class has at the least, so that its logit is finite."""


def evidence_of(probability: FloatArray) -> FloatArray:
    """Return the evidence of pixels, at least 0: nearly the log-odds above those of `CALM`."""
    return np.asarray(np.log1p(probability / np.float32(CALM)))


def highest(defective: FloatArray, inside: npt.NDArray[np.bool_] | None, count: int) -> npt.NDArray[np.intp]:
    """Return the places of the `count` most probably defective pixels of (h, w), as flat indices.

    Args:
        defective: The probability of a defect, float32 (h, w).
        inside: bool (h, w), the pixels that count; None for all of them.
        count: The number of pixels; all where there are fewer.
    """
    places = np.arange(defective.size) if inside is None else np.flatnonzero(inside)
    values = defective.ravel()[places]
    if len(places) <= count:
        return places
    return places[np.argpartition(values, len(values) - count)[len(values) - count :]]


def class_logits(
    score: float, found: FloatArray, class_of_type: npt.NDArray[np.intp], classes: int, normal: int
) -> npt.NDArray[np.float64]:
    """Return logits of the classes, whose log-odds of any defect are the score.

    Args:
        score: The picture's score.
        found: float32 (types,), the mean probability of each type at the places that make the score.
        class_of_type: The class of each type, (types,).
        classes: The number of classes.
        normal: The normal class.
    """
    shares = np.full(classes, LEAST_SHARE)
    np.add.at(shares, class_of_type, found.astype(np.float64))
    shares[normal] = 0.0
    with np.errstate(divide="ignore"):
        logits = score + np.log(shares / shares.sum())
    logits[normal] = 0.0
    return np.asarray(logits)
