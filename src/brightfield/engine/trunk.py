"""The frozen trunk: it computes the head's input, pooled feature maps of a picture at every scale."""

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
"""The key of a network that takes pictures of any size."""

PICTURES, SIZE, POOLED = "pictures", "size", "pooled"
"""The inputs of a trunk's ONNX model, pictures (N, 3, H, W) and the size (h, w) to resize them to, and its
first output, the pooled vectors."""

GRAIN = 32
"""The stride of the deepest maps in input pixels; the side of a reduced scale is a multiple of it."""

BATCH_PIXELS = 32 * 256 * 256
"""Pixels of tiles or pictures that are held in memory together while they are judged."""

PIXELS_AT_ONCE = 2 * 256 * 256
"""The most pixels in one call of a network. More are no faster: their maps would not fit in the cache."""


def scaled_side(side: int, scale: float) -> int:
    """Return a side in pixels at another scale, rounded to a multiple of `GRAIN`; unchanged at scale 1."""
    return side if scale == 1.0 else max(GRAIN, round(scale * side / GRAIN) * GRAIN)


@dataclass(frozen=True)
class Trunk:
    """The convolutional part of a network, as ONNX models.

    A model resizes pictures (bilinear, antialiased) and pools its maps itself. A large batch is cut into
    pieces, one thread a piece; on a small batch all threads work together.

    Attributes:
        networks: The models by the side in pixels that they work at; `ANY_SIDE` for one that takes all.
        scales: The scales at which a tile is seen, as shares of its side, the largest first.
    """

    networks: Mapping[int, Network]
    scales: tuple[float, ...]

    def pooled(self, x: FloatArray) -> FloatArray:
        """Return the head's input (N, D) for a normalised batch (N, 3, H, W), one scale after the other."""
        return self._in_pieces(x, explain=False)[0]

    def pooled_with_maps(self, x: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Return the head's input (N, D), and the maps of the largest scale, shallow to deep."""
        pooled, *maps = self._in_pieces(x, explain=True)
        return pooled, maps

    def _in_pieces(self, x: FloatArray, explain: bool) -> list[FloatArray]:
        """Return the pooled vectors, and with `explain` the maps, computed piece by piece."""
        count = -(-len(x) * x.shape[2] * x.shape[3] // PIXELS_AT_ONCE)
        parallel = count >= threads.count() > 1
        if parallel:  # as many pieces for each thread
            count = -(-count // threads.count()) * threads.count()
        pieces = np.array_split(x, max(1, min(count, len(x))))
        parallel = parallel and len(pieces) > 1

        def run(piece: FloatArray) -> list[FloatArray]:
            return self._run(np.ascontiguousarray(piece), explain, parallel)

        outputs = list(threads.pool().map(run, pieces)) if parallel else [run(piece) for piece in pieces]
        return outputs[0] if len(outputs) == 1 else [np.concatenate(o) for o in zip(*outputs, strict=True)]

    def _run(self, x: FloatArray, explain: bool, alone: bool) -> list[FloatArray]:
        """Return the joined pooled vectors of all scales, and with `explain` the maps of the largest."""
        pooled: list[FloatArray] = []
        maps: list[FloatArray] = []
        for i, scale in enumerate(self.scales):
            size = np.array([scaled_side(side, scale) for side in x.shape[2:]], dtype=np.int64)
            network = self._network(int(size[0]))
            outputs = network.outputs if explain and i == 0 else (POOLED,)
            vector, *scale_maps = network({PICTURES: x, SIZE: size}, outputs, alone=alone)
            pooled.append(vector)
            maps += scale_maps
        return [np.concatenate(pooled, axis=1) if len(pooled) > 1 else pooled[0], *maps]

    def _network(self, side: int) -> Network:
        network = self.networks.get(ANY_SIDE) or self.networks.get(side)
        if network is None:
            known = ", ".join(str(one) for one in sorted(self.networks))
            raise BundleError(
                f"the bundle has no network for pictures of {side} px, only for {known} px; train again"
            )
        return network
