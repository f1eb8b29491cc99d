"""What training aims at: class targets, what each image counts, and where unequal classes are corrected."""

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
"""What an image counts whose label is no likelier than its opposite."""


def class_targets(dataset: Dataset, *, soft: bool = False) -> FloatArray:
    """Return each sample's class, one-hot float32 (N, K).

    With `soft`, an annotator's probability of a defect takes the label's place: the normal class gets what
    remains of it, and a good image's share of defects is spread evenly over their types.

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
    """Return what each sample's label counts, float32 (N,), in [0.1, 1].

    Where an annotator gave the probability p of a defect, it is by how much the label is likelier than its
    opposite, 2 p - 1 of a defect and 1 - 2 p of a good part; else 1.
    """
    out = np.ones(len(dataset), dtype=np.float32)
    for i, sample in enumerate(dataset.samples):
        chance = sample.defect_probability
        if chance is not None and dataset.normal is not None:
            ahead = 1 - 2 * chance if sample.label == dataset.normal else 2 * chance - 1
            out[i] = max(LEAST_COUNTED, ahead)
    return out


def sampling_weights(labels: Sequence[int], classes: int) -> FloatArray:
    """Return for each sample the weight that draws every class equally often, float32 (N,), mean 1."""
    counts = np.bincount(np.asarray(labels, dtype=np.intp), minlength=classes)
    weights = len(labels) / (np.count_nonzero(counts) * counts[np.asarray(labels)])
    return np.asarray(weights, dtype=np.float32)


def loss_weights(counts: npt.ArrayLike) -> FloatArray:
    """Return inverse-frequency class weights, float32 (K,), mean 1 over the samples counted.

    A sampler that evens the classes out leaves nothing to weigh: both together correct twice.
    """
    there = np.asarray(counts, dtype=np.float64)
    weights = np.zeros_like(there)
    present = there > 0
    weights[present] = there.sum() / (np.count_nonzero(present) * there[present])
    return weights.astype(np.float32)


@dataclass(frozen=True)
class Balance:
    """How unequal classes are corrected.

    Attributes:
        sampling: The weight by which each sample is drawn, float32 (N,), or None.
        class_weights: What each class counts in the loss, float32 (K,).
        shift: Added to the logits in training, float32 (K,).
    """

    sampling: FloatArray | None
    class_weights: FloatArray
    shift: FloatArray


def balance(labels: Sequence[int], classes: int, imbalance: str) -> Balance:
    """Return how the classes of these labels, of `classes` in all, are corrected.

    Raises:
        ConfigError: If the way is unknown.
    """
    asked = corrections(imbalance)
    counts = np.bincount(np.asarray(labels, dtype=np.intp), minlength=classes)
    shares = np.maximum(counts, 1) / max(1, len(labels))
    return Balance(
        sampling=sampling_weights(labels, classes) if "sampling" in asked else None,
        class_weights=loss_weights(counts) if "loss" in asked else np.ones(classes, np.float32),
        shift=(np.log(shares) if "adjustment" in asked else np.zeros(classes)).astype(np.float32),
    )
