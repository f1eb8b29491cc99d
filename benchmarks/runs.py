"""What the benchmarks share: their options, the data of a smoke run, one training and its test, its rows."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from brightfield import TrainOptions
from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.data.synthetic import make_parts
from brightfield.errors import ConfigError
from brightfield.evaluation import pixels
from brightfield.evaluation.run import Evaluation, evaluate
from brightfield.inspector import Inspector
from brightfield.options import make_options
from brightfield.pipeline.train import train
from record import RESULTS, Row, append

FIGURES = ("accuracy", "auroc", "average_precision", "f1", "ece")

SMOKE: dict[str, Any] = {"backbone": "test_resnet", "weights": "none", "image_size": 64, "epochs": 2}
"""What makes a training take a second; its figures mean nothing."""

SMALL_SIDE = 32


def new_parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser of what every benchmark takes."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--smoke", action="store_true", help="on a few synthetic pictures, in seconds, to try the script"
    )
    parser.add_argument(
        "--output", type=Path, help="a CSV instead of that in results/; without it a smoke run keeps nothing"
    )
    return parser


@contextmanager
def begun(
    parser: argparse.ArgumentParser, name: str, needs: str | None = None
) -> Iterator[tuple[argparse.Namespace, Path]]:
    """Yield the arguments, with `output` set and one seed for a smoke run, and a temporary folder.

    Args:
        parser: As `new_parser` made it, with what the benchmark adds.
        name: Of the CSV.
        needs: An argument that only a smoke run does without.
    """
    args = parser.parse_args()
    if needs is not None and getattr(args, needs) is None and not args.smoke:
        parser.error(f"--{needs} is missing; only --smoke does without")
    if args.smoke and "seeds" in args:
        args.seeds = args.seeds[:1]
    with tempfile.TemporaryDirectory() as folder:
        if args.output is None:
            args.output = Path(folder) / "smoke.csv" if args.smoke else RESULTS / f"{name}.csv"
        args.output = args.output.resolve()
        yield args, Path(folder)


def options(args: argparse.Namespace, values: Mapping[str, Any]) -> TrainOptions:
    """Return options of a training of the classifier, those of a smoke run where one is asked for."""
    return make_options({"method": "classifier", **values, **(SMOKE if args.smoke else {})})


def data(args: argparse.Namespace, name: str | Path, folder: Path) -> Dataset:
    """Return a data set by name or place, or the parts of a smoke run."""
    return smoke_parts(folder) if args.smoke else load(name)


def smoke_parts(folder: Path) -> Dataset:
    """Return 40 good parts and 24 with a pit, with masks, made where they are missing."""
    place = folder / "parts"
    if place.exists():
        return load(place)
    return make_parts(place, n_ok=40, n_defect=24, size=(96, 96), defect_px=18, kinds=("pit",))


def smoke_good_parts(folder: Path) -> Dataset:
    """Return the parts of a smoke run; all defects and a third of the good ones are tested."""
    parts = smoke_parts(folder)
    return parts.subset(
        replace(s, split="test" if i % 3 == 0 or s.label != parts.normal else "train")
        for i, s in enumerate(parts.samples)
    )


def smoke_small_pictures(folder: Path) -> Path:
    """Return a folder of three classes of noise in other colours, shared out as CIFAR-10's are."""
    rng = np.random.default_rng(0)
    place = folder / "small"
    for share, each in (("train", 20), ("test", 6)):
        for kind, name in enumerate(("blue", "green", "red")):
            (place / share / name).mkdir(parents=True)
            for i in range(each):
                picture = rng.normal(110, 30, (SMALL_SIDE, SMALL_SIDE, 3))
                picture[..., 2 - kind] += 60
                Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(place / share / name / f"{i}.png")
    return place


@dataclass(frozen=True)
class Run:
    """A trained inspector, what it made of the test split, and the seconds its training took."""

    inspector: Inspector
    evaluation: Evaluation
    seconds: float


def run(dataset: Dataset, options: TrainOptions, output: Path | None = None) -> Run:
    """Train on a data set whose splits are fixed and judge its test split once.

    What is kept in `output` goes on from there after it was stopped, and its seconds add up.
    """
    inspector = train(dataset, output, options, resume=output is not None, progress=tell)
    print(file=sys.stderr)
    seconds = float(inspector.facts["training"]["seconds"])
    return Run(inspector, evaluate(inspector, dataset, split="test"), seconds)


