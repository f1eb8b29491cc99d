"""Is the overkill that good parts alone promise kept as often as it says, and which escapes does it cost?

Scores of good parts that trained nothing are resplit many times: some calibrate by the default policy, which
promises the smallest overkill rate that so many can prove, and the others are held back. The true rate is
counted in three ways. Of the *lot*, all good parts together, and of an *endless* line, where the parts that
calibrate are drawn with replacement, the bound may be exceeded as often as the confidence leaves open; a
one-sided binomial test says whether it is exceeded more often. The *rest* alone is itself a small sample,
which exceeds the bound more often by chance; how often it should is computed beside it. Escapes are counted
on the known defects, which choose nothing.

    python benchmarks/overkill_promise.py --bundle INSPECTOR --data FOLDER
    python benchmarks/overkill_promise.py --scores scores.npz --name screw

Scores come from an inspector that judges all of a data set's images but those it was trained on, or from a
file: `.npz` with `scores` and `is_defect` (and `group`), or `.csv` with the columns `score` and `is_defect`
(1 or 0, and `group`). With `--by-group` whole groups calibrate, as pictures of one part are no parts of their
own.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, hypergeom

from brightfield.data.dataset import Dataset
from brightfield.data.synthetic import make_parts
from brightfield.decide.auto import OVERKILLS, good_parts_policy
from brightfield.decide.calibration import Calibrated
from brightfield.decide.guarantee import errors_allowed, parts_needed
from brightfield.decide.policy import DEFAULT_CONFIDENCE
from brightfield.decide.threshold_selection import choose
from brightfield.errors import DataError
from brightfield.evaluation.run import digests, judge, load_for, splits_seen
from brightfield.inspector import Inspector
from brightfield.pipeline.train import train
from record import Row, append
from runs import begun, new_parser, options, smoke_parts, tell

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """Scores of parts that trained nothing, higher is more defective, and the group of each good part."""

    good: Floats
    defective: Floats
    groups: npt.NDArray[np.intp]


def pool_of(scores: npt.ArrayLike, is_defect: npt.ArrayLike, groups: Sequence[str | None]) -> Pool:
    """Return the pool of scores; a part without a group is one of its own."""
    values, defect = np.asarray(scores, dtype=np.float64), np.asarray(is_defect, dtype=bool)
    if len(values) != len(defect) or not np.isfinite(values).all() or defect.all():
        raise DataError(
            f"{len(values)} scores of {len(defect)} parts; expected one finite score each, some good"
        )
    names = [group or f"alone {i}" for i, group in enumerate(groups)]
    numbers = np.unique(names, return_inverse=True)[1]
    return Pool(values[~defect], values[defect], numbers[~defect])


def read_scores(file: Path) -> Pool:
    """Read scores from a `.npz` or `.csv` file."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            groups = (
                [str(g) for g in arrays["group"]] if "group" in arrays else [None] * len(arrays["scores"])
            )
            return pool_of(arrays["scores"], arrays["is_defect"], groups)
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    if not rows or not {"score", "is_defect"} <= rows[0].keys():
        raise DataError(f"{file} lacks a row, or one of the columns score and is_defect (1 or 0)")
    return pool_of(
        [float(row["score"]) for row in rows],
        [bool(int(row["is_defect"])) for row in rows],
        [row.get("group") for row in rows],
    )


def judged(inspector: Inspector, dataset: Dataset) -> Pool:
    """Return the scores of all images that the inspector was not trained on."""
    seen = splits_seen(inspector, digests(dataset))
    free = dataset.subset(s for s, known in zip(dataset.samples, seen, strict=True) if known != "train")
    found = judge(inspector, free, tell)
    return pool_of(
        found.predictions.scores, found.predictions.is_defect, [s.group for s in found.dataset.samples]
    )


