"""The network a classifier is made of: a trunk, its maps pooled, a head."""

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
    """Turn uint8 tiles (N, H, W, 3) into a network's input: float32 (N, 3, H, W), channels last in memory."""
    mean, std = (_byte_scale(values, tiles.device) for values in (preprocessing.mean, preprocessing.std))
    return tiles.to(torch.float32, copy=True).sub_(mean).div_(std).permute(0, 3, 1, 2)


@functools.lru_cache(maxsize=16)
def _byte_scale(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return a colour for tiles of bytes, kept on the device: to bring it there, a GPU would have to wait."""
    with torch.inference_mode(False):  # whoever asks first, it serves training too
        return torch.tensor(values, device=device) * 255


def seen_at(x: Tensor, scale: float) -> Tensor:
    """Return a batch (N, C, H, W) as seen at another scale."""
    if scale == 1.0:
        return x
    size = [scaled_side(side, scale) for side in x.shape[2:]]
    return nn.functional.interpolate(x, size, mode="bilinear", antialias=True)


class TileNet(nn.Module):
    """Judges a batch of tiles: (N, 3, H, W) to (N, K) logits."""

    def __init__(self, trunk: Trunk, head: HeadEnsemble, runtime: Runtime) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.runtime = runtime

    def tapped(self, x: Tensor) -> list[Tensor]:
        """Return the maps the head reads, in its order: scale by scale, the shallow ones first."""
        spec = self.head.spec
        every = [self.trunk(self.runtime.put(seen_at(x, scale))) for scale in spec.scales]
        return [maps[t] for maps in every for t in spec.taps]

    def pool(self, maps: list[Tensor]) -> Tensor:
        """Pool tapped maps into the head's input (N, D)."""
        return pool_maps(maps, self.head.spec.pools)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits; gradients flow, and BatchNorm follows the mode of each layer."""
        return self.head(self.pool(self.tapped(x)))  # type: ignore[no-any-return]

    def trunk_fingerprint(self) -> str:
        """Return the SHA-256 of the trunk's weights and its number format."""
        digest = hashlib.sha256(f"{self.trunk.spec.name} {self.runtime.dtype}".encode())
        for name, value in self.trunk.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()


def build_network(trunk: Trunk, classes: int, spec: HeadSpec, runtime: Runtime) -> TileNet:
    """Join a trunk to a new head of a spec."""
    head = HeadEnsemble(spec.width(trunk.spec.channels), classes, spec)
    return TileNet(runtime.place(trunk), head.to(runtime.device), runtime)  # type: ignore[arg-type]


class PooledTrunk(nn.Module):
    """What of a network is exported: pictures and a size to the pooled vectors, and the maps themselves."""

    def __init__(self, net: TileNet) -> None:
        super().__init__()
        self.trunk, self.taps, self.pools = net.trunk, net.head.spec.taps, net.head.spec.pools

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the pooled vectors (N, D) and the tapped maps of a batch at one scale."""
        every = self.trunk(x)
        maps = [every[t] for t in self.taps]
        return (pool_maps(maps, self.pools), *maps)
