"""A frozen trunk: what a head reads of a picture at every scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.engine import threads
from brightfield.engine.network import Network
from brightfield.errors import BundleError

FloatArray = npt.NDArray[np.float32]

ANY_SIDE = 0
"""Stands for a network that takes pictures of any size."""

PICTURES, SIZE, POOLED = "pictures", "size", "pooled"
"""The inputs of a trunk's model, (N, 3, H, W) and the (h, w) at which it sees them, and its first output."""

GRAIN = 32
"""Pixels of the input to a place of the deepest maps: a smaller scale's side is a multiple of it."""

PIXELS_AT_ONCE = 2 * 256 * 256
"""Pixels in one call of a network. More are no quicker, and their maps would leave the processor's cache."""


def scaled_side(side: int, scale: float) -> int:
    """Return a side in pixels at another scale, rounded to whole places of the deepest maps."""
    return side if scale == 1.0 else max(GRAIN, round(scale * side / GRAIN) * GRAIN)


@dataclass(frozen=True)
class Trunk:
    """The convolutions of a network, ready to run.

    A model makes pictures smaller by itself (bilinear, antialiased) and pools its maps by itself. A large
    batch is cut into pieces, one thread a piece; a small batch has all threads on each picture.

    Attributes:
        networks: By the side in pixels at which each sees; `ANY_SIDE` for one that sees all.
        scales: Of the tile's side at which it sees a tile, the largest first.
    """

    networks: Mapping[int, Network]
    scales: tuple[float, ...]

    def pooled(self, x: FloatArray) -> FloatArray:
        """Return the head's input (N, D) of a normalised batch (N, 3, H, W): scale by scale."""
        return self._in_pieces(x, explain=False)[0]

    def pooled_with_maps(self, x: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Return the head's input (N, D), and the maps of the largest scale, the shallow ones first."""
        pooled, *maps = self._in_pieces(x, explain=True)
        return pooled, maps

    def _in_pieces(self, x: FloatArray, explain: bool) -> list[FloatArray]:
        count = -(-len(x) * x.shape[2] * x.shape[3] // PIXELS_AT_ONCE)
        many = count >= threads.count() > 1
        if many:
            count = -(-count // threads.count()) * threads.count()
        pieces = np.array_split(x, max(1, min(count, len(x))))
        many = many and len(pieces) > 1

        def see(piece: FloatArray) -> list[FloatArray]:
            return self._see(np.ascontiguousarray(piece), explain, many)

        found = list(threads.pool().map(see, pieces)) if many else [see(piece) for piece in pieces]
        return found[0] if len(found) == 1 else [np.concatenate(p) for p in zip(*found, strict=True)]

    def _see(self, x: FloatArray, explain: bool, alone: bool) -> list[FloatArray]:
        """Return the pooled vectors of all scales, joined, and where asked for the maps of the first."""
        pooled: list[FloatArray] = []
        maps: list[FloatArray] = []
        for i, scale in enumerate(self.scales):
            size = np.array([scaled_side(side, scale) for side in x.shape[2:]], dtype=np.int64)
            network = self._network(int(size[0]))
            outputs = network.outputs if explain and i == 0 else (POOLED,)
            vector, *of_scale = network({PICTURES: x, SIZE: size}, outputs, alone=alone)
            pooled.append(vector)
            maps += of_scale
        return [np.concatenate(pooled, axis=1) if len(pooled) > 1 else pooled[0], *maps]

    def _network(self, side: int) -> Network:
        network = self.networks.get(ANY_SIDE) or self.networks.get(side)
        if network is None:
            known = ", ".join(str(one) for one in sorted(self.networks))
            raise BundleError(f"no network sees pictures at {side} px; there are some for: {known}")
        return network
