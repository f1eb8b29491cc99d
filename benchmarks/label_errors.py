"""Wrong labels: how many of those proposed are wrong, and how many of the wrong ones are proposed?

Of 5% of the images the label is changed to another class, drawn at random. A classifier is trained by
cross-validation on what the labels then say, and from its calibrated probabilities wrong labels are
proposed: by `data check --labels`, and by cleanlab from the very same probabilities. Solar cells have
labels of their own that people were not sure of (a probability of a defect of 1/3 or 2/3): they are counted
apart, as nobody knows which are wrong.

    python -m venv CLEANLAB && CLEANLAB/bin/pip install "cleanlab==2.9.*"
    python benchmarks/label_errors.py --python CLEANLAB/bin/python --magnetic-tile FOLDER --groups CSV

cleanlab's licence is the AGPL, so it is run in an environment of its own and only measured.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.evaluation.label_errors import label_errors
from brightfield.pipeline.out_of_fold import OutOfFold, out_of_fold
from defect_sets import add_sets, named
from record import Row, append
from runs import SMOKE, begun, new_parser

FLIPPED = 0.05
SIDE = Path(__file__).with_name("cleanlab_side.py")

Bools = npt.NDArray[np.bool_]


def flipped(dataset: Dataset, seed: int) -> tuple[Dataset, Bools]:
    """Return the data set with wrong labels, and which are wrong; nothing else tells the class."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(dataset), dtype=np.bool_)
    wrong[rng.choice(len(dataset), round(FLIPPED * len(dataset)), replace=False)] = True
    samples = []
    for sample, is_wrong in zip(dataset.samples, wrong, strict=True):
        others = [name for name in dataset.classes if name != sample.label]
        label = str(rng.choice(others)) if is_wrong else sample.label
        samples.append(replace(sample, label=label, mask=None, split=None, defect_probability=None))
    return dataset.subset(samples), wrong


def unsure(dataset: Dataset) -> Bools:
    """Return which labels the annotator was not sure of."""
    known = (s.defect_probability for s in dataset.samples)
    return np.array([p is not None and 0 < p < 1 for p in known])


def by_cleanlab(python: str, judged: OutOfFold, folder: Path) -> dict[str, Any]:
    """Return what cleanlab proposes."""
    given = folder / "given.npz"
    np.savez(given, probabilities=judged.probabilities, labels=judged.labels)
    done = subprocess.run([python, str(SIDE), str(given)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def figures(
    proposed: Sequence[int], expected: float, wrong: Bools, doubted: Bools
) -> dict[str, tuple[float, str]]:
    """Return precision and recall of what is proposed, and the numbers."""
    rows = np.asarray(proposed, dtype=np.intp)
    found = float(wrong[rows].sum())
    precision, recall = found / max(1, len(rows)), found / wrong.sum()
    return {
        "proposed": (float(len(rows)), "labels"),
        "expected": (expected, "labels"),
        "wrong": (float(wrong.sum()), "labels"),
        "precision": (precision, "share"),
        "recall": (float(recall), "share"),
        "f1": (2 * precision * float(recall) / max(1e-9, precision + float(recall)), "share"),
        "proposed_and_annotator_unsure": (
            float((doubted & ~wrong)[rows].mean()) if len(rows) else 0.0,
            "share",
        ),
    }


def main() -> None:
    """Run what was asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--python", help="an interpreter that has cleanlab; else our side only")
    add_sets(parser)
    with begun(parser, "label_errors") as (args, folder):
        for name in args.only[:1] if args.smoke else args.only:
            dataset = named(name, args, folder)
            for seed in args.seeds:
                append(args.output, measure(dataset, seed, args, folder))


def measure(dataset: Dataset, seed: int, args: Any, folder: Path) -> list[Row]:
    """Return the rows of one seed."""
    changed, wrong = flipped(dataset, seed)
    begin = time.perf_counter()
    own = SMOKE if args.smoke else None
    judged = out_of_fold(changed, folder=(args.cache or folder) / dataset.name, seed=seed, own=own)
    found = label_errors(judged.probabilities, judged.labels)
    seconds = time.perf_counter() - begin
    doubted = unsure(dataset)
    sides = {"brightfield": figures(found.proposed.tolist(), found.expected, wrong, doubted)}
    sides["brightfield"]["seconds"] = (seconds, "s")
    if args.python is not None:
        theirs = by_cleanlab(args.python, judged, folder)
        name = f"cleanlab {theirs['version']}"
        sides[name] = figures(theirs["issues"], float(theirs["expected"]), wrong, doubted)
    for side, values in sides.items():
        listed = ", ".join(f"{metric} {value:.3f}" for metric, (value, _) in values.items())
        print(f"{dataset.name} seed {seed} {side}: {listed}", flush=True)
    return [
        Row("label_errors", dataset.name, side, seed, metric, value, unit)
        for side, values in sides.items()
        for metric, (value, unit) in values.items()
    ]


if __name__ == "__main__":
    main()
