"""Retraining: what a shift costs and a successor mends, whom the gate lets through, how long it takes.

    python benchmarks/retraining.py --part shift      solar cells under a lamp that has aged
    python benchmarks/retraining.py --part gate       equal and worse successors, 100 tries of each
    python benchmarks/retraining.py --part seconds    200 new pictures on 2,000 old ones, beside training anew

**shift**: half of the cells teach an inspector. Then the lamp gives three fifths of its light and the optics
blur; 400 other pictures of that kind are judged by people (the labels are the set's own), and a successor is
trained. Both judge cells that nobody was shown, as they were before and as they are after the shift.

**gate**: on features that are computed once. An inspector learns from 600 cells; an equal successor from the
same ones with another seed, from 60 more, or from 600 others; worse ones from 300 of the same, with labels
that are wrong at random. All judge the 656 cells of the test, drawn anew in every try. Counted is what the
gate says with the default margin, and which of its checks were against the successor.

**seconds**: with and without features that were kept, one thread or as many as `OMP_NUM_THREADS` says.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

import brightfield
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.split import split
from brightfield.evaluation.gate import WORSE, Demands, Gate, compare_successor
from brightfield.evaluation.run import evaluate
from brightfield.inspector import Inspector
from brightfield.options import make_options
from brightfield.pipeline.retrain import Asked, retrain
from brightfield.pipeline.successor import balance_kept
from brightfield.pipeline.train_and_test import Kept, train_and_test
from head_lab import Lab, Rows, open_lab, train_inspector
from record import Row
from runs import SMOKE, begun, new_parser, save, smoke_parts, tell

LIGHT, BLUR = 0.6, 1.5
"""The share of the light that is left, and the standard deviation of the blur in pixels."""

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Change = Callable[[Floats], Bytes]

PARTS = ("shift", "gate", "seconds")

EQUAL = ("equal: another seed", "equal: a tenth more pictures", "equal: other pictures")
HALF = "half the data"
FLIPS = (0.1, 0.25)
"""Shares of labels that are wrong, with half of the data."""


def cells(folder: Path, *, smoke: bool) -> Dataset:
    """Return the solar cells, good and defective, or the parts of a smoke run."""
    if smoke:
        return smoke_parts(folder)
    from brightfield.data.load import load

    return load("elpv")


def written(dataset: Sequence[Sample], folder: Path, change: Change | None = None) -> Path:
    """Write pictures into class folders, changed or as they are, and return the folder."""
    for i, sample in enumerate(dataset):
        place = folder / str(sample.label) / f"{i:05d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        if change is None:
            shutil.copyfile(sample.path, place)
            continue
        with Image.open(sample.path) as image:
            pixels = np.asarray(image.convert("L"), dtype=np.float64)
        Image.fromarray(change(pixels)).save(place)
    return folder


def aged(pixels: Floats) -> Bytes:
    """Return a picture (H, W) as it is after the shift, uint8."""
    blurred = ndimage.gaussian_filter(pixels, BLUR, mode="nearest")
    return np.asarray(np.clip(np.rint(LIGHT * blurred), 0, 255), dtype=np.uint8)


def rates(inspector: Inspector, data: Path, dataset: str, variant: str, seed: int) -> list[Row]:
    """Return escapes, overkills and the AUROC on pictures that nobody was shown."""
    found = evaluate(inspector, data, split="all", progress=tell).metrics
    values = {name: found[name]["value"] for name in ("escape_rate", "overkill_rate")}
    values["auroc"] = found["auroc"]
    return [Row("retraining", dataset, variant, seed, name, float(v), "share") for name, v in values.items()]


def shift(folder: Path, seed: int, *, smoke: bool) -> Iterator[list[Row]]:
    """Yield the rows of an inspector before, during and after a shift."""
    dataset = split(cells(folder, smoke=smoke), test=0.25, calibration=0.0, seed=seed)
    pool = [s for s in dataset.samples if s.split == "train"]
    order = np.random.default_rng(seed).permutation(len(pool))
    n_new = 16 if smoke else 400
    taught, new = ([pool[i] for i in rows] for rows in (order[n_new:], order[:n_new]))
    if not smoke:
        taught = taught[: len(dataset) // 2]
    unseen = [s for s in dataset.samples if s.split == "test"]
    old = written(taught, folder / "old")
    before = written(unseen, folder / "before")
    after = written(unseen, folder / "after", aged)
    kept = folder / "features"
    asked = make_options({"seed": seed, **(SMOKE if smoke else {})})
    parent = train_and_test(old, folder / "parent", asked, kept=Kept(False, kept), progress=tell).inspector
    name = f"{dataset.name}, {LIGHT:g} of the light, blur of {BLUR:g} px"
    yield rates(parent, before, name, "before the shift", seed)
    yield rates(parent, after, name, "during the shift", seed)
    done = retrain(
        folder / "parent",
        written(new, folder / "new", aged),
        folder / "successor",
        Asked(kept_features=kept, keep_refused=folder / "refused"),
        progress=tell,
    )
    yield rates(done.inspector, after, name, "after retraining", seed)
    yield rates(done.inspector, before, name, "after retraining, in the old light", seed)
    yield [Row("retraining", name, "after retraining", seed, "accepted", float(done.accepted), "1")]


def tried(lab: Lab, seed: int, n: int) -> dict[str, Gate]:
    """Return what the gate says of successors of one inspector, by what was done to them."""
    rng = np.random.default_rng(seed)
    labels = lab.labels
    shared_out = split(lab.dataset, test=0.25, calibration=0.0, seed=seed)
    is_test = np.array([s.split == "test" for s in shared_out.samples])
    pool = rng.permutation(np.flatnonzero(~is_test))
    test = np.flatnonzero(is_test)
    before = train_inspector(lab, pool[:n], labels[pool[:n]], test, seed)
    found = {}
    for variant, rows, share in variants(pool[:n], pool[n : 2 * n]):
        given = flipped(labels[rows], share, rng)
        policy = balance_kept(before.point) or "f1"
        after = train_inspector(lab, rows, given, test, seed + 10_000, policy)
        found[variant] = compare_successor((before.predictions, after.predictions), Demands())
    return found


def variants(rows: Rows, others: Rows) -> Iterator[tuple[str, Rows, float]]:
    """Yield what is done to successors, the pictures that they learn from, and the share of wrong labels."""
    half = rows[: len(rows) // 2]
    yield EQUAL[0], rows, 0.0
    yield EQUAL[1], np.concatenate([rows, others[: len(rows) // 10]]), 0.0
    yield EQUAL[2], others, 0.0
    yield HALF, half, 0.0
    for share in FLIPS:
        yield f"{HALF}, {share:.0%} of the labels wrong", half, share


def flipped(labels: Rows, share: float, rng: np.random.Generator) -> Rows:
    """Return labels of which a share is turned round."""
    wrong = rng.permutation(len(labels))[: round(share * len(labels))]
    out = labels.copy()
    out[wrong] = 1 - out[wrong]
    return out


def gate(folder: Path, tries: int, *, smoke: bool) -> Iterator[list[Row]]:
    """Yield the rows of equal and worse successors."""
    dataset = cells(folder, smoke=smoke)
    lab = open_lab(dataset, folder, smoke=smoke)
    n = 24 if smoke else 600
    refused: Counter[str] = Counter()
    by: Counter[tuple[str, str]] = Counter()
    falls: dict[str, list[float]] = {}
    for seed in range(tries):
        begin = time.perf_counter()
        for variant, outcome in tried(lab, seed, n).items():
            refused[variant] += not outcome.accepted
            by.update((variant, c.name) for c in outcome.checks if c.outcome == WORSE)
            falls.setdefault(variant, []).extend(c.rise or 0.0 for c in outcome.checks if c.name == "auroc")
        print(f"try {seed}: {time.perf_counter() - begin:.1f} s, {dict(refused)}", flush=True)
    name = f"{dataset.name}, {n} to learn from"
    for variant, values in falls.items():
        kind = "accepted" if variant in EQUAL else "refused"
        count = tries - refused[variant] if variant in EQUAL else refused[variant]
        rows = [
            Row("retraining", name, variant, 0, kind, 100 * count / tries, "of 100 tries"),
            Row("retraining", name, variant, 0, "tries", float(tries), "1"),
            Row("retraining", name, variant, 0, "auroc_fall", float(np.mean(values)), "share"),
        ]
        for (which, check), times in sorted(by.items()):
            if which == variant:
                share = 100 * times / tries
                rows.append(Row("retraining", name, variant, 0, f"worse_{check}", share, "of 100 tries"))
        yield rows


def seconds(folder: Path, *, smoke: bool) -> Iterator[list[Row]]:
    """Yield how long a successor of 200 new pictures on 2,000 old ones takes, beside training anew."""
    n_old, n_new = (40, 20) if smoke else (2000, 200)
    dataset = cells(folder, smoke=smoke)
    samples = list(dataset.samples)
    order = np.random.default_rng(0).permutation(len(samples))
    chosen = [samples[i] for i in order[: n_old + n_new]]
    yield from _timed(folder / "classifier", chosen[:n_old], chosen[n_old:], "classifier", smoke=smoke)
    good = [samples[i] for i in order if samples[i].label == dataset.normal]
    n_good = len(good) - n_new if smoke else min(n_old, len(good) - n_new)
    yield from _timed(folder / "bank", good[:n_good], good[n_good : n_good + n_new], "patchcore", smoke=smoke)


def _timed(
    folder: Path, old: Sequence[Sample], new: Sequence[Sample], method: str, *, smoke: bool
) -> Iterator[list[Row]]:
    own = {"backbone": "test_resnet", "weights": "none", "image_size": 64} if smoke else {}
    asked = make_options({"method": method, **own})
    first, second = written(old, folder / "old"), written(new, folder / "new")
    both = written([*old, *new], folder / "both")
    kept = folder / "features"
    train_and_test(first, folder / "parent", asked, kept=Kept(False, kept), progress=tell)
    begin = time.perf_counter()
    done = retrain(
        folder / "parent",
        second,
        folder / "successor",
        Asked(kept_features=kept, keep_refused=folder / "refused"),
        progress=tell,
    )
    whole = time.perf_counter() - begin
    begin = time.perf_counter()
    train_and_test(both, folder / "anew", asked, progress=tell)
    anew = time.perf_counter() - begin
    name = f"{len(new)} new pictures on {len(old)} old ones"
    values = {
        f"{method}, retrained and compared": whole,
        f"{method}, retrained": float(done.step["making_seconds"]),
        f"{method}, trained anew and tested": anew,
    }
    yield [Row("retraining", name, variant, 0, "time", value, "s") for variant, value in values.items()]


def main() -> None:
    """Run the parts asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    with begun(parser, "retraining") as (args, folder):
        print(f"brightfield {brightfield.__version__}", flush=True)
        for part in args.part:
            if part == "shift":
                for seed in args.seeds:
                    place = folder / f"shift-{seed}"
                    place.mkdir()
                    for rows in shift(place, seed, smoke=args.smoke):
                        save(rows, args.output)
            elif part == "gate":
                for rows in gate(folder, 2 if args.smoke else args.tries, smoke=args.smoke):
                    save(rows, args.output)
            else:
                for rows in seconds(folder, smoke=args.smoke):
                    save(rows, args.output)


if __name__ == "__main__":
    main()
