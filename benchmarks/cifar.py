"""CIFAR-10 from scratch: `fast` against `tutorial`, in one process, in turn.

`tutorial` in full takes hours on a CPU, so that its epochs are timed, and only the first ones run unless the
whole is asked for:

    python benchmarks/cifar.py --data FOLDER --seeds 0 1 2
    python benchmarks/cifar.py --data FOLDER --epochs 3
    python benchmarks/cifar.py --data FOLDER --recipe tutorial --whole --precision bfloat16
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from pathlib import Path

from brightfield import Dataset, TrainOptions
from brightfield.data.load import load
from brightfield.learn.recipes import PRECISIONS
from brightfield.options import make_options
from brightfield.pipeline.train import train
from cifar_gpu import name_of
from record import Row
from runs import begun, new_parser, rows_of, run, save, smoke_small_pictures, summary

TIMED_EPOCHS = 2
SMOKE = {"backbone": "lenet5", "batch": 20}
"""A network for small pictures, however few there are."""


class EnoughError(Exception):
    """The epochs asked for have run."""


def epoch_seconds(dataset: Dataset, options: TrainOptions, epochs: int) -> float:
    """Return the median seconds of the first epochs of a training, which is then given up."""
    ends: list[float] = []
    first: list[float] = []

    def progress(stage: str, done: int, _total: int) -> None:
        now = time.perf_counter()
        if stage == "batches" and not first:
            first.append(now)
        if stage == "train":
            ends.append(now)
            if done == epochs:
                raise EnoughError

    with contextlib.suppress(EnoughError):
        train(dataset, None, options, progress=progress)
    starts = [first[0], *ends]
    return statistics.median(b - a for a, b in zip(starts, ends, strict=False))


def main() -> None:
    """Run what was asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--recipe", nargs="+", default=["fast", "tutorial"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--epochs", type=int, help="of what runs in full, instead of the recipe's")
    parser.add_argument("--members", type=int, help="networks side by side, likewise")
    parser.add_argument("--precision", choices=PRECISIONS)
    parser.add_argument("--keep", type=Path, help="a folder for the inspectors")
    every: list[Row] = []
    with begun(parser, "cifar") as (args, folder):
        dataset = load(smoke_small_pictures(folder) if args.smoke else args.data)
        for seed in args.seeds:
            for recipe in args.recipe:
                rows = measured(dataset, recipe, seed, args)
                save(rows, args.output)
                every += rows
    summary(every)


def measured(dataset: Dataset, recipe: str, seed: int, args: argparse.Namespace) -> list[Row]:
    """Return the rows of one recipe: of its whole training and its test, or of its epochs alone."""
    name = name_of(sample.path for sample in dataset.samples)
    given = {"recipe": recipe, "seed": seed, "precision": args.precision, **(SMOKE if args.smoke else {})}
    variant = recipe if args.precision is None else f"{recipe}, {args.precision}"
    if recipe == "tutorial" and not args.whole:
        seconds = epoch_seconds(dataset, make_options(given), TIMED_EPOCHS)
        return [Row("cifar", name, variant, seed, "epoch_time", seconds, "s")]
    epochs = 2 if args.smoke else args.epochs
    variant += f", {epochs} epochs" if epochs else ""
    variant += f", {args.members} members" if args.members else ""
    kept = None if args.keep is None else args.keep / f"{name}, {variant}, seed {seed}"
    options = make_options({**given, "epochs": epochs, "members": args.members})
    return rows_of(run(dataset, options, kept), "cifar", name, variant, seed)


if __name__ == "__main__":
    main()
