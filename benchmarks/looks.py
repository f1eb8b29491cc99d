"""At which scales the default recipe looks: variants compared out of fold, within the training images alone.

On the training images of the solar cells' protocol for seed 0. The test images are not looked at:

    python benchmarks/looks.py --seeds 0 1
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from sklearn.metrics import roc_auc_score

from brightfield import Dataset, TrainOptions
from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.engine.view_names import FLIPS
from brightfield.learn.recipes import RECIPES, Recipe
from brightfield.pipeline.train import train
from record import Row
from runs import save, summary, tell

DEFAULT = RECIPES["fast"]
VARIANTS: dict[str, tuple[Recipe, int | None]] = {
    "three scales": (DEFAULT, None),
    "the two larger": (replace(DEFAULT, head=replace(DEFAULT.head, scales=(1.0, 0.53))), None),
    "own size only": (replace(DEFAULT, head=replace(DEFAULT.head, scales=(1.0,))), 300),
    "224 px only, two views": (
        replace(
            DEFAULT,
            head=replace(DEFAULT.head, scales=(1.0,)),
            how=replace(DEFAULT.how, views=FLIPS[:2]),
        ),
        224,
    ),
}


def judged(dataset: Dataset, name: str, seed: int) -> list[Row]:
    """Return the rows of one variant: its figures out of fold, which member logits give, and the seconds."""
    recipe, size = VARIANTS[name]
    begin = time.perf_counter()
    own = {"recipe": recipe, "image_size": size, "tile": size}
    inspector = train(dataset, None, TrainOptions(seed=seed, test=0.0, own=own), progress=tell)
    seconds = time.perf_counter() - begin
    scores = inspector.scores_of(inspector.reference["logits"])
    is_defect = inspector.reference["labels"] != inspector.normal_index
    shares = 1 - inspector.probabilities_of(inspector.reference["logits"])[:, inspector.normal_index]
    values = {
        "auroc": float(roc_auc_score(is_defect, scores)),
        "accuracy_at_0.5": float(((shares >= 0.5) == is_defect).mean()),
    }
    rows = [Row("looks", "elpv, out of fold", name, seed, k, v, "share") for k, v in values.items()]
    return [*rows, Row("looks", "elpv, out of fold", name, seed, "training_time", seconds, "s")]


def main() -> None:
    """Run every variant with every seed, in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    every: list[Row] = []
    shared_out = split(load("elpv"), test=0.25, calibration=0.0, seed=0)
    kept = shared_out.subset(replace(s, split=None) for s in shared_out.samples if s.split == "train")
    for seed in args.seeds:
        for name in args.variants:
            rows = judged(kept, name, seed)
            save("looks", rows, args.output)
            every += rows
    summary(every)


if __name__ == "__main__":
    main()
