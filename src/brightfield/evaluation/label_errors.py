"""Labels that are probably wrong, from probabilities of networks that were not trained on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_LEAST = 1e-6


@dataclass(frozen=True)
class LabelErrors:
    """How far labels can be trusted.

    Attributes:
        wrong: float64 (N,), the probability that each label is wrong, in [0, 1].
        suggested: int (N,), the class that is most probable if the label is wrong.
        expected: How many labels are wrong, as far as that can be known: the sum of `wrong`.
        proposed: int (M,), the images to look at, as many as are expected to be wrong, first those
            whose labels are most probably wrong.
    """

    wrong: FloatArray
    suggested: IntArray
    expected: float
    proposed: IntArray


def label_errors(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> LabelErrors:
    """Return which labels are probably wrong.

    Images of which the networks are surest tell how often one class is labelled as another (`transition`).
    The probabilities were calibrated on labels with these errors: they tell how an image would be labelled.
    By the inverse of the errors they become probabilities of the true class, and by Bayes' rule the
    probability that the label at hand is an error. The sum of these is the expected number; as many are
    proposed: those whose labels are least probable, sorted by the probability that they are wrong.

    So an image that is hard to tell does not count as an error: a label is only doubtful where the label of
    another image like it would be another.

    Args:
        probabilities: (N, K), calibrated, out of fold.
        labels: int (N,), the position of each image's label among the classes.

    Raises:
        DataError: If shapes disagree, rows do not add up to 1, or a class has no image.
    """
    p, y = _checked(probabilities, labels)
    rows = np.arange(len(y))
    errors = transition(p, y)
    true = np.clip(p @ np.linalg.pinv(errors), _LEAST, None)  # (N, K)
    true /= true.sum(axis=1, keepdims=True)
    posterior = true * errors[:, y].T
    posterior /= posterior.sum(axis=1, keepdims=True)
    wrong = 1.0 - posterior[rows, y]
    others = posterior.copy()
    others[rows, y] = -1.0
    expected = float(wrong.sum())
    proposed = np.argsort(p[rows, y], kind="stable")[: round(expected)]
    proposed = proposed[np.argsort(-wrong[proposed], kind="stable")]
    return LabelErrors(wrong, others.argmax(axis=1), expected, proposed)


def transition(probabilities: FloatArray, labels: IntArray) -> FloatArray:
    """Return how often images of each class get each label, (K class, K label); rows add up to 1.

    They are the labels of the half of the images called that class of which the networks are surest: anchors
    (Liu and Tao, Classification with noisy labels by importance reweighting, 2016; Patrini and others, Making
    deep neural networks robust to label noise, 2017). Of the others a label that contradicts says more of the
    networks than of the label. The confident joint, which counts them too, finds two to three times as many
    errors as there are where networks meet groups that they do not know.
    """
    classes = probabilities.shape[1]
    called = probabilities.argmax(axis=1)
    found = np.eye(classes)
    for k in range(classes):
        rows = np.flatnonzero(called == k)
        if len(rows):
            sure = probabilities[rows, k]
            surest = rows[sure >= np.sort(sure)[len(rows) // 2]]  # with all that are as sure as the median
            found[k] = np.bincount(labels[surest], minlength=classes) / len(surest)
    return found


def _checked(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.intp)
    if p.ndim != 2 or y.shape != p.shape[:1]:
        raise DataError(f"probabilities are {p.shape} and labels {y.shape}; expected (N, K) and (N,)")
    if not np.allclose(p.sum(axis=1), 1.0, atol=1e-3) or p.min(initial=0.0) < 0:
        raise DataError("an image's probabilities do not add up to 1, or one is negative; expected neither")
    counted = np.bincount(y, minlength=p.shape[1]) if len(y) and y.min() >= 0 else np.zeros(p.shape[1])
    if len(counted) != p.shape[1] or not counted.all():
        found = np.count_nonzero(counted)
        raise DataError(f"labels are of {found} classes; expected {p.shape[1]}, each with images")
    return p, y
