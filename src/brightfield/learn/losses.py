"""What a network's answers cost it: cross-entropy, smoothed, focal, shifted by how common each class is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """What each answer costs.

    Attributes:
        class_weights: float32 (K,), by which the cost of each class counts.
        shift: float32 (K,), added to the logits in training alone: the log of each class's share, so that
            the network learns what remains where every class is as common (logit adjustment; Menon et al.,
            Long-tail learning via logit adjustment, 2021, equation 10); zeros for none.
        focal: The exponent by which what is already answered well counts less, 0 or more (gamma of Lin et
            al., Focal loss for dense object detection, 2017, equation 4).
        smoothing: Share of each target spread over all classes, in [0, 1).
    """

    class_weights: Tensor
    shift: Tensor
    focal: float = 0.0
    smoothing: float = 0.0

    def costs(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return what each answer costs: (..., N, K) logits against (N, K) targets give (..., N)."""
        device = logits.device
        share = self.smoothing / targets.shape[-1]
        aimed = targets.to(device) * (1 - self.smoothing) + share
        log_shares = torch.log_softmax(logits + self.shift.to(device), -1)
        if self.focal:
            # 1 - p can round to below 0, whose power is no number
            log_shares = log_shares * (1 - log_shares.exp()).clamp_min(0).pow(self.focal)
        return -(log_shares * aimed * self.class_weights.to(device)).sum(-1)


def weighted_mean(costs: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean of costs (..., N), each counted as its weight, which broadcasts; 0 where all are 0."""
    if weights is None:
        return costs.mean()
    counted = weights.to(costs.device).expand_as(costs)
    return (costs * counted).sum() / counted.sum().clamp_min(1e-12)
