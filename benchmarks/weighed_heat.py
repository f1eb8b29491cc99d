"""Heatmaps weighed by how unlike good parts each place is: tried, measured by `heatmaps.py`, and not kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.data.split import clusters_of
from brightfield.engine.heat import SMOOTHING
from brightfield.engine.nearest import nearest, squared_norms
from brightfield.engine.patches import Embedding, cells_inside
from brightfield.engine.resample import resampled, spreading
from brightfield.methods.classifier.fitted import Classifier
from brightfield.methods.good_parts.stream import tile_stream, working_pictures
from brightfield.methods.patches.coreset import Coreset
from brightfield.methods.patches.whitening import Moments

FloatArray = npt.NDArray[np.float32]
Maps = tuple[list[FloatArray], npt.NDArray[np.bool_]]
"""Feature maps of some tiles, (T, C, h, w) each, and which of their cells lie in the picture, (T, h, w)."""

PATCHES, WIDTH, MOST_PICTURES, FOR_WHITENING = 1000, 64, 120, 100
HELD_OUT = 0.25  # the share of the good pictures that says which distances are ordinary
ORDINARY, UNUSUAL = 0.5, 0.9  # quantiles of their distances
LEAST = 0.05  # the weight of an ordinary place; above 0, so that no map is all calm


@dataclass(frozen=True, eq=False)
class GoodPatches:
    """A small memory bank of patches of good parts, from the finest map.

    Attributes:
        embedding: The embedding of the map.
        patches: The patch vectors, float32 (K, D).
        ordinary: The distance up to which a patch is as those of good parts.
        unusual: The distance from which a patch is wholly unlike them.
    """

    embedding: Embedding
    patches: FloatArray = field(repr=False)
    ordinary: float = 0.0
    unusual: float = 1.0

    def distances(self, finest: FloatArray) -> FloatArray:
        """Return the distance of each cell of a map (N, C, h, w) to the nearest patch, (N, h, w)."""
        cells = self.embedding([finest])
        flat = cells.reshape(-1, cells.shape[3])
        return np.sqrt(nearest(flat, self.patches, squared_norms(self.patches))[0]).reshape(cells.shape[:3])

    def unlikeness(self, finest: FloatArray) -> FloatArray:
        """Return how unlike good parts each cell is, (N, h, w), from `LEAST` to 1."""
        share = (self.distances(finest) - self.ordinary) / (self.unusual - self.ordinary)
        return np.asarray(LEAST + (1 - LEAST) * share.clip(0, 1), dtype=np.float32)


class Weighed(Classifier):
    """A classifier whose heatmaps are weighed by how unlike good parts each place is."""

    def __init__(self, judge: Classifier, good: GoodPatches) -> None:
        super().__init__(
            judge.trunk,
            judge.head,
            judge.preprocessing,
            normal=judge.normal,
            views=judge.views,
            backbone=judge.backbone,
        )
        self.good = good

    def cam(
        self,
        maps: Sequence[FloatArray],
        gradients: Sequence[FloatArray],
        baselines: Sequence[FloatArray | None],
    ) -> FloatArray:
        """Return the activation maps of tiles, times the unlikeness of each place."""
        unlikeness, size = self.good.unlikeness(maps[0]), self.preprocessing.tile
        rows, columns = (spreading(cells, size, SMOOTHING * size) for cells in unlikeness.shape[1:])
        return super().cam(maps, gradients, baselines) * resampled(unlikeness, rows, columns)


def good_patches(judge: Classifier, dataset: Dataset, seed: int) -> GoodPatches:
    """Return a bank of patches of good training parts, and which distances from it are ordinary."""
    train, rng = dataset.split("train"), np.random.default_rng(seed)
    good = np.flatnonzero([s.label == dataset.normal for s in train.samples])
    rows = np.sort(rng.permutation(good)[:MOST_PICTURES])
    clusters = np.array(clusters_of(train, None))[rows]
    held = np.zeros(len(rows), dtype=np.bool_)
    for number in rng.permutation(np.unique(clusters)):
        more = held | (clusters == number)
        if held.sum() >= HELD_OUT * len(rows):
            break
        held = held if more.all() else more
    stream = _maps(judge, [train.samples[i].path for i in rng.permutation(rows[~held])])
    first: list[Maps] = []
    while sum(len(inside) for _, inside in first) < FOR_WHITENING and (one := next(stream, None)):
        first.append(one)
    moments = Moments([first[0][0][0].shape[1]])
    for maps, inside in first:
        moments.add(maps, inside)
    embedding = moments.embedding(most=WIDTH)
    coreset = Coreset(PATCHES, embedding.width, 0, seed)
    for maps, _ in itertools.chain(first, stream):
        # padding too: it looks the same beside every part, so nothing there can be the reason
        cells = embedding(maps).reshape(-1, embedding.width)
        coreset.add(cells, np.empty((len(cells), 0), dtype=np.int64))
    coreset.finish()
    bank = GoodPatches(embedding, coreset.vectors)
    aside = _maps(judge, [train.samples[i].path for i in rows[held]])
    distances = np.concatenate([bank.distances(maps[0])[inside] for maps, inside in aside])
    ordinary, unusual = (float(q) for q in np.quantile(distances, (ORDINARY, UNUSUAL)))
    return GoodPatches(embedding, coreset.vectors, ordinary, max(unusual, ordinary + 1e-6))


def _maps(judge: Classifier, paths: Sequence[Path]) -> Iterator[Maps]:
    """Yield the finest map of each batch of tiles."""
    rule = judge.preprocessing
    for batch in tile_stream(working_pictures(paths, rule), rule):
        maps = judge.trunk.maps(batch.x, [0])
        grid = (maps[0].shape[2], maps[0].shape[3])
        inside = [cells_inside(shape, origin, rule.tile, grid) for shape, origin in batch.places]
        yield maps, np.stack(inside)
