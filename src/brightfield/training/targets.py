"""What training aims at: class targets, and where unequal classes are corrected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float32]


def class_targets(dataset: Dataset) -> FloatArray:
    """Return each sample's class, one-hot float32 (N, K).

    Raises:
        DataError: If a sample has no label.
    """
    index = {name: k for k, name in enumerate(dataset.classes)}
    targets = np.zeros((len(dataset), len(dataset.classes)), dtype=np.float32)
    for row, sample in zip(targets, dataset.samples, strict=True):
        if sample.label is None:
            raise DataError(f"{sample.image} has no label; training needs one for every image")
        row[index[sample.label]] = 1.0
    return targets


def sampling_weights(labels: Sequence[int], classes: int) -> FloatArray:
    """Return for each sample the weight that draws every class equally often, float32 (N,), mean 1."""
    counts = np.bincount(np.asarray(labels, dtype=np.intp), minlength=classes)
    weights = len(labels) / (np.count_nonzero(counts) * counts[np.asarray(labels)])
    return np.asarray(weights, dtype=np.float32)


def loss_weights(counts: npt.ArrayLike) -> FloatArray:
    """Return inverse-frequency class weights, float32 (K,), mean 1 over the samples that `counts` describes.

    `counts` is what the sampler delivers, not what the folder holds, lest an imbalance be corrected twice.
    """
    delivered = np.asarray(counts, dtype=np.float64)
    weights = np.zeros_like(delivered)
    present = delivered > 0
    weights[present] = delivered.sum() / (np.count_nonzero(present) * delivered[present])
    return weights.astype(np.float32)


def balance(labels: Sequence[int], classes: int, imbalance: str) -> tuple[FloatArray | None, FloatArray]:
    """Return (sampling weights (N,) or None, loss weights (K,)) for a way of correcting unequal classes.

    Args:
        labels: The class of each sample.
        classes: How many there are.
        imbalance: `none`; `sampling` or `loss` for one correction; `both`, when asked for, for two.
    """
    counts = np.bincount(np.asarray(labels, dtype=np.intp), minlength=classes)
    sampling = sampling_weights(labels, classes) if imbalance in ("sampling", "both") else None
    # a sampler that evens the classes out delivers equal counts, whose loss weights are 1
    delivered = (counts > 0).astype(np.float64) if imbalance == "sampling" else counts
    loss = (
        loss_weights(delivered) if imbalance in ("sampling", "loss", "both") else np.ones(classes, np.float32)
    )
    return sampling, loss
