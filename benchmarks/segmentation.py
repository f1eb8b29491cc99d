"""Segmentation against masks: the compact U-Net beside others, and beside heatmaps of other methods.

    python benchmarks/segmentation.py --tiles FOLDER --groups CSV          random split and by tile
    python benchmarks/segmentation.py --ballscrew FOLDER --variants compact classifier fusion
    python benchmarks/segmentation.py --tiles FOLDER --groups CSV --variants compact resnet34

- `compact` is the default of `--method segmenter`.
- `resnet34` is the U-Net of segmentation_models_pytorch on a ResNet-34, trained by the same code in the same
  time. Its weights are random unless `--weights FILE` names some; both are judged by ONNX Runtime.
- `classifier` and `fusion` are those methods by default: Grad-CAM and an anomaly map. A `fusion` learns from
  the good training images alone, and its pixel threshold is chosen on the calibration split like the others'.

The mean IoU is over the background and the defect types of the test images, pixels pooled, at their own size.
The time budget is that of a training with `--threads` threads; figures are those of `brightfield evaluate`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from brightfield.data.dataset import Dataset
from brightfield.data.decode import decode
from brightfield.data.split import split
from brightfield.inspector import Inspector
from brightfield.options import make_options
from defect_sets import ball_screws, masked_tiles
from record import Row
from runs import Run, begun, new_parser, rows_of, run, save, smoke_parts, summary

VARIANTS: dict[str, dict[str, Any]] = {
    "compact": {"method": "segmenter"},
    "resnet34": {"method": "segmenter", "backbone": "resnet34", "decoder": "unet", "weights": "none"},
    "classifier": {"method": "classifier"},
    "fusion": {"method": "fusion"},
}
TIMED = 40
"""Test pictures on which the speed is measured."""


def sets(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Dataset, int]]:
    """Yield each data set asked for, with its seed or fold."""
    if args.smoke:
        yield split(smoke_parts(folder), test=0.3, calibration=0.3, seed=0), 0
        return
    for by_tile in [how == "tile" for how in args.splits] if args.tiles is not None else ():
        for seed in args.seeds:
            yield masked_tiles(args.tiles, args.groups, seed, by_tile=by_tile), seed
    for fold in args.folds if args.ballscrew is not None else ():
        yield ball_screws(args.ballscrew / "manifest.csv", fold, good_alone=False), fold


def measured(args: argparse.Namespace, dataset: Dataset, seed: int, variant: str) -> tuple[list[Row], Run]:
    """Return the rows of one variant on one data set, and its run."""
    asked: dict[str, Any] = {**VARIANTS[variant], "seed": seed}
    if asked["method"] == "segmenter":
        asked["time_budget"] = args.budget
        if variant == "resnet34" and args.weights is not None:
            asked["weights"] = str(args.weights)
    own = dict(pair.split("=", 1) for pair in args.options)
    asked |= {name: int(value) if value.isdigit() else value for name, value in own.items()}
    if args.smoke:
        asked |= {"weights": "none", "image_size": 64}
        asked |= {"epochs": 1} if asked["method"] in ("segmenter", "classifier") else {}
    done = run(dataset, make_options(asked))
    label = " ".join([variant, *args.options])
    if asked["method"] == "segmenter" and "epochs" not in own:
        label += f", {args.budget:g} s, {args.threads} threads"
    rows = rows_of(done, "segmentation", dataset.name, label, seed)
    figures = rows_of_masks(done.evaluation.metrics.get("pixel") or {})
    facts = done.inspector.facts["training"]
    if "parameters" in facts:
        figures["parameters"] = (float(facts["parameters"]), "parameters")
    if "fit_seconds" in facts:
        figures["fit_time"] = (float(facts["fit_seconds"]), "s")
    rows += [
        Row("segmentation", dataset.name, label, seed, name, value, unit)
        for name, (value, unit) in figures.items()
    ]
    return rows, done


def rows_of_masks(pixel: dict[str, Any]) -> dict[str, tuple[float, str]]:
    """Return the figures of types and of single defects, with their units, of what `evaluate` found."""
    out: dict[str, tuple[float, str]] = {}
    if pixel.get("mean_iou") is not None:
        out["mean_iou"] = (float(pixel["mean_iou"]), "share")
    for name, of_type in (pixel.get("types") or {}).items():
        if of_type.get("iou") is not None:
            out[f"iou_{name}"] = (float(of_type["iou"]), "share")
    defects = pixel.get("defects") or {}
    for name in ("found", "seen"):
        for end in ("value", "low", "high"):
            value = (defects.get(name) or {}).get(end)
            if value is not None:
                out[f"defects_{name}" + ("" if end == "value" else f"_{end}")] = (float(value), "share")
    for name in ("false", "stray"):
        value = (defects.get(name) or {}).get("value")
        if value is not None:
            out[f"defects_{name}"] = (float(value), "an image")
    return out


def pictures_a_second(inspectors: dict[str, Inspector], dataset: Dataset) -> dict[str, float]:
    """Return how many test pictures each inspector judges in a second, with its map, decoded beforehand.

    The inspectors judge each picture in turn, so that what else the machine does slows all alike.
    """
    chosen = dataset.split("test").samples[:: max(1, len(dataset.split("test")) // TIMED)][:TIMED]
    times: dict[str, list[float]] = {name: [] for name in inspectors}
    working = {
        name: [one.preprocessing.working(decode(s.path)) for s in chosen] for name, one in inspectors.items()
    }
    for inspector in inspectors.values():
        inspector.prepare(explain=True)
    for i in range(len(chosen)):
        for name, inspector in inspectors.items():
            begin = time.perf_counter()
            inspector.method.judge([working[name][i]], explain=True)
            times[name].append(time.perf_counter() - begin)
    return {name: 1 / statistics.median(seconds) for name, seconds in times.items()}


def main() -> None:
    """Run every variant on every set."""
    parser = new_parser(__doc__)
    for name in ("tiles", "groups", "ballscrew", "weights"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--splits", nargs="+", default=["random", "tile"], choices=("random", "tile"))
    parser.add_argument("--variants", nargs="+", default=["compact"], choices=list(VARIANTS))
    parser.add_argument("--budget", type=float, default=600.0, help="seconds of training")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--options", nargs="*", default=[], help="further options, NAME=VALUE")
    every: list[Row] = []
    with begun(parser, "segmentation") as (args, folder):
        torch.set_num_threads(args.threads)
        for dataset, seed in sets(args, folder):
            runs: dict[str, Inspector] = {}
            for variant in args.variants:
                rows, done = measured(args, dataset, seed, variant)
                save(rows, args.output)
                runs[rows[0].variant] = done.inspector
                every += rows
            speeds = pictures_a_second(runs, dataset)
            rows = [
                Row("segmentation", dataset.name, name, seed, "pictures_a_second", value, "1/s")
                for name, value in speeds.items()
            ]
            save(rows, args.output)
            every += rows
    summary(every)


if __name__ == "__main__":
    main()
