"""PatchCore here beside anomalib's Patchcore and MH-PatchCore: same pictures, backbone, weights and threads.

    python -m venv ANOMALIB && ANOMALIB/bin/pip install "anomalib==2.7.*"
    python benchmarks/beside_anomalib.py --python ANOMALIB/bin/python --screw FOLDER
    python benchmarks/beside_anomalib.py --python ANOMALIB/bin/python --tiles FOLDER --groups CSV

Each side is a process of its own, and they work in turn, never at once.

- Given to all: the files of the good training pictures, the size to which pictures are squeezed, the maps of
  stride 8 and 16 of tf_efficientnet_lite0 with the weights that pip installs, how its input is normalised,
  and the number of threads.
- Given to anomalib's Patchcore: the coreset ratio that makes as many patches as our bank has. To
  MH-PatchCore: the size of our bank, which it does not fill (`patches`), as each of its blocks keeps 256 by
  default; `--mh` changes its settings. To both: batches of 32, the default of its data modules; no centre
  crop.
- Ours: `--method patchcore --detail fine`, otherwise as it comes. It finds out whether parts lie still, holds
  out 15% of the good parts to standardise the score, and takes them in at the end.
- `fit_time` runs from files to memory bank: decoding, features, coreset. Imports, building the network and
  loading its weights are left out on all sides, and anomalib runs without its engine's callbacks and
  validation. `--limit-fit` stops a side; its time is then `fit_time_at_least`, and it judges nothing.
- `latency`: one picture at a time, decoded and at working size, to score and anomaly map of that size: ours
  is `judge(explain=True)` from uint8 pixels, anomalib's the forward pass of its model from the normalised
  tensor. Every side is timed in each of several rounds.
- AUROC: scores, and maps enlarged linearly to the pictures' own size, measured by the same code.
- `fit_cpu_time`: the CPU-seconds of all threads in that time, which other programs hardly change.
- `fit_memory`: the most that the process held when it was fitted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.metrics import roc_auc_score

from answering import Asked, Clocks, answer, peak_memory
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode
from brightfield.data.masks import read_mask
from brightfield.evaluation.pixels import PixelMeter
from defect_sets import magnetic_tiles, screw
from record import Row
from runs import SMOKE, begun, new_parser, save, smoke_good_parts, summary

OURS = "brightfield patchcore"
THEIRS = ("Patchcore", "MH-PatchCore")
BACKBONE = "tf_efficientnet_lite0"
LAYERS = {8: "blocks.2", 16: "blocks.4"}
"""The names that timm gives the last maps of these strides."""

SIDES = {"screw": 448}
"""The side in pixels to which pictures are squeezed, where it is not that of the weights, 224."""

WARM_UP = 5
TIMED = 40
"""Pictures in a round of timing."""

FloatArray = npt.NDArray[np.float32]


class Ours:
    """Our side, as `anomalib_side.Side` is anomalib's."""

    def make(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what is given."""
        self.given = given
        return {}

    def fit(self, paths: Sequence[str], limit: float | None) -> dict[str, Any]:
        """Fit on the pictures of good parts; it is never stopped."""
        from brightfield.decide.policy import parse_policy
        from brightfield.learn.processes import ALONE
        from brightfield.methods.base import Job
        from brightfield.methods.patches.learner import make_patchcore
        from brightfield.methods.patches.options import PatchCoreOptions

        del limit
        samples = [Sample(path, Path(path), "good", split="train") for path in paths]
        # the seam wants a calibration split; one picture, which nothing is measured on
        samples.append(Sample("calibration", Path(paths[0]), "good", split="calibration"))
        data = Dataset("good parts", tuple(samples), ("good",), "good")
        options = PatchCoreOptions(**self.given["options"])
        begin = Clocks()

        def progress(stage: str, done: int, _total: int) -> None:
            nonlocal begin
            if (stage, done) == ("whitening", 0):  # the first stage after the network is built
                begin = Clocks()

        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                data=data,
                policy=parse_policy("f1"),
                seed=0,
                folder=Path(folder),
                duplicates=np.arange(len(paths)),
                folds=None,
                process_group=ALONE,
                progress=progress,
            )
            fitted = make_patchcore(options, data).fit(job)
        self.method, self.preprocessing = fitted.method, fitted.preprocessing
        return {
            **begin.passed(),
            "stopped": False,
            "patches": fitted.facts["members"][0]["patches"],
            "memory": peak_memory(),
        }

    def judge(self, paths: Sequence[str], output: str) -> dict[str, Any]:
        """Write the scores (N,) and maps (N, side, side) of pictures to an `.npz` file."""
        found = [self.method.judge([self._picture(path)], explain=True)[0] for path in paths]
        np.savez(
            output,
            scores=np.array([j.score for j in found]),
            maps=np.stack([j.heat for j in found if j.heat is not None]),
        )
        return {"memory": peak_memory()}

    def time(self, paths: Sequence[str]) -> dict[str, Any]:
        """Return the milliseconds of each picture, from uint8 pixels at working size to score and map."""
        taken = []
        for picture in [self._picture(path) for path in paths]:
            begin = time.perf_counter()
            self.method.judge([picture], explain=True)
            taken.append(1000 * (time.perf_counter() - begin))
        return {"milliseconds": taken}

    def _picture(self, path: str) -> npt.NDArray[np.uint8]:
        return self.preprocessing.working(decode(Path(path)))


def serve() -> None:
    """Answer requests about our side."""
    side = Ours()
    answer({name: getattr(side, name) for name in ("make", "fit", "judge", "time")})


def given_to_anomalib(args: argparse.Namespace, side: int, pictures: int, folder: Path) -> dict[str, Any]:
    """Return what anomalib's models are built with, and write the weights to a file."""
    import torch

    from brightfield.learn.backbone import build_trunk
    from brightfield.learn.weights import load_weights

    trunk = build_trunk(BACKBONE)
    load_weights(trunk)
    torch.save(trunk.net.state_dict(), folder / "weights.pt")
    patches = pictures * (side // min(LAYERS)) ** 2
    return {
        "backbone": BACKBONE,
        "layers": [LAYERS[stride] for stride in sorted(LAYERS)],
        "weights": str(folder / "weights.pt"),
        "side": side,
        "mean": trunk.spec.mean,
        "std": trunk.spec.std,
        "threads": args.threads,
        # just above, as the size is rounded down
        "ratio": min(1.0, (args.bank + 0.5) / patches),
        "mh": {"memory_bank_size": args.bank, **args.mh},
    }


def auroc(dataset: Dataset, output: Path) -> dict[str, float]:
    """Return the AUROC of pictures and of pixels of what a side wrote about a data set's pictures."""
    with np.load(output) as found:
        scores, maps = found["scores"], found["maps"]
    defective = [s.label != dataset.normal for s in dataset.samples]
    meter = PixelMeter()
    spread = float(maps.std()) or 1.0  # the meter's bins are finest around values of 1
    for sample, heat, bad in zip(dataset.samples, maps, defective, strict=True):
        if bad and sample.mask is None:
            continue
        with Image.open(sample.path) as image:
            size = image.size
        enlarged = Image.fromarray(heat / np.float32(spread)).resize(size, Image.Resampling.BILINEAR)
        mask = None if sample.mask is None else read_mask(sample.mask)
        meter.update(np.asarray(enlarged), mask, defect_type=str(sample.label) if bad else None)
    pixels = meter.result()
    known = {"pixel_auroc": pixels.auroc, "pixel_aupro": pixels.aupro}
    out = {name: value for name, value in known.items() if value is not None}
    return {"auroc": float(roc_auc_score(defective, scores)), **out}


def measured(args: argparse.Namespace, dataset: Dataset, side: int, folder: Path) -> list[Row]:
    """Fit every side, let it judge the test pictures, time it; return the rows."""
    train = [str(s.path) for s in dataset.split("train").samples if s.label == dataset.normal]
    test = dataset.split("test")
    paths = [str(s.path) for s in test.samples]
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        sides = {OURS: stack.enter_context(Asked(sys.executable, "beside_anomalib:serve", args.threads))}
        options = {"image_size": side, "bank": args.bank, "detail": "fine"}
        if args.smoke:
            options |= {name: SMOKE[name] for name in ("backbone", "weights")}
        sides[OURS].ask("make", given={"options": options})
        if args.python is not None:
            given = given_to_anomalib(args, side, len(train), folder)
            for kind in THEIRS:
                one = stack.enter_context(Asked(args.python, "anomalib_side:serve", args.threads))
                one.ask("make", kind=kind, given=given)
                sides[f"anomalib {kind}"] = one

        def add(variant: str, metric: str, value: float, unit: str) -> None:
            print(f"{variant:24s} {metric:22s} {value:10.4g} {unit}", flush=True)
            name = f"{dataset.name}, {side} px"
            rows.append(Row("beside_anomalib", name, variant, 0, metric, value, unit))

        for variant in list(sides):
            done = sides[variant].ask("fit", paths=train, limit=args.limit_fit)
            add(variant, "fit_time_at_least" if done["stopped"] else "fit_time", done["seconds"], "s")
            add(variant, "fit_cpu_time", done["cpu_seconds"], "s")
            add(variant, "fit_memory", done["memory"], "MiB")
            if done["stopped"]:
                del sides[variant]
                continue
            add(variant, "patches", done["patches"], "1")
            sides[variant].ask("judge", paths=paths, output=str(folder / "found.npz"))
            for metric, value in auroc(test, folder / "found.npz").items():
                add(variant, metric, value, "share")
        for variant, taken in timed(sides, paths[:TIMED], args.rounds).items():
            add(variant, "latency", float(np.median(taken)), "ms")
            add(variant, "latency_p90", float(np.quantile(taken, 0.9)), "ms")
    return rows


def timed(sides: Mapping[str, Asked], paths: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of every picture in every round, the sides in turn."""
    taken: dict[str, list[float]] = {variant: [] for variant in sides}
    for _ in range(rounds):
        for variant, side in sides.items():
            every = side.ask("time", paths=[*paths[:WARM_UP], *paths])["milliseconds"]
            taken[variant] += every[min(WARM_UP, len(paths)) :]
    return taken


def sets(args: argparse.Namespace, folder: Path) -> list[Dataset]:
    """Return the data sets asked for."""
    if args.smoke:
        return [smoke_good_parts(folder)]
    found = [screw(args.screw)] if args.screw is not None else []
    if args.tiles is not None:
        found.append(magnetic_tiles(args.tiles, args.groups, 0))
    return found


def fewer(dataset: Dataset, count: int) -> Dataset:
    """Return a data set with no more than a few pictures of each class in each split."""
    seen: Counter[tuple[str | None, str | None]] = Counter()
    kept = []
    for sample in dataset.samples:
        seen[sample.split, sample.label] += 1
        if seen[sample.split, sample.label] <= count:
            kept.append(sample)
    return dataset.subset(kept)


def main() -> None:
    """Compare on every set."""
    parser = new_parser(__doc__)
    for name in ("screw", "tiles", "groups"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--python", help="an interpreter that has anomalib; else our side only")
    parser.add_argument("--side", type=int, help="the working size of pictures in pixels")
    parser.add_argument("--bank", type=int, default=4000, help="patches in the memory bank")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit-fit", type=float, metavar="SECONDS", help="stop a fit that takes longer")
    parser.add_argument("--mh", type=json.loads, default={}, metavar="JSON", help="settings of MH-PatchCore")
    parser.add_argument("--few", type=int, help="no more pictures of a class in a split, to try the script")
    every: list[Row] = []
    with begun(parser, "beside_anomalib") as (args, folder):
        if args.python is None:
            print("without --python there is no anomalib: our side only", file=sys.stderr)
        for dataset in sets(args, folder):
            side = args.side or SIDES.get(dataset.name, 224)
            rows = measured(args, dataset if args.few is None else fewer(dataset, args.few), side, folder)
            save(rows, args.output)
            every += rows
    summary(every)


if __name__ == "__main__":
    main()
