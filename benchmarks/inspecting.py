"""What inspecting costs: a whole process, one picture in a process, and many pictures.

    python benchmarks/inspecting.py                                  a solar cell, default recipe
    python benchmarks/inspecting.py --bundle BUNDLE --data FOLDER    an inspector and pictures that are there
    python benchmarks/inspecting.py --other SOURCE BUNDLE            beside another version's source, in turn

Processes are timed in CPU-seconds and in the most memory they held, beside one that only imports NumPy,
Pillow and ONNX Runtime. In the process a verdict is timed beside what ONNX Runtime takes for the same tiles
and scales.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import brightfield
from brightfield import Dataset
from brightfield.engine.pixels import normalise
from brightfield.engine.trunk import ANY_SIDE, PICTURES, POOLED, SIZE, scaled_side
from brightfield.methods.classifier.fitted import Classifier
from brightfield.pipeline.train import train
from record import Row, append
from runs import begun, data, new_parser, options, tell

SOURCE = Path(__file__).resolve().parents[1] / "src"
IMPORTS = "import numpy, PIL.Image, onnxruntime"
FULL_TIMES, SMOKE_TIMES = 9, 2

MANY = """
import json, sys, time
from pathlib import Path
import brightfield
inspector = brightfield.load(sys.argv[1])
found = (p for p in Path(sys.argv[2]).rglob("*") if p.suffix.lower() in (".png", ".jpg"))
paths = sorted(found)[:int(sys.argv[3])]
list(inspector.inspect_many(paths[:4]))
begin = time.perf_counter()
found = list(inspector.inspect_many(paths))
print(json.dumps(len(found) / (time.perf_counter() - begin)))
"""

EVALUATE = """
import json, sys, time
import brightfield
inspector = brightfield.load(sys.argv[1])
begin = time.perf_counter()
evaluation = brightfield.evaluate(inspector, sys.argv[2])
print(json.dumps(evaluation.metrics["n"] / (time.perf_counter() - begin)))
"""
PROGRAMS = {"inspect_many": MANY, "evaluate": EVALUATE}
"""Each prints pictures a second, in a process of its own, of a bundle and a folder of pictures."""


def process(command: list[str], source: Path) -> tuple[float, float]:
    """Return the CPU-seconds of a process and the MB of memory that it held at the most."""
    program = (
        "import json, resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
        "u = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(json.dumps([u.ru_utime + u.ru_stime, u.ru_maxrss / 1024]))"
    )
    env = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-c", program, *command], env=env, check=True, capture_output=True, text=True
    )
    seconds, megabytes = json.loads(done.stdout)
    return float(seconds), float(megabytes)


def processes(sides: dict[str, tuple[Path, Path]], image: Path, times: int) -> list[Row]:
    """Return CPU-seconds and memory of `brightfield inspect` with a heatmap for each side, in turn."""
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(times):
            found.setdefault("imports alone", []).append(process([sys.executable, "-c", IMPORTS], SOURCE))
            for name, (source, bundle) in sides.items():
                command = [sys.executable, "-m", "brightfield", "inspect", str(bundle), str(image)]
                found.setdefault(name, []).append(process([*command, "-o", out], source))
    rows = []
    for name, measured in found.items():
        for metric, unit, values in (
            ("cpu_seconds", "s", [seconds for seconds, _ in measured]),
            ("memory", "MB", [megabytes for _, megabytes in measured]),
        ):
            rows += _spread("process", name, metric, values, unit)
    return rows


def in_process(bundle: Path, image: Path, times: int) -> list[Row]:
    """Return milliseconds of a verdict without and with a heatmap, and of ONNX Runtime for the same tiles."""
    inspector = brightfield.load(bundle)
    pixels = inspector.look(image).pixels
    method = inspector.method
    if not isinstance(method, Classifier) or ANY_SIDE not in method.trunk.networks:
        raise SystemExit("this inspector has no network for every size to compare with")
    network = method.trunk.networks[ANY_SIDE]
    tiles, _ = inspector.preprocessing.tiles(inspector.preprocessing.working(pixels))
    x = normalise(tiles, inspector.preprocessing)
    scaled = [scaled_side(x.shape[2], scale) for scale in method.trunk.scales]
    given = [{PICTURES: x, SIZE: np.array([side, side])} for side in scaled]
    small = [
        {**one, PICTURES: np.ascontiguousarray(x[:, :, : one[SIZE][0], : one[SIZE][1]])} for one in given
    ]
    sides: dict[str, Callable[[], object]] = {
        "network alone": lambda: [network(inputs, (POOLED,)) for inputs in given],
        "network alone, on pictures that are small already": lambda: [network(i, (POOLED,)) for i in small],
        "verdict": lambda: inspector.inspect(pixels, explain=False),
        "verdict with heatmap": lambda: inspector.inspect(pixels),
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(10 * times):
        for name, judge in sides.items():
            begin = time.perf_counter()
            judge()
            found[name].append(1e3 * (time.perf_counter() - begin))
    rows = [
        row for name, values in found.items() for row in _spread("one picture", name, "time", values, "ms")
    ]
    for name in ("verdict", "verdict with heatmap"):
        ratios = [a / b for a, b in zip(found[name], found["network alone"], strict=True)]
        rows += _spread("one picture", name, "times_the_network", ratios, "ratio")
    return rows


def many(sides: dict[str, tuple[Path, Path]], folder: Path, pictures: int, times: int) -> list[Row]:
    """Return pictures a second of `inspect_many` and of `evaluate` for each side, in turn."""
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(times):
        for what, program in PROGRAMS.items():
            for name, (source, bundle) in sides.items():
                command = [sys.executable, "-c", program, str(bundle), str(folder), str(pictures)]
                env = {**os.environ, "PYTHONPATH": str(source), "OMP_WAIT_POLICY": "PASSIVE"}
                done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
                found.setdefault((what, name), []).append(float(json.loads(done.stdout)))
    return [
        row
        for (what, name), values in found.items()
        for row in _spread(what, name, "pictures_per_second", values, "1/s")
    ]


def _spread(dataset: str, variant: str, metric: str, values: list[float], unit: str) -> list[Row]:
    """Return median, least and greatest of what was measured."""
    kinds = {metric: statistics.median(values), f"{metric}_least": min(values), f"{metric}_most": max(values)}
    return [Row("inspecting", dataset, variant, 0, name, value, unit) for name, value in kinds.items()]


def trained(args: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    """Train the default recipe on solar cells or synthetic parts; return the bundle and a few pictures."""
    dataset = data(args, "elpv", folder)
    train(dataset, folder / "inspector", options(args, {}), progress=tell)
    return folder / "inspector", labelled(dataset, folder / "pictures", args.pictures)


def labelled(dataset: Dataset, folder: Path, pictures: int) -> Path:
    """Make a folder of some pictures of a data set, as many good as defective, sorted by class."""
    for good in (True, False):
        place = folder / ("OK" if good else "Defect")
        place.mkdir(parents=True)
        chosen = [s for s in dataset.samples if (s.label == dataset.normal) == good]
        for i, sample in enumerate(chosen[: pictures // 2]):
            shutil.copy(sample.path, place / f"{i}{sample.path.suffix}")
    return folder


def main() -> None:
    """Measure all three."""
    parser = new_parser(__doc__)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--other", nargs=2, type=Path, metavar=("SOURCE", "BUNDLE"))
    parser.add_argument("--pictures", type=int, default=200)
    with begun(parser, "inspecting") as (args, temporary):
        times, pictures = (SMOKE_TIMES, 8) if args.smoke else (FULL_TIMES, args.pictures)
        bundle, folder = args.bundle, args.data
        if bundle is None or folder is None:
            bundle, folder = trained(args, temporary)
        image = next(p for p in sorted(folder.rglob("*")) if p.suffix.lower() in (".png", ".jpg"))
        sides = {"this version": (SOURCE, bundle)}
        if args.other is not None:
            sides["the other version"] = (args.other[0], args.other[1])
        rows = processes(sides, image, times)
        rows += in_process(bundle, image, times)
        rows += many(sides, folder, pictures, min(3, times))
        for row in rows:
            said = f"{row.dataset:14s} {row.variant:50s} {row.metric:28s} {row.value:10.4g} {row.unit}"
            print(said, flush=True)
        append(args.output, rows)


if __name__ == "__main__":
    main()
