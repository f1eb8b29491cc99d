"""What to label next: how many labels does it take, chosen by `review` and drawn at random?

A quarter of the parts is tested and never labelled; the rest is the pool. The features of the frozen
backbone are computed once. Beginning with 20 labels drawn at random, a head is trained, and it chooses the
next labels: near the threshold, unlike all labelled ones, and some at random. Beside that, labels are drawn
at random from the same beginning. It is counted how many labels it takes until the AUROC on the tested
parts reaches 98% of what all labels of the pool give.

    python benchmarks/label_next.py --magnetic-tile FOLDER --groups CSV
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score

from brightfield.data.cache import build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.scan import scan_readable
from brightfield.data.split import split
from brightfield.engine.measurement import compressed
from brightfield.engine.pooling import defect_log_odds, pool_bags
from brightfield.engine.small_names import SMALL_NETWORKS
from brightfield.errors import ConfigError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.features import FeatureBank, extract
from brightfield.learn.frozen import Freezer
from brightfield.learn.head import HeadEnsemble
from brightfield.learn.heads import HeadTrainingData, train_head
from brightfield.learn.network import build_network
from brightfield.learn.plan import RequestedSizes, plan
from brightfield.learn.recipes import Recipe, TrainHead, find_recipe
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.weights import load_weights
from brightfield.monitor.review.label_next import Mix, distances, label_next
from defect_sets import add_sets, named
from record import Row, append
from runs import SMOKE, begun, new_parser

Floats = npt.NDArray[np.float64]

BEGIN = 20
LABELS = (20, 50, 100, 150, 200, 300, 400, 600, 800, 1200, 1600)
TARGET = 0.98
"""Share of the AUROC with all labels of the pool."""

MEMBERS = 3
"""Of the recipe's ten networks in a head so many are trained, as some hundred heads are."""

NORMAL = 0  # the column of good parts


@dataclass(frozen=True)
class Parts:
    """Parts with the features of a frozen network.

    Attributes:
        name: Of the data set.
        recipe: The recipe of the head.
        bank: The features.
        defective: bool (N,).
        tested: bool (N,), whether the part is tested and never labelled.
        looks: float32 (N, E), what the parts look like, as a log of verdicts keeps it.
    """

    name: str
    recipe: Recipe
    bank: FeatureBank
    defective: npt.NDArray[np.bool_]
    tested: npt.NDArray[np.bool_]
    looks: npt.NDArray[np.float32]


def featured(dataset: Dataset, folder: Path, *, smoke: bool) -> Parts:
    """Compute the features of a data set once; what was computed is found again in the folder."""
    recipe = find_recipe("fast")
    trunk = build_trunk(SMOKE["backbone"] if smoke else recipe.backbone, SMALL_NETWORKS)
    load_weights(trunk, SMOKE["weights"] if smoke else None)
    head = recipe.head.on(trunk.spec.strides, trunk.spec.fixed_size)
    net = build_network(trunk, 2, head, pick_runtime(precision=recipe.precision, trunk=trunk.net))
    freezer = Freezer(net)
    paths = [s.path for s in dataset.samples]
    sizes = RequestedSizes(SMOKE["image_size"]) if smoke else RequestedSizes()
    facts = scan_readable(paths, None)
    how = recipe.how
    if not isinstance(how, TrainHead):
        raise ConfigError("the recipe trains no head on kept features")
    chosen = plan(facts, freezer, sizes, views=1, needed_views=1, budget=how.time_budget, tiled=True)
    cache = build_cache(paths, rule=chosen.preprocessing, folder=folder / "pixels")
    bank = extract(freezer, cache, chosen.preprocessing, views=how.views[:1], folder=folder / "features")
    pooled = np.stack([tiles.astype(np.float32).mean(axis=0) for tiles in _bags(bank)])
    defective = np.array([s.label != dataset.normal for s in dataset.samples])
    none = np.zeros(len(paths), dtype=np.bool_)
    smaller = replace(recipe, head=replace(head, members=MEMBERS))
    return Parts(dataset.name, smaller, bank, defective, none, compressed(pooled))


def _bags(bank: FeatureBank) -> list[npt.NDArray[np.float16]]:
    return [bank.values[0, a:b] for a, b in zip(bank.starts[:-1], bank.starts[1:], strict=True)]


