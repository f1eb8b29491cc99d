"""How many known defects does a classifier need? Classifier, good parts alone, and `auto`, from 0 defects on.

    python benchmarks/few_defects.py --tiles FOLDER --groups CSV --ballscrew FOLDER --screw FOLDER

Half of the defects (of the ball screws those at other places) may become known, the others are tested. Known
ones are without their type and without masks. `--picture FILE` draws the rows of the CSV.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from brightfield.data.dataset import Dataset
from brightfield.errors import InputError
from brightfield.options import make_options
from defect_sets import ball_screws, magnetic_tiles, screw
from record import Row
from runs import begun, new_parser, run, save, smoke_parts, summary

COUNTS = (0, 1, 2, 5, 10, 20, 50)
METHODS = ("classifier", "fusion", "auto")
DEFECT = "defect"


def known(dataset: Dataset, count: int, seed: int) -> Dataset:
    """Return a data set of which `count` defects are known, drawn from half of the defects' groups.

    Where defects are in the train split already, they are drawn from those, and all tested ones are tested.
    """
    bad = [s for s in dataset.samples if s.label != dataset.normal]
    pool = {s.image for s in bad if s.split == "train"} or _half(dataset, seed)
    order = np.random.RandomState(seed).permutation(sorted(pool))
    taken = set(order[:count].tolist())
    samples = tuple(
        s
        if s.label == dataset.normal
        else replace(s, label=DEFECT, mask=None, split="train" if s.image in taken else "test")
        for s in dataset.samples
        if s.image not in pool or s.image in taken
    )
    return replace(dataset, samples=samples, classes=(str(dataset.normal), DEFECT))


def _half(dataset: Dataset, seed: int) -> set[str]:
    """Return the images of half of the defects, or of half of their groups."""
    bad = [s for s in dataset.samples if s.label != dataset.normal]
    names = np.unique([s.group or s.image for s in bad])
    chosen = set(np.random.RandomState(seed + 50).permutation(names)[: len(names) // 2].tolist())
    return {s.image for s in bad if (s.group or s.image) in chosen}


def sets(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Dataset, int]]:
    """Yield each data set asked for, with each seed."""
    for seed in args.seeds:
        if args.smoke:
            parts = smoke_parts(folder)
            tested = (i % 4 == 0 or s.label != parts.normal for i, s in enumerate(parts.samples))
            pairs = zip(parts.samples, tested, strict=True)
            yield parts.subset(replace(s, split="test" if t else "train") for s, t in pairs), seed
            return
        if args.tiles is not None:
            yield magnetic_tiles(args.tiles, args.groups, seed), seed
        if args.screw is not None:
            yield screw(args.screw), seed
        if args.ballscrew is not None:
            yield ball_screws(args.ballscrew / "manifest.csv", seed, good_alone=False), seed


def measured(args: argparse.Namespace, dataset: Dataset, count: int, method: str, seed: int) -> list[Row]:
    """Return the rows of one method with so many known defects; none where it does not apply."""
    asked: dict[str, object] = {"method": method, "seed": seed}
    if args.smoke:
        asked |= {"backbone": "test_resnet", "weights": "none"}
    try:
        done = run(known(dataset, count, seed), make_options(asked))
    except InputError as error:
        print(f"{dataset.name}, {count} known defects, {method}: {error}")
        return []
    p = done.evaluation.predictions
    values = {
        "auroc": (float(roc_auc_score(p.is_defect, p.scores)), "share"),
        "training_time": (done.seconds, "s"),
    }
    variant = f"{count} known, {method}"
    return [Row("few_defects", dataset.name, variant, seed, name, *v) for name, v in values.items()]


def draw(table: Path, picture: Path) -> None:
    """Draw the AUROC by the number of known defects, one panel a data set, from the rows of a CSV."""
    import matplotlib.pyplot as plt

    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == "auroc":
                count, method = row["variant"].split(" known, ")
                of_set = found.setdefault(row["dataset"], {}).setdefault(method, {})
                of_set.setdefault(int(count), []).append(float(row["value"]))
    figure, axes = plt.subplots(1, len(found), figsize=(4 * len(found), 3.4), squeeze=False, sharey=True)
    styles = {
        "classifier": ("#888888", "o", "--"),
        "fusion": ("#1f6fb2", "s", "--"),
        "auto": ("#c0392b", "D", "-"),
    }
    for axis, (name, methods) in zip(axes[0], found.items(), strict=True):
        for method, (colour, marker, line) in styles.items():
            points = sorted((methods.get(method) or {}).items())
            if not points:
                continue
            if len(points) == 1:  # it learns from no defect: its figure is the same for all counts
                points = [(count, points[0][1]) for count in COUNTS]
            at = [COUNTS.index(count) for count, _ in points]
            means = [statistics.mean(values) for _, values in points]
            axis.plot(at, means, line, marker=marker, color=colour, label=method)
            low, high = ([end(v) for _, v in points] for end in (min, max))
            axis.fill_between(at, low, high, color=colour, alpha=0.12, linewidth=0)
        axis.set_xticks(range(len(COUNTS)), [str(c) for c in COUNTS])
        axis.set_title(name.split(",")[0])
        axis.set_xlabel("known defects")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("image AUROC")
    axes[0][-1].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def main() -> None:
    """Train with every number of known defects."""
    parser = new_parser(__doc__)
    for name in ("tiles", "groups", "ballscrew", "screw", "picture"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS), choices=COUNTS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    every: list[Row] = []
    with begun(parser, "few_defects") as (args, folder):
        for dataset, seed in sets(args, folder):
            for count in (0, 10) if args.smoke else args.counts:
                for method in args.methods:
                    rows = measured(args, dataset, count, method, seed)
                    if rows:
                        save(rows, args.output)
                        every += rows
        if args.picture is not None:
            draw(args.output, args.picture)
    summary(every)


if __name__ == "__main__":
    main()
