"""Measures pictures that calibrate an inspector, so that a line can be compared with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.parallel import ordered_map
from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.measurement import measure
from brightfield.methods.base import Judgement
from brightfield.methods.prepared import looked_at
from brightfield.monitor.measurement import SHOWN, Measured, in_natural_order, size_of, thumbnail

MOST = 1000
"""The most pictures that are measured, evenly spaced: more make no limit closer."""

MOST_ANEW = 300
"""The same where each must be judged once more, as only its score by other networks is known."""


def rows_to_measure(count: int, most: int) -> npt.NDArray[np.int64]:
    """Return evenly spaced positions among so many pictures, at most `most` of them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def measured_reference(
    rows: npt.NDArray[np.int64],
    judgements: Sequence[Judgement],
    pictures: tuple[PixelCache, Preprocessing],
    samples: Sequence[Sample],
    data: Dataset,
) -> Measured:
    """Return the measured pictures of the reference.

    Args:
        rows: Which of the calibrating pictures are measured, (N,).
        judgements: The judgement of each of them.
        pictures: All calibrating pictures at working size, and the preprocessing that made them.
        samples: Their samples.
        data: The whole data set, among whose names each picture has its place.
    """
    cache, preprocessing = pictures
    chosen = [samples[i] for i in rows]
    sizes = list(ordered_map(size_of, [s.path for s in chosen]))
    measurements = tuple(
        measure(cache[int(i)], looked_at(preprocessing, cache[int(i)]), size, judgement.embedding)
        for i, judgement, size in zip(rows, judgements, sizes, strict=True)
    )
    names = [s.image for s in data.samples]
    place_of = dict(zip(names, in_natural_order(names).tolist(), strict=True))
    good = [i for i, s in enumerate(chosen) if s.label == data.normal] or list(range(len(chosen)))
    shown = [good[int(i)] for i in rows_to_measure(len(good), SHOWN)]
    return Measured(
        rows=rows,
        measurements=measurements,
        images=tuple(s.image for s in chosen),
        positions=np.array([place_of[s.image] for s in chosen], dtype=np.int64),
        groups=_numbered([s.group for s in chosen]),
        thumbnails={i: thumbnail(cache[int(rows[i])]) for i in shown},
    )


def _numbered(groups: Sequence[str | None]) -> npt.NDArray[np.int64]:
    known = sorted({g for g in groups if g is not None})
    number = {group: i for i, group in enumerate(known)}
    return np.array([-1 if g is None else number[g] for g in groups], dtype=np.int64)
