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
from collections import defaultdict
from pathlib import Path

import numpy as np

from brightfield import Dataset
from brightfield.data.catalog import load_magnetic_tile
from brightfield.data.split import split
from brightfield.errors import ConfigError
from record import Row
from runs import (
    FIGURES,
    begun,
    data,
    judged_out_of_fold,
    new_parser,
    options,
    rows_of,
    run,
    save,
    untested,
)

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
SMOKE_VARIANTS = ("default", "TTA half-turn", "tutorial, MixUp")


def judged(dataset: Dataset, name: str, seed: int, args: argparse.Namespace) -> list[Row]:
    """Return the rows of one variant with one seed.

    Raises:
        ConfigError: If it has too few members to judge out of fold.
    """
    if name not in FINE_TUNED:
        asked = options(args, {"seed": seed, "test": 0.0, **VARIANTS[name]})
        return judged_out_of_fold(dataset, asked, "ablation", name, seed)
    tuned = {"recipe": "tutorial", "backbone": "tf_efficientnet_lite0", "image_size": 160}
    shared_out = split(dataset, test=0.25, calibration=0.0, seed=seed)
    one = run(shared_out, options(args, {**tuned, "seed": seed, **FINE_TUNED[name]}))
    rows = rows_of(one, "ablation", dataset.name, name, seed)
    return [r for r in rows if r.metric in (*FIGURES, "accuracy_at_0.5", "training_time")]


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
    parser = new_parser(__doc__)
    parser.add_argument("--magnetic-tile", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", choices=[*VARIANTS, *FINE_TUNED])
    every: list[Row] = []
    with begun(parser, "ablation") as (args, folder):
        if args.magnetic_tile is None:
            dataset = untested(data(args, "elpv", folder))
        else:
            dataset = untested(load_magnetic_tile(args.magnetic_tile))
        for name in args.variants or (SMOKE_VARIANTS if args.smoke else VARIANTS):
            if args.magnetic_tile is not None and name.startswith("uncertain"):
                continue
            for seed in args.seeds:
                try:
                    rows = judged(dataset, name, seed, args)
                except ConfigError as error:
                    print(f"{name}: {error}", flush=True)
                    break
                save(rows, args.output)
                every += rows
    table(every)


if __name__ == "__main__":
    main()
