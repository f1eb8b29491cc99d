"""The frozen trunk: it computes the head's input, pooled feature maps of a picture at every scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

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


def map_name(i: int) -> str:
    """Return the name of a model's output for its map number `i`, shallow to deep."""
    return f"map {i}"


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
        return self._in_pieces(x, partial(self._run, explain=False))[0]

    def pooled_with_maps(self, x: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Return the head's input (N, D), and the maps of the largest scale, shallow to deep."""
        pooled, *maps = self._in_pieces(x, partial(self._run, explain=True))
        return pooled, maps

    def maps(self, x: FloatArray, needed: Sequence[int]) -> list[FloatArray]:
        """Return some of the maps of the largest scale, (N, C, h, w) each, by their numbers from 0."""
        names = [map_name(i) for i in needed]

        def run(piece: FloatArray, alone: bool) -> list[FloatArray]:
            return self._outputs(piece, self.scales[0], names, alone)

        return self._in_pieces(x, run)

    def _in_pieces(
        self, x: FloatArray, run: Callable[[FloatArray, bool], list[FloatArray]]
    ) -> list[FloatArray]:
        """Return what `run(piece, alone)` returns, joined over the pieces that the batch is cut into."""
        count = -(-len(x) * x.shape[2] * x.shape[3] // PIXELS_AT_ONCE)
        parallel = count >= threads.count() > 1
        if parallel:  # as many pieces for each thread
            count = -(-count // threads.count()) * threads.count()
        pieces = np.array_split(x, max(1, min(count, len(x))))
        parallel = parallel and len(pieces) > 1

        def run_piece(piece: FloatArray) -> list[FloatArray]:
            return run(np.ascontiguousarray(piece), parallel)

        pool = threads.pool().map if parallel else map
        outputs = list(pool(run_piece, pieces))
        return outputs[0] if len(outputs) == 1 else [np.concatenate(o) for o in zip(*outputs, strict=True)]

    def _run(self, x: FloatArray, alone: bool, *, explain: bool) -> list[FloatArray]:
        """Return the joined pooled vectors of all scales, and with `explain` the maps of the largest."""
        pooled: list[FloatArray] = []
        maps: list[FloatArray] = []
        for i, scale in enumerate(self.scales):
            names = None if explain and i == 0 else (POOLED,)
            vector, *scale_maps = self._outputs(x, scale, names, alone)
            pooled.append(vector)
            maps += scale_maps
        return [np.concatenate(pooled, axis=1) if len(pooled) > 1 else pooled[0], *maps]

    def _outputs(
        self, x: FloatArray, scale: float, names: Sequence[str] | None, alone: bool
    ) -> list[FloatArray]:
        """Return outputs of the model on pictures seen at a scale; all of them if `names` is None."""
        size = np.array([scaled_side(side, scale) for side in x.shape[2:]], dtype=np.int64)
        network = self._network(int(size[0]))
        return network({PICTURES: x, SIZE: size}, names or network.outputs, alone=alone)

    def _network(self, side: int) -> Network:
        network = self.networks.get(ANY_SIDE) or self.networks.get(side)
        if network is None:
            known = ", ".join(str(one) for one in sorted(self.networks))
            raise BundleError(
                f"the bundle has no network for pictures of {side} px, only for {known} px; train again"
            )
        return network


_MODEL = "network"


def model_name(side: int) -> str:
    """Return the name under which the model for pictures of a side is stored."""
    return _MODEL if side == ANY_SIDE else f"{_MODEL}-{side}"


def models_by_side(models: Mapping[str, bytes]) -> dict[int, Network]:
    """Return the trunk's networks by their side, from stored models by name; others are left out.

    Raises:
        BundleError: If ONNX Runtime cannot run a model.
        ValueError: If the name of a model holds no side.
    """
    return {
        ANY_SIDE if name == _MODEL else int(name.removeprefix(f"{_MODEL}-")): Network(model)
        for name, model in models.items()
        if name == _MODEL or name.startswith(f"{_MODEL}-")
    }
