"""Losses of pixels by name, in torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

UNKNOWN = 255
"""The label of a pixel that does not count: it is outside the picture, or nobody marked it."""

FOCUS = 2.0
"""The exponent of the focal loss (gamma of Lin et al., Focal loss for dense object detection, 2017)."""

SMOOTHING = 1.0
"""The pixels that are added to both sides of a Dice ratio. More would hide types of few pixels."""


def loss_of(names: Sequence[str], logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of losses over the pixels that count; 0 where none does.

    Args:
        names: Names in `LOSSES`.
        logits: (N, C, H, W), of the background and each type.
        labels: int64 (N, H, W), `UNKNOWN` for pixels that do not count.
        weights: The weight of each class in `weighted`, float32 (C,).
    """
    counted = labels != UNKNOWN
    if not bool(counted.any()):
        return logits.sum() * 0
    flat = logits.movedim(1, -1)[counted]  # (P, C)
    total = sum(LOSS[name](flat, labels[counted], weights) for name in names)
    return torch.as_tensor(total)


def _cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor, *, weighted: bool) -> Tensor:
    return functional.cross_entropy(logits, labels, weight=weights if weighted else None)


def _focal(logits: Tensor, labels: Tensor, _weights: Tensor) -> Tensor:
    """Return the focal loss, of the size of a cross-entropy where half of the probability is right."""
    log_p = functional.cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-log_p)).clamp_min(0) ** FOCUS * log_p).mean() * 2**FOCUS


def _dice(logits: Tensor, labels: Tensor, _weights: Tensor) -> Tensor:
    """Return 1 less the mean Dice of the types that the batch shows (Milletari et al., V-Net, 2016)."""
    p = logits.softmax(1)[:, 1:]  # (P, types)
    true = functional.one_hot(labels, logits.shape[1])[:, 1:].to(p.dtype)
    there = true.sum(0)
    ratio = (2 * (p * true).sum(0) + SMOOTHING) / (p.sum(0) + there + SMOOTHING)
    shown = there > 0
    return (1 - ratio)[shown].mean() if bool(shown.any()) else (1 - ratio).mean()


def _lovasz(logits: Tensor, labels: Tensor, _weights: Tensor) -> Tensor:
    """Return the Lovász extension of 1 less the mean IoU of the classes that the batch shows.

    Berman et al., The Lovász-softmax loss, 2018, algorithm 1.
    """
    p = logits.softmax(1)
    parts = []
    for number in torch.unique(labels).tolist():
        true = (labels == number).to(p.dtype)
        errors, order = torch.sort((true - p[:, number]).abs(), descending=True)
        sorted_true = true[order]
        left = sorted_true.sum() - sorted_true.cumsum(0)
        union = sorted_true.sum() + (1 - sorted_true).cumsum(0)
        loss = 1 - left / union  # (P,), of the first pixels taken as wrong
        parts.append((errors * torch.diff(loss, prepend=loss.new_zeros(1))).sum())
    return torch.stack(parts).mean()


LOSS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cross-entropy": partial(_cross_entropy, weighted=False),
    "weighted": partial(_cross_entropy, weighted=True),
    "focal": _focal,
    "dice": _dice,
    "lovasz": _lovasz,
}


def class_weights(pixels: Sequence[float], most: float) -> Tensor:
    """Return the weight of each class by how rare its pixels are, float32 (C,); that of the background is 1.

    Args:
        pixels: How many pixels each class has, the background first.
        most: The largest weight.
    """
    counts = torch.tensor([max(float(n), 1.0) for n in pixels])
    weights = (counts[0] / counts).sqrt().clamp(1.0, most)
    weights[0] = 1.0
    return weights


def image_loss(logits: Tensor, label: int, inside: Tensor, pixels: int) -> Tensor:
    """Return the loss of a crop of which only the class is known: its surest pixels show that type.

    Args:
        logits: (C, H, W) of one crop.
        label: The type; 0 if only a defect of some type is known.
        inside: bool (H, W), the pixels that show the picture; at least one.
        pixels: The number of surest pixels, whose mean probability counts.
    """
    p = logits.softmax(0)
    found = (1 - p[0] if label == 0 else p[label])[inside]
    surest = found.topk(min(pixels, len(found))).values.mean()
    return -torch.log(surest.clamp_min(1e-6))
