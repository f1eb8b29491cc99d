"""The loss: cross-entropy with label smoothing, focal weighting, class weights and logit adjustment."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """The loss function of a training.

    Attributes:
        class_weights: The weight of each class, float32 (K,).
        shift: The log of each class's frequency, float32 (K,), added to the logits in training only, so that
            the logits themselves fit equally frequent classes (logit adjustment; Menon et al., Long-tail
            learning via logit adjustment, 2021, equation 10); zeros for none.
        focal: The exponent, 0 or more, that reduces the loss of well-classified samples (gamma of Lin et al.,
            Focal loss for dense object detection, 2017, equation 4).
        smoothing: The share of each target that is spread over all classes, in [0, 1).
    """

    class_weights: Tensor
    shift: Tensor
    focal: float = 0.0
    smoothing: float = 0.0

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample, (..., N), given logits (..., N, K) and targets (N, K)."""
        device = logits.device
        share = self.smoothing / targets.shape[-1]
        smoothed = targets.to(device) * (1 - self.smoothing) + share
        log_p = torch.log_softmax(logits + self.shift.to(device), -1)
        if self.focal:
            # rounding can make 1 - p negative, and its power NaN
            log_p = log_p * (1 - log_p.exp()).clamp_min(0).pow(self.focal)
        return -(log_p * smoothed * self.class_weights.to(device)).sum(-1)


def weighted_mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    """Return the weighted mean of losses (..., N); weights broadcast, and if all are 0 the mean is 0."""
    if weights is None:
        return losses.mean()
    expanded = weights.to(losses.device).expand_as(losses)
    return (losses * expanded).sum() / expanded.sum().clamp_min(1e-12)
