"""A coreset of patches, chosen while they stream by, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.engine.nearest import nearest, squared_norms

FloatArray = npt.NDArray[np.float32]

KEY = 48
"""The dimensions of the random projection in which patches are compared while the coreset is chosen."""

WAITING = 4
"""How many times as many patches as the coreset holds may wait for the next selection."""


@dataclass(frozen=True)
class Selection:
    """How a coreset was chosen, from which its stream can go on.

    Attributes:
        size: The most patches that the coreset holds.
        seed: The seed of the projection.
        radius: The distance, in the projection, within which all dropped patches lie of a kept one.
    """

    size: int
    seed: int
    radius: float


class Coreset:
    """The patches that cover all patches seen so far, by greedy k-center selection over a stream.

    Patches wait until they are several times as many as the coreset; then those that cover all of them are
    selected (Roth et al. 2022, algorithm 1, in a random projection). From then on a patch that is as near to
    the coreset as those that the last selection left out is dropped at once, so that time grows linearly and
    memory not at all (the doubling algorithm, Charikar et al., Incremental clustering, 1997).

    Attributes:
        size: The most patches that the coreset holds.
        vectors: The patch vectors, float32 (n, D).
        tags: Integers that each patch came with, int64 (n, T).
        radius: The distance, in the projection, within which all dropped patches lie of a kept one.
    """

    def __init__(self, size: int, width: int, tags: int, seed: int) -> None:
        """Start without patches.

        Args:
            size: The most patches that the coreset holds, at least 1.
            width: D, the length of a patch vector.
            tags: T, the integers that each patch comes with.
            seed: The seed of the projection.
        """
        self.size, self.seed = size, seed
        self.vectors = np.empty((0, width), dtype=np.float32)
        self.tags = np.empty((0, tags), dtype=np.int64)
        self.radius = 0.0
        self._keys = np.empty((0, min(width, KEY)), dtype=np.float32)
        self._selected = 0  # the first patches are those of the last selection, the others wait
        self._waiting: list[tuple[FloatArray, npt.NDArray[np.int64], FloatArray]] = []
        self._count = 0
        rng = np.random.default_rng(seed)
        self._projection = (
            None if width <= KEY else (rng.standard_normal((width, KEY)) / np.sqrt(KEY)).astype(np.float32)
        )

    @classmethod
    def resumed(cls, selection: Selection, vectors: FloatArray, tags: npt.NDArray[np.int64]) -> Coreset:
        """Return a finished coreset again, as if its stream had only paused.

        Args:
            selection: How it was chosen.
            vectors: Its patches, float32 (n, D), n at most its size.
            tags: Their tags, int64 (n, T).
        """
        coreset = cls(selection.size, vectors.shape[1], tags.shape[1], selection.seed)
        coreset.radius = selection.radius
        coreset._waiting = [(vectors, tags, coreset._projected(vectors))]
        coreset.finish()
        return coreset

    @property
    def selection(self) -> Selection:
        """How the patches were chosen."""
        return Selection(self.size, self.seed, self.radius)

    def __len__(self) -> int:
        return len(self.vectors) + self._count

    def add(self, vectors: FloatArray, tags: npt.NDArray[np.int64]) -> None:
        """Take patches in, float32 (n, D), with their tags, int64 (n, T)."""
        keys = self._projected(vectors)
        if self._selected and self.radius > 0:
            near, _ = nearest(keys, self._keys[: self._selected], self._norms)
            new = near > self.radius**2
            vectors, tags, keys = vectors[new], tags[new], keys[new]
        if not len(vectors):
            return
        self._waiting.append((vectors.copy(), tags.copy(), keys.copy()))
        self._count += len(vectors)
        if self._count >= WAITING * self.size:
            self.finish()

    def _projected(self, vectors: FloatArray) -> FloatArray:
        """Return patches (n, D) as they are compared while the coreset is chosen."""
        return vectors if self._projection is None else vectors @ self._projection

    def finish(self) -> None:
        """Select, so that `vectors` and `tags` hold no more than `size` patches."""
        if self._waiting:
            parts = [(self.vectors, self.tags, self._keys), *self._waiting]
            self.vectors, self.tags, self._keys = (np.concatenate(of) for of in zip(*parts, strict=True))
            self._waiting, self._count = [], 0
        if len(self.vectors) > self.size:
            rows, self.radius = k_center(self._keys, self.size)
            self.vectors, self.tags, self._keys = self.vectors[rows], self.tags[rows], self._keys[rows]
        self._selected = len(self.vectors)
        self._norms = squared_norms(self._keys)


def k_center(vectors: FloatArray, size: int) -> tuple[npt.NDArray[np.intp], float]:
    """Return the rows of `size` vectors that cover all of (n, D), and the radius within which they do.

    The first is the one nearest to the mean; each next one is the farthest from all before (Gonzalez 1985).
    The radius is at most twice the least possible one.

    Args:
        vectors: float32 (n, D), n at least `size`.
        size: How many to select, at least 1.
    """
    halves = np.float32(0.5) * squared_norms(vectors)
    rows = np.empty(size, dtype=np.intp)
    rows[0] = int(((vectors - vectors.mean(0)) ** 2).sum(1).argmin())
    # half the squared distance to the nearest selected vector: |x|^2 / 2 - x.y + |y|^2 / 2
    least = np.full(len(vectors), np.inf, dtype=np.float32)
    scratch = np.empty_like(least)
    for i in range(size):
        if i:
            rows[i] = int(least.argmax())
        chosen = int(rows[i])
        np.matmul(vectors, vectors[chosen], out=scratch)
        np.subtract(halves, scratch, out=scratch)
        scratch += halves[chosen]
        np.minimum(least, scratch, out=least)
    return rows, float(np.sqrt(2 * max(0.0, float(least.max()))))
