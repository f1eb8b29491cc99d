"""Frozen networks: the fastest way to compute pooled features on this machine."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from brightfield.engine.trunk import ANY_SIDE, Trunk, scaled_side
from brightfield.errors import WeightsError
from brightfield.learn.export import export_trunk
from brightfield.learn.network import PooledTrunk, TileNet

FloatArray = npt.NDArray[np.float32]

log = logging.getLogger(__name__)


class Frozen(Protocol):
    """Computes the pooled features of a network whose weights do not change."""

    def pooled(self, x: FloatArray) -> FloatArray:
        """Return the head's input (N, D) for a normalised batch (N, 3, H, W)."""


class OnGpu:
    """A frozen torch network on a GPU, in the GPU's fastest number format."""

    def __init__(self, net: TileNet) -> None:
        self.net = net.eval()

    def pooled(self, x: FloatArray) -> FloatArray:
        """Return the head's input (N, D) for a normalised batch (N, 3, H, W)."""
        net = self.net
        with torch.inference_mode(), net.runtime.autocast():
            maps = net.tapped(torch.from_numpy(np.ascontiguousarray(x)))
            return np.asarray(net.pool(maps).float().cpu().numpy())


class Freezer:
    """Exports a network's trunk for tiles of each size when it is needed, and keeps the exported models.

    If the network is trained afterwards, a new freezer is needed.
    """

    def __init__(self, net: TileNet) -> None:
        self.net = net
        self._trunks: dict[int, Trunk] = {}

    def features(self, side: int) -> Frozen:
        """Return the fastest frozen network for tiles of a side in pixels."""
        if self.net.runtime.device != "cpu":
            return OnGpu(self.net)
        return self.trunk(side)

    def trunk(self, side: int) -> Trunk:
        """Return the exported trunk for tiles of a side in pixels.

        Raises:
            WeightsError: If the trunk cannot be exported, or its outputs differ in ONNX Runtime.
        """
        for key in (ANY_SIDE, side):
            if key in self._trunks:
                return self._trunks[key]
        trunk = frozen_trunk(self.net, side)
        self._trunks[ANY_SIDE if ANY_SIDE in trunk.networks else side] = trunk
        return trunk


def frozen_trunk(net: TileNet, side: int) -> Trunk:
    """Export a network's trunk for tiles of a side in pixels.

    One model serves all sizes if the network allows it; otherwise there is one model for each scale.

    Raises:
        WeightsError: If the trunk cannot be exported, or its outputs differ in ONNX Runtime.
    """
    pooling = PooledTrunk(net).to("cpu").eval()
    scales = net.head.spec.scales
    sides = sorted({scaled_side(side, scale) for scale in scales}, reverse=True)
    try:
        if not net.trunk.spec.fixed_size:
            others = sides if len(sides) > 1 else [side, _another_side(side)]
            try:
                return Trunk({ANY_SIDE: export_trunk(pooling, side, others, any_size=True)}, scales)
            except WeightsError as error:
                log.debug("one model for each size of picture: %s", error)
        return Trunk({s: export_trunk(pooling, side, [s], any_size=False) for s in sides}, scales)
    finally:
        net.to(net.runtime.device)


def _another_side(side: int) -> int:
    """Return a second side, at which a model for any size is compared with torch."""
    return max(32, round(0.75 * side / 32) * 32)
