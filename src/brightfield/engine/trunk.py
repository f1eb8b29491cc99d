"""A frozen trunk: the maps that a head reads, at every scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.engine import threads
from brightfield.engine.network import Network
from brightfield.engine.pixels import at_scale
from brightfield.engine.pooling import pool_maps
from brightfield.errors import BundleError

FloatArray = npt.NDArray[np.float32]

ANY_SIDE = 0
"""Stands for a network that takes pictures of any size."""

PIXELS_AT_ONCE = 2 * 256 * 256
"""Pixels in one call of a network. More are no quicker, and their maps would leave the processor's cache."""


@dataclass(frozen=True)
class Trunk:
    """The convolutions of a network, ready to run.

    A large batch is cut into pieces, one thread a piece; a small batch has all threads on each picture.

    Attributes:
        networks: By the side in pixels that each takes; `ANY_SIDE` for one that takes all.
        scales: Of the tile's side at which it sees a tile.
    """

    networks: Mapping[int, Network]
    scales: tuple[float, ...]

    def maps(self, x: FloatArray) -> list[FloatArray]:
        """Return the maps of a normalised batch (N, 3, H, W), scale by scale, the shallow ones first."""
        return self._in_pieces(x, lambda maps: maps)

    def pooled(self, x: FloatArray, pools: Sequence[str]) -> FloatArray:
        """Return the maps of a normalised batch pooled into vectors (N, D)."""
        return self._in_pieces(x, lambda maps: [pool_maps(maps, pools)])[0]

    def _in_pieces(
        self, x: FloatArray, finish: Callable[[list[FloatArray]], list[FloatArray]]
    ) -> list[FloatArray]:
        """Return what `finish` makes of the maps, joined over the pieces of the batch."""
        count = -(-len(x) * x.shape[2] * x.shape[3] // PIXELS_AT_ONCE)
        many = count >= threads.count() > 1
        if many:
            count = -(-count // threads.count()) * threads.count()
        pieces = np.array_split(x, max(1, min(count, len(x))))
        many = many and len(pieces) > 1

        def run(piece: FloatArray) -> list[FloatArray]:
            return finish([m for scale in self.scales for m in self._run(at_scale(piece, scale), many)])

        found = list(threads.pool().map(run, pieces)) if many else [run(piece) for piece in pieces]
        return found[0] if len(found) == 1 else [np.concatenate(p) for p in zip(*found, strict=True)]

    def _run(self, x: FloatArray, alone: bool) -> list[FloatArray]:
        network = self.networks.get(ANY_SIDE) or self.networks.get(x.shape[2])
        if network is None:
            known = ", ".join(str(side) for side in sorted(self.networks))
            raise BundleError(f"no network takes pictures of {x.shape[2]} px; there are some for: {known}")
        return network(x, alone=alone)
