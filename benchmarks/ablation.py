"""Which ways of learning pay: each alone against the default recipe, out of fold, on training images alone.

Every image is judged by the members of the head that were not shown its fold; the test images of the solar
cells' protocol are not looked at, and of the magnetic tiles a quarter is left out likewise. What takes images
and not kept features, as CutMix does, is tried with the recipe `tutorial`, at 160 px, against that recipe, on
another quarter held out of the training images:

    python benchmarks/ablation.py --seeds 0 1 2
    python benchmarks/ablation.py --magnetic-tile FOLDER --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from brightfield import Dataset
from brightfield.data.cache import build_cache
from brightfield.data.catalog import load_magnetic_tile
from brightfield.data.load import load
from brightfield.data.scan import scan
from brightfield.data.split import fold_numbers, split
from brightfield.decide.calibration import calibrate
from brightfield.decide.fit_calibration import fit_calibrator
from brightfield.decide.policy import parse_policy
from brightfield.decide.scores import scores_of_logits
from brightfield.decide.threshold_selection import choose
from brightfield.errors import ConfigError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.plan import Wishes, plan
from brightfield.learn.recipe_selection import choose_recipe
from brightfield.learn.recipes import Recipe, TrainHead
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.weights import load_weights
from brightfield.methods.classifier.fit import fit_classifier
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.options import make_options
from record import Row
from runs import FIGURES, rows_of, run, save

VARIANTS: dict[str, dict[str, object]] = {
    "default": {},
    "sampling": {"imbalance": "sampling"},
    "class-weighted loss": {"imbalance": "loss"},
    "logit adjustment": {"imbalance": "adjustment"},
    "sampling and loss": {"imbalance": "sampling+loss"},
    "focal loss, gamma 2": {"focal": 2.0},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "mixup of features": {"mix": "mixup"},
    "uncertain labels in full": {"uncertain": "full"},
    "uncertain labels soft": {"uncertain": "soft"},
    "5 members": {"members": 5},
    "20 members": {"members": 20},
    "TTA half-turn": {"tta": "half-turn"},
    "TTA flips": {"tta": "flips"},
    "TTA turns": {"tta": "turns"},
    "TTA crops": {"tta": "crops"},
}
FINE_TUNED: dict[str, dict[str, object]] = {
    "tutorial": {},
    "tutorial, MixUp": {"mix": "mixup"},
    "tutorial, CutMix": {"mix": "cutmix"},
}


def build(recipe: Recipe, dataset: Dataset) -> TileNet:
    """Return the recipe's network with a new head."""
    trunk = build_trunk(recipe.backbone)
    load_weights(trunk)
    spec = recipe.head.on(trunk.spec.strides)
    return build_network(trunk, len(dataset.classes), spec, pick_runtime())


def judged(dataset: Dataset, name: str, seed: int, folder: Path) -> list[Row]:
    """Return the rows of one variant with one seed."""
    if name in FINE_TUNED:
        tuned = {"recipe": "tutorial", "backbone": "tf_efficientnet_lite0", "image_size": 160}
        options = make_options({**tuned, "seed": seed, **FINE_TUNED[name]})
        shared_out = split(dataset, test=0.25, calibration=0.0, seed=seed)
        rows = rows_of(run(shared_out, options), "ablation", dataset.name, name, seed)
        return [r for r in rows if r.metric in (*FIGURES, "accuracy_at_0.5", "training_time")]
    recipe = choose_recipe(ClassifierOptions(**VARIANTS[name]), dataset)  # type: ignore[arg-type]
    paths = [s.path for s in dataset.samples]
    net = build(recipe, dataset)
    # the plan of the default, so that all see the pictures alike
    usual = choose_recipe(ClassifierOptions(), dataset).how
    if not isinstance(recipe.how, TrainHead) or not isinstance(usual, TrainHead):
        raise ConfigError(f"variant {name!r} trains no head on kept features")
    chosen = plan(scan(paths), net, Wishes(), views=1, budget=usual.time_budget, tiled=True)
    rule = chosen.preprocessing
    cache = build_cache(paths, resize=rule.resize, bits=rule.bits, folder=folder / "pixels")
    folds = np.array(fold_numbers(dataset, recipe.how.folds, seed))
    begin = time.perf_counter()
    fitted = fit_classifier(
        net, dataset, cache, rule, recipe, views=recipe.how.views, seed=seed, workspace=folder, fold_of=folds
    )
    seconds = time.perf_counter() - begin
    if fitted.out_of_fold is None:
        raise ConfigError(f"variant {name!r} has too few members to judge out of fold")
    scores = scores_of_logits(fitted.out_of_fold.logits, 0)
    labels = np.array([dataset.classes.index(str(s.label)) for s in dataset.samples])
    is_defect = labels != 0
    judged = calibrate(fit_calibrator(scores, labels, 0), scores, 0)
    point = choose(parse_policy("f1"), judged, is_defect)
    defect = judged.on(point.scale, None)
    called = point.rejected(defect)
    values = {
        "auroc": float(roc_auc_score(is_defect, defect)),
        "average_precision": float(average_precision_score(is_defect, defect)),
        "f1": float(f1_score(is_defect, called)),
        "accuracy": float((called == is_defect).mean()),
        "accuracy_at_0.5": float(((defect >= 0.5) == is_defect).mean()),
    }
    rows = [Row("ablation", dataset.name, name, seed, k, v, "share") for k, v in values.items()]
    return [*rows, Row("ablation", dataset.name, name, seed, "fit_time", seconds, "s")]


def table(rows: list[Row]) -> None:
    """Print each variant's means and how far it is from its recipe as it is, with the same seed."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for row in rows:
        found[row.variant, row.metric][row.seed] = row.value
    for name in dict.fromkeys(row.variant for row in rows):
        plain = "tutorial" if name in FINE_TUNED else "default"
        said = []
        for metric in ("auroc", "f1", "accuracy"):
            mine, usual = found[name, metric], found[plain, metric]
            ahead = [mine[s] - usual[s] for s in mine if s in usual]
            gain = f"{np.mean(ahead):+.4f} ({min(ahead):+.4f} to {max(ahead):+.4f})" if ahead else ""
            said.append(f"{metric} {np.mean(list(mine.values())):.4f} {gain}")
        print(f"{name:26s} {'; '.join(said)}", flush=True)


def main() -> None:
    """Run every variant with every seed, in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--magnetic-tile", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=[*VARIANTS, *FINE_TUNED])
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    whole = load("elpv") if args.magnetic_tile is None else load_magnetic_tile(args.magnetic_tile)
    if args.magnetic_tile is not None:
        args.variants = [v for v in args.variants if not v.startswith("uncertain")]
    shared_out = split(whole, test=0.25, calibration=0.0, seed=0)
    dataset = shared_out.subset(replace(s, split=None) for s in shared_out.samples if s.split == "train")
    every: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in args.variants:
            for seed in args.seeds:
                try:
                    rows = judged(dataset, name, seed, Path(temporary))
                except ConfigError as error:
                    print(f"{name}: {error}", flush=True)
                    break
                save("ablation", rows, args.output)
                every += rows
    table(every)


if __name__ == "__main__":
    main()
