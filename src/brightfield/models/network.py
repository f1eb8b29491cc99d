"""The network a classifier is made of: a trunk, its maps pooled, a head."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from brightfield.data.preprocessing import Preprocessing
from brightfield.models.backbone import Trunk
from brightfield.models.engine import Scorer, build_scorer
from brightfield.models.head import HeadEnsemble, HeadSpec, pool_maps
from brightfield.models.runtime import Runtime

GRAIN = 32
"""Pixels of the input to a place of the deepest maps: what a smaller look's side is a multiple of."""


def normalise(tiles: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Turn uint8 tiles (N, H, W, 3) into a network's input: float32 (N, 3, H, W), channels last in memory."""
    mean, std = (_byte_scale(values, tiles.device) for values in (preprocessing.mean, preprocessing.std))
    return tiles.to(torch.float32, copy=True).sub_(mean).div_(std).permute(0, 3, 1, 2)


@functools.lru_cache(maxsize=16)
def _byte_scale(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return a colour for tiles of bytes, kept on the device: to bring it there, a GPU would have to wait."""
    with torch.inference_mode(False):  # whoever asks first, it serves training too
        return torch.tensor(values, device=device) * 255


def looked_at(side: int, scale: float) -> int:
    """Return a side in pixels at another scale, rounded to whole places of the deepest maps."""
    return side if scale == 1.0 else max(GRAIN, round(scale * side / GRAIN) * GRAIN)


def seen_at(x: Tensor, scale: float) -> Tensor:
    """Return a batch (N, C, H, W) as seen at another scale."""
    if scale == 1.0:
        return x
    size = [looked_at(side, scale) for side in x.shape[2:]]
    return nn.functional.interpolate(x, size, mode="bilinear", antialias=True)


class TileNet(nn.Module):
    """Judges a batch of tiles: (N, 3, H, W) to (N, K) logits."""

    def __init__(self, trunk: Trunk, head: HeadEnsemble, runtime: Runtime) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.runtime = runtime
        self._engines: dict[tuple[int, ...], Scorer] = {}

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

    def thaw(self) -> None:
        """Forget what was compiled for scoring, which training makes stale."""
        self._engines = {}

    def frozen_maps(self, x: Tensor) -> list[Tensor]:
        """Return the tapped maps of a batch for scoring, without gradients.

        The first batch of a size compiles the trunk for it, as it is then: what trains it must call `thaw`.
        """
        return [m for scale in self.head.spec.scales for m in self._scored(seen_at(x, scale))]

    def _scored(self, x: Tensor) -> list[Tensor]:
        shape = tuple(x.shape[1:])
        if shape not in self._engines:
            self._engines[shape] = build_scorer(_Tapped(self), shape, self.runtime)
        return self._engines[shape](x)

    def with_head(self, head: HeadEnsemble) -> TileNet:
        """Return a network of the same trunk, compiled as it is, with another head for the same maps."""
        other = TileNet(self.trunk, head, self.runtime)
        other._engines = self._engines
        return other

    def features(self, x: Tensor) -> Tensor:
        """Return pooled features of a batch for scoring: float32 (N, D) on the CPU."""
        with torch.inference_mode():
            return self.pool(self.frozen_maps(x)).cpu()

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


class _Tapped(nn.Module):
    """The part of a network that is compiled: a batch to the tapped maps."""

    def __init__(self, net: TileNet) -> None:
        super().__init__()
        self.trunk, self.taps = net.trunk, net.head.spec.taps

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = self.trunk(x)
        return tuple(maps[t] for t in self.taps)
