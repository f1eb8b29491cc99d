"""Scores of many images, whatever the method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from brightfield.data.cache import PixelCache
from brightfield.decide.scores import Scores
from brightfield.methods.base import Judgement, Method, Picture
from brightfield.progress import Progress, silent

PIXELS_AT_ONCE = 32 * 256 * 256
"""Pixels of the pictures that are judged together."""


def score(method: Method, cache: PixelCache, progress: Progress | None = None) -> Scores:
    """Return the scores of every cached image."""
    tell = progress or silent
    found: list[Judgement] = []
    for pictures in batches(cache[i] for i in range(len(cache))):
        found += method.judge(pictures, explain=False)
        tell("score", len(found), len(cache))
    return scores_of(found)


def scores_of(judgements: Iterable[Judgement]) -> Scores:
    """Return the scores of judgements of one method."""
    found = list(judgements)
    logits = [j.logits for j in found if j.logits is not None]
    return Scores(
        np.array([j.score for j in found], dtype=np.float64),
        np.stack(logits) if found and len(logits) == len(found) else None,
    )


def batches(pictures: Iterable[Picture], most: int | None = None) -> Iterator[list[Picture]]:
    """Yield pictures in order, so many together as hold about `PIXELS_AT_ONCE`, or `most` of them."""
    waiting: list[Picture] = []
    pixels = 0
    for picture in pictures:
        waiting.append(picture)
        pixels += picture.shape[0] * picture.shape[1]
        if pixels >= PIXELS_AT_ONCE or len(waiting) == most:
            yield waiting
            waiting, pixels = [], 0
    if waiting:
        yield waiting
