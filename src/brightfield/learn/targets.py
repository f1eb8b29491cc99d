"""Training targets: classes, the weights of uncertain labels, the correction of class imbalance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.errors import DataError
from brightfield.learn.learning import corrections

FloatArray = npt.NDArray[np.float32]

LEAST_COUNTED = 0.1
"""The least weight of an image, for a label that is no more probable than its opposite."""


def class_targets(dataset: Dataset, *, soft: bool = False) -> FloatArray:
    """Return each sample's target, one-hot float32 (N, K).

    With `soft`, an annotator's probability p of a defect replaces the label: the normal class gets 1 - p, and
    p goes to the label's class, or in a good image evenly to all defect classes.

    Raises:
        DataError: If a sample has no label.
    """
    index = {name: k for k, name in enumerate(dataset.classes)}
    targets = np.zeros((len(dataset), len(dataset.classes)), dtype=np.float32)
    for row, sample in zip(targets, dataset.samples, strict=True):
        if sample.label is None:
            raise DataError(f"{sample.image} has no label; training needs one for every image")
        chance = sample.defect_probability
        if not soft or chance is None or dataset.normal is None:
            row[index[sample.label]] = 1.0
            continue
        types = [sample.label] if sample.label != dataset.normal else [*index.keys() - {dataset.normal}]
        row[[index[name] for name in types]] = chance / len(types)
        row[index[dataset.normal]] = 1.0 - chance
    return targets


def certainties(dataset: Dataset) -> FloatArray:
    """Return the weight of each sample's label, float32 (N,), in [0.1, 1].

    If an annotator gave the probability p of a defect, the weight is the label's probability minus that of
    its opposite: 2 p - 1 for a defect, 1 - 2 p for a good part. Otherwise it is 1.
    """
    out = np.ones(len(dataset), dtype=np.float32)
    for i, sample in enumerate(dataset.samples):
        chance = sample.defect_probability
        if chance is not None and dataset.normal is not None:
            ahead = 1 - 2 * chance if sample.label == dataset.normal else 2 * chance - 1
            out[i] = max(LEAST_COUNTED, ahead)
    return out


def sampling_weights(labels: Sequence[int], classes: int) -> FloatArray:
    """Return sampling weights, float32 (N,), mean 1, with which all classes are drawn equally often."""
    counts = np.bincount(np.asarray(labels, dtype=np.intp), minlength=classes)
    weights = len(labels) / (np.count_nonzero(counts) * counts[np.asarray(labels)])
    return np.asarray(weights, dtype=np.float32)


def loss_weights(counts: npt.ArrayLike) -> FloatArray:
    """Return inverse-frequency class weights, float32 (K,), mean 1 over the samples.

    They are not to be combined with balanced sampling, which would correct the imbalance twice.

    Args:
        counts: The number of samples of each class, (K,).
    """
    n = np.asarray(counts, dtype=np.float64)
    weights = np.zeros_like(n)
    present = n > 0
    weights[present] = n.sum() / (np.count_nonzero(present) * n[present])
    return weights.astype(np.float32)


@dataclass(frozen=True)
class Balance:
    """The correction of class imbalance.

    Attributes:
        sampling: The sampling weight of each sample, float32 (N,), or None.
        class_weights: The weight of each class in the loss, float32 (K,).
        shift: The shift that is added to the logits in training, float32 (K,).
    """

    sampling: FloatArray | None
    class_weights: FloatArray
    shift: FloatArray


def balance(labels: Sequence[int], classes: int, imbalance: str) -> Balance:
    """Return the correction of class imbalance.

    Args:
        labels: The class of each sample, as an index.
        classes: The number of classes.
        imbalance: The names of the corrections: see `corrections`.

    Raises:
        ConfigError: If a name is unknown.
    """
    applied = corrections(imbalance)
    counts = np.bincount(np.asarray(labels, dtype=np.intp), minlength=classes)
    shares = np.maximum(counts, 1) / max(1, len(labels))
    return Balance(
        sampling=sampling_weights(labels, classes) if "sampling" in applied else None,
        class_weights=loss_weights(counts) if "loss" in applied else np.ones(classes, np.float32),
        shift=(np.log(shares) if "adjustment" in applied else np.zeros(classes)).astype(np.float32),
    )
