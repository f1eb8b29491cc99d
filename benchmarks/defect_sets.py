"""The sets of real defects with their protocols: magnetic tiles, ball screws, MVTec's screw."""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.load import load
from brightfield.data.split import folds
from runs import smoke_parts

TESTED_TILES = 190
"""The least number of good pictures in the test split of the magnetic tiles."""


def magnetic_tiles(folder: Path, groups: Path, seed: int, *, by_tile: bool = True) -> Dataset:
    """Return the magnetic tiles with all defects and about 190 good pictures to test.

    Args:
        folder: The folder of the set, with `MT_Free` and the others.
        groups: The CSV file `image,group` that says which pictures show the same tile.
        seed: Of the permutation of groups, or of pictures.
        by_tile: Whether no tile is in two splits; else a random 80% of the good pictures train.
    """
    samples = _tiles(folder, groups)
    good = [s for s in samples if s.label == "free"]
    tested = _tested_tiles(good, seed) if by_tile else _tested_at_random(good, seed)
    shared_out = [
        replace(s, split="test" if s.label != "free" or s.image in tested else "train") for s in samples
    ]
    return _tile_set(shared_out, by_tile=by_tile)


def masked_tiles(folder: Path, groups: Path, seed: int, *, by_tile: bool) -> Dataset:
    """Return the magnetic tiles with 60% of every class to train, 20% to calibrate and 20% to test.

    The arguments are those of `magnetic_tiles`; by tile, whole tiles are taken until a split has its share.
    """
    rng = np.random.RandomState(seed)
    shared_out: list[Sample] = []
    samples = _tiles(folder, groups)
    for label in sorted({str(s.label) for s in samples}):
        of_class = [s for s in samples if s.label == label]
        keys = [str(s.group) if by_tile else s.image for s in of_class]
        before = 0
        for key in rng.permutation(sorted(set(keys))):
            share = before / len(of_class)
            name = "train" if share < 0.6 else "calibration" if share < 0.8 else "test"
            taken = [s for s, own in zip(of_class, keys, strict=True) if own == key]
            shared_out += [replace(s, split=name) for s in taken]
            before += len(taken)
    return _tile_set(sorted(shared_out, key=lambda s: s.image), by_tile=by_tile)


def labelled_tiles(folder: Path, groups: Path) -> Dataset:
    """Return the magnetic tiles with their types and tiles, shared out to no split, without masks."""
    samples = [replace(s, mask=None) for s in _tiles(folder, groups)]
    return _tile_set(samples, by_tile=True)


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Add the options of a benchmark on labels: which of `named`, where they are, the seeds, a cache."""
    parser.add_argument("--magnetic-tile", type=Path, help="a folder")
    parser.add_argument("--groups", type=Path, help="the CSV that says which pictures show the same tile")
    parser.add_argument(
        "--only", nargs="+", choices=("elpv", "magnetic-tile"), default=["elpv", "magnetic-tile"]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cache", type=Path, help="a folder that keeps the features for another run")


def named(name: str, args: argparse.Namespace, folder: Path) -> Dataset:
    """Return the solar cells, the magnetic tiles with the tile of each picture, or a smoke run's parts.

    Args:
        name: `elpv` or `magnetic-tile`.
        args: With `smoke`, and `magnetic_tile` and `groups` where tiles are asked for.
        folder: Where the parts of a smoke run are.
    """
    if args.smoke:
        return smoke_parts(folder)
    if name == "elpv":
        return load(name)
    if args.magnetic_tile is None or args.groups is None:
        raise SystemExit("the magnetic tiles need --magnetic-tile FOLDER and --groups CSV; or --only elpv")
    return labelled_tiles(args.magnetic_tile, args.groups)


def _tiles(folder: Path, groups: Path) -> list[Sample]:
    with groups.open(encoding="utf-8", newline="") as file:
        group_of = {row["image"]: row["group"] for row in csv.DictReader(file)}
    samples = []
    for image in sorted(group_of):
        label = image.split("/")[0].removeprefix("MT_").lower()
        path = folder / image
        mask = path.with_suffix(".png") if label != "free" else None
        samples.append(Sample(image, path, label, mask=mask, group=group_of[image]))
    return samples


def _tile_set(samples: list[Sample], *, by_tile: bool) -> Dataset:
    types = sorted({str(s.label) for s in samples} - {"free"})
    if by_tile:
        return Dataset("magnetic tiles, by tile", tuple(samples), ("free", *types), "free")
    alone = tuple(replace(s, group=None) for s in samples)
    return Dataset("magnetic tiles, random split", alone, ("free", *types), "free")


def _tested_tiles(good: list[Sample], seed: int) -> set[str]:
    names = np.unique([str(s.group) for s in good])
    tested: set[str] = set()
    for name in np.random.RandomState(seed).permutation(names):
        if len(tested) >= TESTED_TILES:
            break
        tested |= {s.image for s in good if s.group == name}
    return tested


def _tested_at_random(good: list[Sample], seed: int) -> set[str]:
    order = np.random.RandomState(seed).permutation(len(good))
    return {good[i].image for i in order[: round(0.2 * len(good))]}


def ball_screws(manifest: Path, fold: int, *, good_alone: bool = True) -> Dataset:
    """Return a fold of 5 by place of the ball screws; with `good_alone`, defects in the test split only."""
    shared_out = folds(load(manifest), 5, 0, calibration=0.0)[fold]
    name = "ball screws, folds by place"
    return replace(good_parts_alone(shared_out) if good_alone else shared_out, name=name)


def screw(folder: Path) -> Dataset:
    """Return MVTec's screw in its own split."""
    return replace(load(folder), name="screw")


def good_parts_alone(dataset: Dataset) -> Dataset:
    """Return a data set without the defects that are not tested."""
    return dataset.subset(s for s in dataset.samples if s.split == "test" or s.label == dataset.normal)
