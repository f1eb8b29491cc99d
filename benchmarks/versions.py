"""Two versions of the source beside each other: figures of the test split, decisions, and seconds.

    python benchmarks/versions.py --other SOURCE                          solar cells, seeds 0 to 4
    python benchmarks/versions.py --other SOURCE --data FOLDER --seeds 0  folds by group, such as ballscrew

Both train by default settings on the same splits and judge the same test images, one after the other on one
machine. SOURCE is the `src` folder of the other version.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from record import Row, append
from runs import SMOKE, begun, new_parser, smoke_parts

SOURCE = Path(__file__).resolve().parents[1] / "src"

PROGRAM = """
import json, sys, time
from pathlib import Path
import brightfield
from brightfield.data.load import load
from brightfield.data.split import folds, split
name, out, seed, options = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
dataset = load(name)
grouped = any(s.group for s in dataset.samples) and name != "elpv"
if grouped:
    dataset = folds(dataset, 5, 0, calibration=0.0)[seed]
else:
    dataset = split(dataset, test=0.25, calibration=0.0, seed=seed)
wall, cpu = time.perf_counter(), time.process_time()
inspector = brightfield.train(dataset, out / "bundle", seed=seed, **options)
seconds = {"training_time": time.perf_counter() - wall, "training_cpu": time.process_time() - cpu}
wall, cpu = time.perf_counter(), time.process_time()
evaluation = brightfield.evaluate(inspector, dataset, out / "report", split="test")
seconds |= {"evaluation_time": time.perf_counter() - wall, "evaluation_cpu": time.process_time() - cpu}
found = evaluation.metrics
shares = {"auroc": found["auroc"], "accuracy": found["accuracy"]}
shares |= {name: found[name]["value"] for name in ("escape_rate", "overkill_rate")}
pixel = found.get("pixel") or {}
shares |= {f"pixel_{name}": pixel[name] for name in ("auroc", "aupro", "iou") if pixel.get(name) is not None}
(out / "figures.json").write_text(json.dumps({"seconds": seconds, "shares": shares}))
"""
"""Trains and tests once, with whatever source it is run with, and writes figures and predictions."""


def one_side(source: Path, name: str, out: Path, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """Train and test with a version's source in a process of its own, and return its figures."""
    out.mkdir(parents=True)
    command = [sys.executable, "-c", PROGRAM, name, str(out), str(seed), json.dumps(options)]
    env = {**os.environ, "PYTHONPATH": str(source)}
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return dict(json.loads((out / "figures.json").read_text(encoding="utf-8")))


def predictions(out: Path) -> dict[str, tuple[str, float]]:
    """Return decision and probability of each image, by its name in the predictions of a report."""
    with (out / "report" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: (row["decision"], float(row["probability"])) for row in csv.DictReader(file)}


def compared(mine: Path, other: Path, dataset: str, seed: int) -> list[Row]:
    """Return the rows of two outputs of `one_side`: each side's figures, and how their verdicts differ."""
    rows = []
    for variant, out in (("this version", mine), ("the other version", other)):
        figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
        for kind, unit in (("shares", "share"), ("seconds", "s")):
            rows += [
                Row("versions", dataset, variant, seed, name, value, unit)
                for name, value in figures[kind].items()
            ]
    a, b = predictions(mine), predictions(other)
    changed = [abs(a[i][1] - b[i][1]) for i in a if a[i][0] != b[i][0]]
    between = {
        "images": len(a),
        "decisions_that_differ": len(changed),
        "largest_probability_difference": max(abs(a[i][1] - b[i][1]) for i in a),
        "largest_probability_difference_of_those": max(changed, default=0.0),
    }
    return [
        *rows,
        *(
            Row("versions", dataset, "between them", seed, name, value, "share" if "prob" in name else "1")
            for name, value in between.items()
        ),
    ]


def main() -> None:
    """Train and test both versions for each seed."""
    parser = new_parser(__doc__)
    parser.add_argument("--other", type=Path, help="the src folder of the other version")
    parser.add_argument("--data", default="elpv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    with begun(parser, "versions", needs="other") as (args, folder):
        other = args.other or SOURCE
        name = str(smoke_parts(folder).samples[0].path.parents[1]) if args.smoke else args.data
        for seed in args.seeds:
            compare_once(args, other, name, seed, folder / str(seed))


def compare_once(args: argparse.Namespace, other: Path, name: str, seed: int, folder: Path) -> None:
    """Run both versions for one seed, print how they differ, and keep the rows."""
    options = SMOKE if args.smoke else {}
    for side, source in (("other", other), ("mine", SOURCE)):
        one_side(source, name, folder / side, seed, options)
    rows = compared(folder / "mine", folder / "other", Path(name).name, seed)
    for row in rows:
        print(f"seed {seed} {row.variant:18s} {row.metric:40s} {row.value:.5g} {row.unit}", flush=True)
    append(args.output, rows)


if __name__ == "__main__":
    main()
