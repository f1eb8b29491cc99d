"""The network a classifier is made of: a trunk, its maps pooled, a head."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.pixels import scaled_side
from brightfield.engine.spec import HeadSpec
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
        return [m for scale in self.head.spec.scales for m in self.tapped_at_one_scale(seen_at(x, scale))]

    def tapped_at_one_scale(self, x: Tensor) -> list[Tensor]:
        """Return the maps the head reads of a batch at one scale."""
        maps = self.trunk(self.runtime.put(x))
        return [maps[t] for t in self.head.spec.taps]

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


class Tapped(nn.Module):
    """The part of a network that is exported: a batch at one scale to the tapped maps."""

    def __init__(self, net: TileNet) -> None:
        super().__init__()
        self.trunk, self.taps = net.trunk, net.head.spec.taps

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the tapped maps."""
        maps = self.trunk(x)
        return tuple(maps[t] for t in self.taps)