def scored(parts: Parts, labelled: npt.NDArray[np.intp], seed: int) -> Floats:
    """Train a head on the labelled parts and return the log-odds of a defect of all parts."""
    how, bank = parts.recipe.how, parts.bank
    if not isinstance(how, TrainHead):
        raise ConfigError("the recipe trains no head on kept features")
    torch.manual_seed(seed)
    head = HeadEnsemble(bank.values.shape[2], 2, parts.recipe.head)
    targets = np.eye(2, dtype=np.float32)[parts.defective[labelled].astype(int)]
    given = HeadTrainingData(
        bank=bank,
        images=labelled,
        targets=targets,
        normal=NORMAL,
        tile_targets=[None] * len(labelled),
        sample_weights=np.ones(len(labelled), dtype=np.float32),
    )
    train_head(head, given, how, parts.recipe.learning, seed=seed)
    logits = head.fitted().logits(np.asarray(bank.values[0], dtype=np.float32))
    return np.asarray(defect_log_odds(pool_bags(logits, bank.starts, NORMAL), NORMAL))


def auroc(parts: Parts, scores: Floats) -> float:
    """Return the AUROC on the tested parts."""
    return float(roc_auc_score(parts.defective[parts.tested], scores[parts.tested]))


def labels_needed(parts: Parts, target: float, seed: int, mix: Mix | None) -> float:
    """Return how many labels it takes to reach an AUROC; all of the pool where it never does.

    Args:
        parts: The parts.
        target: The AUROC.
        seed: Of the first labels and of the training.
        mix: How the next labels are chosen; None at random.
    """
    rng = np.random.default_rng(seed)
    pool = np.flatnonzero(~parts.tested)
    labelled = _first(parts, pool, rng)
    for n, more in zip(LABELS, (*LABELS[1:], len(pool)), strict=True):
        if n > len(pool):
            break
        scores = scored(parts, labelled, seed)
        reached = auroc(parts, scores)
        print(
            f"{parts.name} seed {seed} {mix or 'random'}: {len(labelled)} labels, {reached:.4f}",
            file=sys.stderr,
        )
        if reached >= target:
            return len(labelled)
        left = np.setdiff1d(pool, labelled)
        wanted = min(more, len(pool)) - len(labelled)
        if mix is None:
            chosen = rng.choice(left, wanted, replace=False)
        else:
            far = distances(scores[left], 0.0, probability=False)
            found = label_next(far, parts.looks[left], parts.looks[labelled], wanted, rng, mix)
            chosen = left[[row for row, _ in found]]
        labelled = np.concatenate((labelled, chosen))
    return len(pool)


def _first(parts: Parts, pool: npt.NDArray[np.intp], rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the first labels, drawn at random; drawn on until both kinds are among them."""
    order = rng.permutation(pool)
    kinds = parts.defective[order]
    n = max(BEGIN, int(np.argmax(kinds)) + 1, int(np.argmin(kinds)) + 1)
    return order[:n]


def measure(parts: Parts, dataset: Dataset, seeds: Sequence[int], mixes: dict[str, Mix | None]) -> list[Row]:
    """Return the rows of one data set."""
    rows: list[Row] = []
    for seed in seeds:
        shared_out = split(dataset, test=0.25, calibration=0.0, seed=seed)
        own = replace(parts, tested=np.array([s.split == "test" for s in shared_out.samples]))
        pool = np.flatnonzero(~own.tested)
        full = auroc(own, scored(own, pool, seed))
        values: dict[str, Any] = {
            "auroc_with_all_labels": (full, "share"),
            "pool": (float(len(pool)), "labels"),
        }
        rows += [Row("label_next", parts.name, "all labels", seed, m, v, u) for m, (v, u) in values.items()]
        for name, mix in mixes.items():
            needed = labels_needed(own, TARGET * full, seed, mix)
            rows.append(
                Row("label_next", parts.name, name, seed, "labels_to_98pct_of_auroc", needed, "labels")
            )
            print(f"{parts.name} seed {seed} {name}: {needed:.0f} labels of {len(pool)}", flush=True)
    return rows


def main() -> None:
    """Run what was asked for."""
    parser = new_parser(__doc__)
    add_sets(parser)
    with begun(parser, "label_next") as (args, folder):
        mixes: dict[str, Mix | None] = {"random": None, "review": Mix()}
        for name in args.only[:1] if args.smoke else args.only:
            dataset = named(name, args, folder)
            dataset = dataset.subset(replace(s, split=None, mask=None) for s in dataset.samples)
            parts = featured(dataset, (args.cache or folder) / name, smoke=args.smoke)
            rows = measure(parts, dataset, args.seeds, mixes)
            append(args.output, rows)
            for variant in mixes:
                found = [r.value for r in rows if r.variant == variant]
                print(f"{name} {variant}: median {statistics.median(found):.0f} labels", flush=True)


if __name__ == "__main__":
    main()
