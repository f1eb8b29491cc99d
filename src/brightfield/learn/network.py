"""The network of a classifier: a trunk, spatial pooling of its maps, and a head."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import scaled_side
from brightfield.learn.backbone import Trunk
from brightfield.learn.head import HeadEnsemble, pool_maps
from brightfield.learn.runtime import Runtime


def normalise(tiles: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return a network's input, float32 (N, 3, H, W) in channels-last layout, from uint8 (N, H, W, 3)."""
    mean, std = (_byte_scale(values, tiles.device) for values in (preprocessing.mean, preprocessing.std))
    return tiles.to(torch.float32, copy=True).sub_(mean).div_(std).permute(0, 3, 1, 2)


@functools.lru_cache(maxsize=16)
def _byte_scale(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return a colour times 255, cached on the device, since a transfer in every batch would stall a GPU."""
    with torch.inference_mode(False):  # the cached tensor must be usable in training too
        return torch.tensor(values, device=device) * 255


def rescaled(x: Tensor, scale: float) -> Tensor:
    """Return a batch (N, C, H, W) resized to another scale."""
    if scale == 1.0:
        return x
    size = [scaled_side(side, scale) for side in x.shape[2:]]
    return nn.functional.interpolate(x, size, mode="bilinear", antialias=True)


class TileNet(nn.Module):
    """A trunk and a head: a batch of tiles (N, 3, H, W) to logits (N, K)."""

    def __init__(self, trunk: Trunk, head: HeadEnsemble, runtime: Runtime) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.runtime = runtime

    def tapped(self, x: Tensor) -> list[Tensor]:
        """Return the maps that the head reads, one scale after the other, shallow to deep."""
        spec = self.head.spec
        every = [self.trunk(self.runtime.put(rescaled(x, scale))) for scale in spec.scales]
        return [maps[t] for maps in every for t in spec.taps]

    def pool(self, maps: list[Tensor]) -> Tensor:
        """Return the head's input (N, D) from the maps that `tapped` returned."""
        return pool_maps(maps, self.head.spec.pools)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, K)."""
        return self.head(self.pool(self.tapped(x)))  # type: ignore[no-any-return]

    def trunk_fingerprint(self) -> str:
        """Return the SHA-256 of the trunk's name, number format and weights."""
        digest = hashlib.sha256(f"{self.trunk.spec.name} {self.runtime.dtype}".encode())
        for name, value in self.trunk.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()


def build_network(trunk: Trunk, classes: int, spec: HeadSpec, runtime: Runtime) -> TileNet:
    """Return a network of a trunk and a new head with random weights."""
    head = HeadEnsemble(spec.width(trunk.spec.channels), classes, spec)
    return TileNet(runtime.place(trunk), head.to(runtime.device), runtime)  # type: ignore[arg-type]


class PooledTrunk(nn.Module):
    """The part of a network that is exported: the trunk and the spatial pooling."""

    def __init__(self, net: TileNet) -> None:
        super().__init__()
        self.trunk, self.taps, self.pools = net.trunk, net.head.spec.taps, net.head.spec.pools

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the pooled vectors (N, D) of a batch at one scale, and the maps they were pooled from."""
        every = self.trunk(x)
        maps = [every[t] for t in self.taps]
        return (pool_maps(maps, self.pools), *maps)
