"""Every solar cell (ELPV) tested once, in 4 folds: at random, and with the cells of a module kept together.

The data set does not say which of its 44 modules a cell comes from, but its images come module by module:
runs of at most 60 images of one cell type stand in for them. What the random folds show more than the others
leaks from cell to cell of a module. As every cell is tested once, the calibration error (ECE) is
counted on all 2,624 of them, where chance alone adds less to it than in one test split of 656:

    python benchmarks/elpv_folds.py --seeds 0 1
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.data.split import folds
from brightfield.evaluation.metrics import expected_calibration_error
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.uncertainty import calibration_spread
from brightfield.options import make_options
from record import Row
from runs import run, save, summary

FOLDS = 4
MODULE = 60  # images in a run


def in_modules(dataset: Dataset) -> Dataset:
    """Return the data set with each run of images as a group."""
    by_name = sorted(dataset.samples, key=lambda s: s.image)
    grouped = []
    for cell_type, alike in groupby(by_name, key=lambda s: str(s.stratum).rpartition("/")[2]):
        for i, sample in enumerate(alike):
            grouped.append(replace(sample, group=f"{cell_type} {len(grouped) - i} {i // MODULE}"))
    return dataset.subset(grouped)


def pooled(variant: str, seed: int, tested: Sequence[Predictions]) -> list[Row]:
    """Return the rows of all folds' test splits together, each decided at its own fold's threshold."""
    defect = np.concatenate([p.is_defect for p in tested])
    chance = np.concatenate([p.values for p in tested])
    called = np.concatenate([p.decided("DEFECT") for p in tested])
    spread = calibration_spread(defect, chance)
    values = {
        "auroc": float(roc_auc_score(defect, chance)),
        "average_precision": float(average_precision_score(defect, chance)),
        "accuracy": float((called == defect).mean()),
        "accuracy_at_0.5": float(((chance >= 0.5) == defect).mean()),
        "f1": float(f1_score(defect, called)),
        "escape_rate": float(1 - called[defect].mean()),
        "overkill_rate": float(called[~defect].mean()),
        "ece": float(expected_calibration_error(defect, chance) or 0.0),
        "ece_low": spread["ece"].low,
        "ece_high": spread["ece"].high,
        "ece_if_calibrated_mean": spread["ece_if_calibrated"].mean,
    }
    return [Row("elpv_folds", "elpv", variant, seed, name, value, "share") for name, value in values.items()]


def main() -> None:
    """Run every fold of both kinds with every seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    cells = load("elpv")
    every: list[Row] = []
    for seed in args.seeds:
        for how, dataset in (("random", cells), ("modules", in_modules(cells))):
            shared_out = folds(dataset, FOLDS, seed, calibration=0.0)
            options = make_options({"recipe": args.recipe, "seed": seed})
            tested = [run(fold, options).evaluation.predictions for fold in shared_out]
            rows = pooled(f"{args.recipe}, folds {how}", seed, tested)
            save("elpv_folds", rows, args.output)
            every += rows
    summary(every)


if __name__ == "__main__":
    main()