def tell(stage: str, done: int, total: int) -> None:
    """Say when a stage is done."""
    if done == total:
        print(f"{stage} {done}", end="; ", file=sys.stderr, flush=True)


def rows_of(one: Run, benchmark: str, dataset: str, variant: str, seed: int) -> list[Row]:
    """Return the rows of one run: its figures on the test split, rates, seconds."""
    found = one.evaluation.metrics
    values = {name: found[name] for name in FIGURES if found.get(name) is not None}
    values |= {name: found[name]["value"] for name in ("escape_rate", "overkill_rate") if found[name]}
    spread = found["calibration_spread"] or {}
    for name in ("ece", "ece_if_calibrated"):
        values |= {f"{name}_{end}": spread[name][end] for end in ("low", "mean", "high") if name in spread}
    p = one.evaluation.predictions
    if p.probabilities is not None:
        values["accuracy_at_0.5"] = float(((p.probabilities >= 0.5) == p.is_defect).mean())
    rows = [Row(benchmark, dataset, variant, seed, name, float(v), "share") for name, v in values.items()]
    for name, value in (found.get("pixel") or {}).items():
        if name in pixels.FIGURES and value is not None:
            rows.append(Row(benchmark, dataset, variant, seed, f"pixel_{name}", float(value), "share"))
    return [*rows, Row(benchmark, dataset, variant, seed, "training_time", one.seconds, "s")]


def out_of_fold(inspector: Inspector) -> dict[str, float]:
    """Return figures of the training images, each judged by members of the head that were not shown its fold.

    Raises:
        ConfigError: If the inspector was calibrated otherwise.
    """
    point = inspector.operating_point
    if point is None or not inspector.out_of_fold:
        raise ConfigError("the training images did not calibrate: too few members, or no normal class")
    scores = inspector.reference_scores
    values = inspector.calibrated(scores).on(point.scale, scores.defect)
    is_defect = inspector.reference["labels"] != inspector.normal_index
    called = point.rejected(values)
    return {
        "auroc": float(roc_auc_score(is_defect, scores.defect)),
        "average_precision": float(average_precision_score(is_defect, scores.defect)),
        "f1": float(f1_score(is_defect, called)),
        "accuracy": float((called == is_defect).mean()),
        "accuracy_at_0.5": float(((values >= 0.5) == is_defect).mean()),
    }


def judged_out_of_fold(
    dataset: Dataset, asked: TrainOptions, benchmark: str, variant: str, seed: int
) -> list[Row]:
    """Train on the whole of a data set and return the rows of its figures out of fold and of the seconds."""
    inspector = train(dataset, None, asked, progress=tell)
    print(file=sys.stderr)
    rows = [
        Row(benchmark, dataset.name, variant, seed, name, value, "share")
        for name, value in out_of_fold(inspector).items()
    ]
    seconds = float(inspector.facts["training"]["seconds"])
    return [*rows, Row(benchmark, dataset.name, variant, seed, "training_time", seconds, "s")]


def untested(dataset: Dataset) -> Dataset:
    """Return the training images of the solar cells' protocol for seed 0, not shared out."""
    shared_out = split(dataset, test=0.25, calibration=0.0, seed=0)
    return shared_out.subset(replace(s, split=None) for s in shared_out.samples if s.split == "train")


def save(rows: Sequence[Row], output: Path) -> None:
    """Append rows to the benchmark's CSV, and print them in short."""
    append(output, rows)
    shown = ("accuracy", "accuracy_at_0.5", "auroc", "f1", "escape_rate", "overkill_rate", "training_time")
    text = ", ".join(f"{r.metric} {r.value:.4g}" for r in rows if r.metric in shown)
    print(f"{rows[0].variant} seed {rows[0].seed}: {text}", flush=True)


def summary(rows: Iterable[Row]) -> None:
    """Print mean and range of every figure over the seeds, by variant."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        values.setdefault((row.variant, row.metric), []).append(row.value)
    for (variant, metric), found in values.items():
        low, high = min(found), max(found)
        print(
            f"{variant:28s} {metric:18s} {statistics.mean(found):8.4f} [{low:.4f}, {high:.4f}] n={len(found)}"
        )


def for_development(dataset: Dataset, seed: int) -> Dataset:
    """Return the images that are not tested, with a share of them to test on while defaults are chosen."""
    kept = dataset.subset(replace(s, split=None) for s in dataset.samples if s.split != "test")
    return split(kept, test=0.2, calibration=0.0, seed=seed)
