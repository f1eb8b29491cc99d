"""Fitting on thousands of pictures: seconds per 1,000 pictures, and the most memory of the process.

The pictures, of 500 px, are crops of rendered parts, turned, mirrored and differently lit. Each number of
pictures is trained on in a process of its own:

    python benchmarks/many_pictures.py --counts 1000 3000 10000
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from brightfield.data.synthetic import render_part
from record import Row, append
from runs import begun, new_parser

SIDE = 500
RENDERED = 40

CHILD = """
import json, resource, sys, time
import brightfield
begin = time.perf_counter()
inspector = brightfield.train(sys.argv[1], method=sys.argv[2], test=0.0, **json.loads(sys.argv[3]))
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds, "gib": peak, "fit": inspector.facts["training"]["fit_seconds"]}))
"""


def make_pictures(folder: Path, count: int, side: int) -> Path:
    """Write pictures of good parts, `OK/NNNNN.jpg`; those that are there already are kept."""
    rng = np.random.default_rng(0)
    place = folder / "parts" / "OK"
    place.mkdir(parents=True, exist_ok=True)
    rendered = [render_part(rng, size=(side + 80, side + 140))[0] for _ in range(min(RENDERED, count))]
    for i in range(count):
        path = place / f"{i:05d}.jpg"
        top, left = int(rng.integers(80)), int(rng.integers(140))
        picture = rendered[i % len(rendered)][top : top + side, left : left + side]
        picture = np.rot90(picture, int(rng.integers(4)))[:, :: int(rng.choice([-1, 1]))]
        lit = picture * rng.uniform(0.85, 1.1) + rng.normal(0, 3, picture.shape)
        if not path.exists():
            Image.fromarray(lit.clip(0, 255).astype(np.uint8)).save(path, quality=85)
    return place.parent


def measure(data: Path, method: str, own: dict[str, object]) -> dict[str, float]:
    """Return the seconds, the GiB and the seconds of the fit alone of a training in its own process."""
    command = [sys.executable, "-c", CHILD, str(data), method, json.dumps(own)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(method: str, count: int, found: dict[str, float]) -> Sequence[Row]:
    """Return the rows of one training."""
    dataset = f"{count} rendered pictures of {SIDE} px"
    each = 1000 / count
    values = {
        "training_time": (found["seconds"], "s"),
        "training_time_per_1000": (found["seconds"] * each, "s"),
        "fit_time_per_1000": (found["fit"] * each, "s"),
        "peak_memory": (found["gib"], "GiB"),
    }
    return [Row("many_pictures", dataset, method, 0, name, *value) for name, value in values.items()]


def main() -> None:
    """Train on each number of pictures."""
    parser = new_parser(__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 3000, 10000])
    parser.add_argument("--methods", nargs="+", default=["patchcore"])
    with begun(parser, "many_pictures") as (args, folder):
        own: dict[str, object] = {}
        counts, side = args.counts, SIDE
        if args.smoke:
            counts, side = [24], 96
            own = {"backbone": "test_resnet", "weights": "none", "image_size": 64}
        for count in counts:
            data = make_pictures(folder / str(count), count, side)
            for method in args.methods:
                rows = rows_of(method, count, measure(data, method, own))
                append(args.output, rows)
                print(method, count, {row.metric: round(row.value, 2) for row in rows}, flush=True)


if __name__ == "__main__":
    main()
