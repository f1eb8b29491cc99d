"""Methods that learn from good parts alone, on real defects: magnetic tiles, ball screws, MVTec's screw.

    python benchmarks/good_parts.py --tiles FOLDER --groups CSV --ballscrew FOLDER --screw FOLDER

Each set is run where it is named. On the magnetic tiles, `retrieval` is the distance to the nearest good
picture as a whole, which detects nothing, and `--random` adds the split that ignores tiles.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from brightfield.data.dataset import Dataset
from brightfield.data.decode import decode
from brightfield.engine.pixels import normalise
from brightfield.evaluation.predictions import Predictions
from brightfield.inspector import Inspector
from brightfield.methods.patches.fitted import PatchMethod
from brightfield.options import make_options
from defect_sets import ball_screws, magnetic_tiles, screw
from record import Row
from runs import begun, new_parser, rows_of, run, save, smoke_good_parts, summary

METHODS = ("patchcore", "flow", "fusion", "autoencoder")


def by_type(dataset: Dataset, predictions: Predictions) -> dict[str, float]:
    """Return the AUROC of each defect type against all good parts."""
    labels = np.array([str(label) for label in predictions.truth])
    good = predictions.scores[~predictions.is_defect]
    out: dict[str, float] = {}
    for name in sorted(set(labels) - {str(dataset.normal)}):
        found = predictions.scores[labels == name]
        truth = np.r_[np.zeros(len(good)), np.ones(len(found))]
        out[name] = float(roc_auc_score(truth, np.r_[good, found]))
    return out


def retrieval(inspector: Inspector, dataset: Dataset) -> float:
    """Return the AUROC of the distance to the nearest good training picture, by a projected deep map."""
    trained = _projected(inspector, dataset.split("train"))
    tested = _projected(inspector, dataset.split("test"))
    nearest = np.array([np.square(trained - t).sum(1).min() for t in tested])
    return float(roc_auc_score([s.label != dataset.normal for s in dataset.split("test").samples], nearest))


def _projected(inspector: Inspector, images: Dataset) -> npt.NDArray[np.float32]:
    method = inspector.method
    if not isinstance(method, PatchMethod):
        raise TypeError(f"{method.name} has no maps")
    deepest = max(i for member in method.members for i in member.maps)
    rows = []
    for sample in images.samples:
        tiles, _ = method.preprocessing.tiles(method.preprocessing.working(decode(sample.path)))
        rows.append(
            method.features.maps(normalise(tiles[:1], method.preprocessing), 1.0, [deepest])[0].ravel()
        )
    flat = np.stack(rows)
    projection = np.random.default_rng(0).standard_normal((flat.shape[1], 256)).astype(np.float32)
    return np.asarray(flat @ projection / 16, dtype=np.float32)


def sets(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Dataset, int]]:
    """Yield each data set asked for, with its seed or fold."""
    if args.smoke:
        yield smoke_good_parts(folder), 0
        return
    for seed in args.seeds if args.tiles is not None else ():
        yield magnetic_tiles(args.tiles, args.groups, seed), seed
        if args.random:
            yield magnetic_tiles(args.tiles, args.groups, seed, by_tile=False), seed
    for fold in args.folds if args.ballscrew is not None else ():
        yield ball_screws(args.ballscrew / "manifest.csv", fold), fold
    if args.screw is not None:
        yield screw(args.screw), 0


def main() -> None:
    """Run every method on every set."""
    parser = new_parser(__doc__)
    for name in ("tiles", "groups", "ballscrew", "screw"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--random", action="store_true", help="also split the tiles without regard to tiles")
    parser.add_argument("--options", nargs="*", default=[], help="further options, NAME=VALUE")
    every: list[Row] = []
    with begun(parser, "good_parts") as (args, folder):
        own = dict(pair.split("=", 1) for pair in args.options)
        for dataset, seed in sets(args, folder):
            for method in args.methods:
                rows = measured(args, dataset, seed, method, own)
                save(rows, args.output)
                every += rows
    summary(every)


def measured(
    args: argparse.Namespace, dataset: Dataset, seed: int, method: str, own: dict[str, str]
) -> list[Row]:
    """Return the rows of one method on one data set."""
    asked = {"method": method, "seed": seed, **({} if args.smoke else _typed(own))}
    if args.smoke:
        asked |= {"backbone": "test_resnet", "weights": "none", "image_size": 64}
    done = run(dataset, make_options(asked))
    variant = " ".join([method, *(f"{name}={value}" for name, value in own.items())])
    rows = rows_of(done, "good_parts", dataset.name, variant, seed)
    for name, value in by_type(dataset, done.evaluation.predictions).items():
        rows.append(Row("good_parts", dataset.name, variant, seed, f"auroc_{name}", value, "share"))
    if method in ("flow", "fusion") and dataset.name.startswith("magnetic"):
        value = retrieval(done.inspector, dataset)
        rows.append(Row("good_parts", dataset.name, f"{variant}, retrieval", seed, "auroc", value, "share"))
    return rows


def _typed(own: dict[str, str]) -> dict[str, object]:
    return {
        name: float(v) if v.replace(".", "", 1).isdigit() and "." in v else int(v) if v.isdigit() else v
        for name, v in own.items()
    }


if __name__ == "__main__":
    main()
