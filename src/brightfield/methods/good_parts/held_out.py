"""The good parts that a method learns from, and those that are held out to standardise its scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.split import clusters_of
from brightfield.methods.base import Job

HELD_OUT = 0.15
MOST_HELD_OUT = 100
"""The share and the most of the good training parts by which scores are standardised."""


def good_training_parts(job: Job) -> Dataset:
    """Return the good parts of the training split."""
    train = job.data.split("train")
    return train.subset(s for s in train.samples if s.label == job.data.normal)


def good_duplicates(job: Job) -> npt.NDArray[np.intp]:
    """Return the near-duplicate group of each good training image."""
    good = [s.label == job.data.normal for s in job.data.split("train").samples]
    numbers: npt.NDArray[np.intp] = np.asarray(job.duplicates)[np.asarray(good)]
    return numbers


def hold_out(good: Dataset, duplicates: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.bool_]:
    """Return which good training parts standardise a method, bool (N,); the pictures of a group together.

    They are 15% of the parts, 100 at the most and 1 at the least.
    """
    cluster = np.asarray(clusters_of(good, duplicates.tolist()))  # (N,)
    numbers = np.unique(cluster)
    wanted = min(MOST_HELD_OUT, max(1, round(HELD_OUT * len(good))))
    held = np.zeros(len(good), dtype=np.bool_)
    for number in np.random.default_rng(seed).permutation(numbers):
        if held.sum() >= wanted:
            break
        more = held | (cluster == number)
        held = more if not more.all() else held
    return held


def calibration_cache(job: Job, rule: Preprocessing) -> PixelCache:
    """Return the calibration images at working size."""
    paths = [s.path for s in job.data.split("calibration").samples]
    return build_cache(paths, rule=rule, folder=job.folder / "pixels", progress=job.progress)
