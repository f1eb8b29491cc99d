"""One training and its test, as every benchmark of quality runs it."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brightfield import TrainOptions
from brightfield.data.dataset import Dataset
from brightfield.data.split import split
from brightfield.evaluation.run import Evaluation, evaluate
from brightfield.inspector import Inspector
from brightfield.pipeline.train import train
from record import RESULTS, Row, append

FIGURES = ("accuracy", "auroc", "average_precision", "f1", "ece")


@dataclass(frozen=True)
class Run:
    """A trained inspector, what it made of the test split, and the seconds its training took."""

    inspector: Inspector
    evaluation: Evaluation
    seconds: float


def run(dataset: Dataset, options: TrainOptions, output: Path | None = None) -> Run:
    """Train on a data set whose parts are fixed and judge its test split once.

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
        if name in ("auroc", "aupro", "iou", "dice") and value is not None:
            rows.append(Row(benchmark, dataset, variant, seed, f"pixel_{name}", float(value), "share"))
    return [*rows, Row(benchmark, dataset, variant, seed, "training_time", one.seconds, "s")]


def save(name: str, rows: Sequence[Row], output: Path | None) -> None:
    """Append rows to the benchmark's CSV, and print them in short."""
    append(output or RESULTS / f"{name}.csv", rows)
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
    """Return the images that are not tested, with a part of them to test on while defaults are chosen."""
    kept = dataset.subset(replace(s, split=None) for s in dataset.samples if s.split != "test")
    return split(kept, test=0.2, calibration=0.0, seed=seed)
