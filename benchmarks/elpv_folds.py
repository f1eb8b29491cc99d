"""Every solar cell (ELPV) tested once, in 4 folds: at random, and with the cells of a module kept together.

The data set does not say which of its 44 modules a cell comes from, but its images come module by module:
runs of at most 60 images of one cell type stand in for them. What the random folds show more than the others
leaks from cell to cell of a module. As every cell is tested once, the calibration error (ECE) is
counted on all 2,624 of them, where chance alone adds less to it than in one test split of 656:

    python benchmarks/elpv_folds.py --seeds 0 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.split import folds
from brightfield.evaluation.metrics import expected_calibration_error
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.uncertainty import calibration_spread
from record import Row
from runs import begun, data, new_parser, options, run, save, summary

FOLDS = 4
MODULE = 60  # images in a run


def in_modules(dataset: Dataset, module: int) -> Dataset:
    """Return the data set with each run of so many images as a group."""
    by_name = sorted(dataset.samples, key=lambda s: s.image)
    grouped: list[Sample] = []
    for cell_type, alike in groupby(by_name, key=lambda s: str(s.stratum).rpartition("/")[2]):
        for i, sample in enumerate(alike):
            grouped.append(replace(sample, group=f"{cell_type} {len(grouped) - i} {i // module}"))
    return dataset.subset(grouped)


def pooled(dataset: str, variant: str, seed: int, tested: Sequence[Predictions]) -> list[Row]:
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
    return [Row("elpv_folds", dataset, variant, seed, name, value, "share") for name, value in values.items()]


def main() -> None:
    """Run every fold of both kinds with every seed."""
    parser = new_parser(__doc__)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    every: list[Row] = []
    with begun(parser, "elpv_folds") as (args, folder):
        cells = data(args, "elpv", folder)
        n, module = (2, 4) if args.smoke else (FOLDS, MODULE)
        for seed in args.seeds:
            for how, dataset in (("random", cells), ("modules", in_modules(cells, module))):
                shared_out = folds(dataset, n, seed, calibration=0.0)
                asked = options(args, {"recipe": args.recipe, "seed": seed})
                tested = [run(fold, asked).evaluation.predictions for fold in shared_out]
                rows = pooled(dataset.name, f"{args.recipe}, folds {how}", seed, tested)
                save(rows, args.output)
                every += rows
    summary(every)


if __name__ == "__main__":
    main()