def draws(pool: Pool, n: int, times: int, by_group: bool, again: bool) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the rows of n good parts that calibrate, or a few more where whole groups do.

    With `again` they are drawn with replacement.
    """
    rng = np.random.default_rng(1)
    members = [np.flatnonzero(pool.groups == g) for g in np.unique(pool.groups)]
    for _ in range(times):
        if not by_group:
            yield rng.choice(len(pool.good), n, replace=again)
            continue
        picked: list[npt.NDArray[np.intp]] = []
        order = iter(rng.permutation(len(members)))
        while sum(map(len, picked)) < n:
            picked.append(members[int(rng.integers(len(members))) if again else next(order)])
        yield np.concatenate(picked)


def chance_of_the_rest(n_all: int, n: int, bound: float) -> float:
    """Return how often the held-back good parts exceed the bound where all of them come from one line.

    More than `bound` of them lie above the (k + 1)-th highest of n, where k may be rejected, if of the
    highest so many of all no more than k calibrate.
    """
    allowed = errors_allowed(n, bound, DEFAULT_CONFIDENCE)
    too_many = math.floor(bound * (n_all - n) + 1e-9) + 1
    return float(hypergeom.cdf(allowed, n_all, n, allowed + too_many))


def measure(name: str, pool: Pool, n: int, times: int, by_group: bool) -> list[Row]:
    """Return the rows for n good parts that calibrate: how often the bound is exceeded, and the escapes."""
    bound = float(good_parts_policy(n).clauses[0].value or 0.0)
    rates: dict[str, list[float]] = {"rest": [], "lot": [], "endless": [], "escape": []}
    for again in (False, True):
        for rows in draws(pool, n, times, by_group, again):
            good = np.zeros(len(rows), dtype=bool)
            policy = good_parts_policy(n)
            point = choose(policy, Calibrated(), good, scores=pool.good[rows])
            rejected = point.rejected(pool.good)
            if again:
                rates["endless"].append(float(rejected.mean()))
                continue
            rates["lot"].append(float(rejected.mean()))
            rates["rest"].append(float(np.delete(rejected, rows).mean()))
            if len(pool.defective):
                rates["escape"].append(float((~point.rejected(pool.defective)).mean()))
    found = _figures(rates, bound, times)
    if not by_group:
        found["exceeded_rest_by_chance"] = chance_of_the_rest(len(pool.good), n, bound)
    variant = f"{n} good parts{' by group' if by_group else ''}: {good_parts_policy(n)}"
    print(f"{name} {variant}: {', '.join(f'{k} {v:.4f}' for k, v in found.items())}", flush=True)
    return [Row("overkill_promise", name, variant, 1, metric, v, "share") for metric, v in found.items()]


def _figures(rates: dict[str, list[float]], bound: float, times: int) -> dict[str, float]:
    """Return how often each rate exceeds the bound, the test of that, and means and ranges of the rates."""
    found: dict[str, float] = {}
    for what in ("lot", "endless", "rest"):
        exceeded = sum(rate > bound for rate in rates[what])
        found[f"exceeded_{what}"] = exceeded / times
        if what != "rest":
            test = binomtest(exceeded, times, 1 - DEFAULT_CONFIDENCE, alternative="greater")
            found[f"p_value_of_{what}"] = float(test.pvalue)
    found["mean_overkill"] = float(np.mean(rates["rest"]))
    if rates["escape"]:
        low, high = np.quantile(rates["escape"], (0.05, 0.95))
        found |= {
            "mean_escape": float(np.mean(rates["escape"])),
            "escape_5": float(low),
            "escape_95": float(high),
        }
    return found


def asked_for(args: argparse.Namespace, folder: Path) -> tuple[str, Pool]:
    """Return the name of the data and the pool of their scores."""
    if args.smoke:
        inspector = train(smoke_parts(folder), None, options(args, {"seed": 0}))
        new = make_parts(
            folder / "new", n_ok=80, n_defect=8, size=(96, 96), defect_px=18, kinds=("pit",), seed=5
        )
        return "synthetic", judged(inspector, new)
    if args.scores is not None:
        return args.name or args.scores.stem, read_scores(args.scores)
    inspector = Inspector.load(args.bundle)
    dataset = load_for(inspector, args.data)
    return args.name or dataset.name, judged(inspector, dataset)


def sizes(pool: Pool, asked: Sequence[int] | None) -> list[int]:
    """Return how many good parts calibrate: as many as prove each bound, if as many are then held back."""
    proving = sorted(parts_needed(bound, DEFAULT_CONFIDENCE) for bound in OVERKILLS)
    chosen = list(asked or [n for n in proving if 2 * n <= len(pool.good)])
    if not chosen or not proving[0] <= min(chosen) <= max(chosen) < len(pool.good):
        raise DataError(
            f"there are {len(pool.good)} good parts that trained nothing; expected twice as many as "
            f"calibrate, and those no fewer than {proving[0]}"
        )
    return chosen


def main() -> None:
    """Run what was asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--scores", type=Path, help="a .npz or .csv file of scores")
    parser.add_argument("--bundle", type=Path, help="an inspector that judges --data instead")
    parser.add_argument("--data", help="a folder, a manifest, or a name of the catalog")
    parser.add_argument("--name", help="the data set's name in the rows")
    parser.add_argument("--parts", type=int, nargs="+", help="how many good parts calibrate")
    parser.add_argument("--by-group", action="store_true", help="whole groups calibrate")
    parser.add_argument("--resplits", type=int, default=1000)
    with begun(parser, "overkill_promise") as (args, folder):
        if not args.smoke and (args.scores is None) == (args.bundle is None or args.data is None):
            parser.error("expected either --scores FILE, or --bundle INSPECTOR with --data FOLDER")
        name, pool = asked_for(args, folder)
        for n in sizes(pool, args.parts):
            append(args.output, measure(name, pool, n, 20 if args.smoke else args.resplits, args.by_group))


if __name__ == "__main__":
    main()
