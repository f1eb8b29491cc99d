"""Scoring of many images with any method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from brightfield.data.cache import PixelCache
from brightfield.decide.scores import Scores
from brightfield.engine.trunk import BATCH_PIXELS
from brightfield.methods.base import Judgement, Method, Picture
from brightfield.progress import Progress, silent


def score(method: Method, cache: PixelCache, progress: Progress | None = None) -> Scores:
    """Return the scores of all cached images, in order."""
    return scores_of(judged(method, cache, range(len(cache)), progress))


def judged(
    method: Method, cache: PixelCache, rows: Sequence[int], progress: Progress | None = None
) -> list[Judgement]:
    """Return the judgements of cached images, by their positions in the cache, without heatmaps."""
    tell = progress or silent
    judgements: list[Judgement] = []
    for pictures in batches(cache[i] for i in rows):
        judgements += method.judge(pictures, explain=False)
        tell("score", len(judgements), len(rows))
    return judgements


def scores_of(judgements: Iterable[Judgement]) -> Scores:
    """Return the scores of a sequence of judgements by one method."""
    every = list(judgements)
    logits = [j.logits for j in every if j.logits is not None]
    return Scores(
        np.array([j.score for j in every], dtype=np.float64),
        np.stack(logits) if every and len(logits) == len(every) else None,
    )


def batches(pictures: Iterable[Picture], most: int | None = None) -> Iterator[list[Picture]]:
    """Yield pictures in batches, in order; a batch ends at `BATCH_PIXELS` pixels, or at `most` pictures."""
    waiting: list[Picture] = []
    pixels = 0
    for picture in pictures:
        waiting.append(picture)
        pixels += picture.shape[0] * picture.shape[1]
        if pixels >= BATCH_PIXELS or len(waiting) == most:
            yield waiting
            waiting, pixels = [], 0
    if waiting:
        yield waiting
