"""Are promised bounds kept as often as they say, and what do they cost beside MAPIE's?

Real scores are those of images that did not train an inspector. They are resplit many times: on one half the
threshold is chosen, and the true rate is that of all of them together, the finite lot that the half was drawn
from; then the same with halves drawn with replacement, where the lot is as good as endless. Of simulated
scores the true rates are known. A promise may fail as often as its confidence leaves open; a one-sided
binomial test says whether it fails more often than that. So it is for two promises at once, on escapes and on
overkills with a band for review between them, and on the escapes of two types of defect.

    python benchmarks/guarantees.py --magnetic-tile FOLDER
    python benchmarks/guarantees.py --only simulated --resplits 200

MAPIE (`pip install mapie`) is left out with a word where it is not installed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from brightfield import TrainOptions
from brightfield.data.dataset import Dataset
from brightfield.data.split import split
from brightfield.decide.policy import parse_policy
from brightfield.decide.threshold_selection import choose
from brightfield.errors import DataError
from record import Row, append
from runs import begun, data, new_parser, options, run

Floats = npt.NDArray[np.float64]

PROMISES = {
    "elpv": (("escape", 0.02), ("escape", 0.05), ("overkill", 0.01), ("overkill", 0.05)),
    "magnetic-tile": (("escape", 0.05), ("escape", 0.1), ("overkill", 0.02), ("overkill", 0.05)),
    "simulated": (("escape", 0.02), ("escape", 0.05), ("overkill", 0.01), ("overkill", 0.05)),
}
TOGETHER = {
    "elpv": (("escape", 0.05), ("overkill", 0.05)),
    "magnetic-tile": (("escape", 0.1), ("overkill", 0.05)),
    "simulated": (("escape", 0.05), ("overkill", 0.05)),
}
"""Joined by `and`, with a band for review between them."""
TYPES = {"pit": 1.5, "crack": 0.5}
"""Means of the simulated scores of two types of defect."""
CONFIDENCE = 0.95
HELD = 0.6
"""Share of the images that train nothing."""


@dataclass(frozen=True)
class Scores:
    """Probabilities of good and of defective parts."""

    good: Floats
    defective: Floats


Rival = Callable[[Scores, str, float], float | None]
"""From calibration parts, a kind of error and its bound to a threshold, or None where it refuses."""


def held_out_scores(dataset: Dataset, asked: TrainOptions) -> Scores:
    """Train on a share of a data set and return the probabilities of the rest."""
    shared_out = split(dataset, test=HELD, calibration=0.2, seed=asked.seed)
    found = run(shared_out, asked).evaluation.predictions
    if found.probabilities is None:
        raise DataError(f"{dataset.name} gave no probabilities")
    return Scores(found.probabilities[~found.is_defect], found.probabilities[found.is_defect])


def simulated(n: int, rng: np.random.Generator) -> Scores:
    """Draw probabilities whose distribution is known: a logistic curve on normal scores."""
    return Scores(_curve(rng.normal(-1.5, 1.0, n)), _curve(rng.normal(1.5, 1.0, n)))


def _curve(scores: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-2 * scores)))


def simulated_rates(threshold: float) -> dict[str, float]:
    """Return the true rates of simulated parts at a threshold."""
    cut = np.log(threshold / (1 - threshold)) / 2
    return {"escape": float(norm.cdf(cut - 1.5)), "overkill": float(norm.sf(cut + 1.5))}


def rates(scores: Scores, threshold: float) -> dict[str, float]:
    """Return the rates of these very parts at a threshold."""
    return {
        "escape": float((scores.defective < threshold).mean()),
        "overkill": float((scores.good >= threshold).mean()),
    }


def draws(pool: Scores | None, how: str, times: int, seed: int) -> Iterator[Scores]:
    """Yield calibration parts: half of a pool, so many of it with replacement, or simulated ones."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        if pool is None:
            yield simulated(300, rng)
            continue
        again = how == "with replacement"
        yield Scores(
            *(rng.choice(part, len(part) // 2, replace=again) for part in (pool.good, pool.defective))
        )


def ours(calibration: Scores, kind: str, bound: float) -> float | None:
    """Return our threshold, or None where the parts do not suffice."""
    values = np.concatenate((calibration.good, calibration.defective))
    defect = np.arange(len(values)) >= len(calibration.good)
    try:
        return choose(parse_policy(f"{kind}<={bound}@{CONFIDENCE}"), values, defect).threshold
    except DataError:
        return None


def mapie(method: str) -> Rival | None:
    """Return the same by MAPIE with one of its corrections for many tests."""
    try:
        from mapie.risk_control import BinaryClassificationController
    except ModuleNotFoundError:
        return None

    def threshold(calibration: Scores, kind: str, bound: float) -> float | None:
        values = np.concatenate((calibration.good, calibration.defective))
        defect = np.arange(len(values)) >= len(calibration.good)
        grid = np.linspace(0.0, 0.99, 100)
        controller: Any = BinaryClassificationController(
            predict_function=lambda p: np.column_stack((1 - p, p)),
            risk="recall" if kind == "escape" else "fpr",
            target_level=1 - bound if kind == "escape" else bound,
            confidence_level=CONFIDENCE,
            # tested from the safest on, as its fixed sequence expects it
            list_predict_params=grid if kind == "escape" else grid[::-1].copy(),
            fwer_method=method,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            controller.calibrate(values, defect.astype(int))
        found = controller.best_predict_param
        return None if found is None else float(found)

    return threshold


def measure(name: str, pool: Scores | None, how: str, times: int, rivals: dict[str, Rival]) -> list[Row]:
    """Return the rows of one pool: how often each promise holds, and what it costs in the other error."""
    rows = []
    for kind, bound in PROMISES[name]:
        other = "overkill" if kind == "escape" else "escape"
        held: dict[str, list[bool]] = {who: [] for who in rivals}
        paid: dict[str, list[float]] = {who: [] for who in rivals}
        refused = dict.fromkeys(rivals, 0)
        for calibration in draws(pool, how, times, seed=1):
            for who, rival in rivals.items():
                threshold = rival(calibration, kind, bound)
                if threshold is None:
                    paid[who].append(1.0)  # a refusal leaves every part to a person, and promises nothing
                    refused[who] += 1
                    continue
                true = simulated_rates(threshold) if pool is None else rates(pool, threshold)
                held[who].append(true[kind] <= bound)
                paid[who].append(true[other])
        for who in rivals:
            variant = f"{who}: {kind}<={bound:g}@{CONFIDENCE:g}, {how}"
            kept = sum(held[who]) + refused[who]  # a promise that is not given is not broken
            test = binomtest(kept, times, CONFIDENCE, alternative="less")
            found = {
                "chosen": 1 - refused[who] / times,
                f"mean_{other}": float(np.mean(paid[who])),
                "kept": kept / times,
                "p_value_of_keeping_less": float(test.pvalue),
            }
            rows += [Row("guarantees", name, variant, 1, metric, v, "share") for metric, v in found.items()]
            print(f"{name} {variant}: {', '.join(f'{k} {v:.4f}' for k, v in found.items())}", flush=True)
    return rows


def measure_together(name: str, pool: Scores | None, how: str, times: int) -> list[Row]:
    """Return the rows of two promises at once: how often each holds, and both, and what goes to a person."""
    (_, escape), (_, overkill) = TOGETHER[name]
    policy = parse_policy(f"escape<={escape}@{CONFIDENCE} and overkill<={overkill}@{CONFIDENCE}")
    held: list[tuple[bool, ...]] = []
    reviewed: list[float] = []
    refused = 0
    for calibration in draws(pool, how, times, seed=1):
        values = np.concatenate((calibration.good, calibration.defective))
        try:
            point = choose(policy, values, np.arange(len(values)) >= len(calibration.good))
        except DataError:
            refused += 1
            continue
        ends = (point.stops_at, point.threshold)
        passing, rejecting = (simulated_rates(t) if pool is None else rates(pool, t) for t in ends)
        held.append((passing["escape"] <= escape, rejecting["overkill"] <= overkill))
        reviewed.append(passing["overkill"] - rejecting["overkill"])
    return _kept(name, f"brightfield: {policy}, {how}", held, refused, {"mean_good_reviewed": reviewed})


def measure_types(times: int) -> list[Row]:
    """Return the rows of a promise for each of two simulated types of defect."""
    bound, rng = 0.05, np.random.default_rng(1)
    policy = parse_policy(" and ".join(f"escape[{kind}]<={bound}@{CONFIDENCE}" for kind in TYPES))
    names = ["good"] * 300 + [kind for kind in TYPES for _ in range(300)]
    held: list[tuple[bool, ...]] = []
    overkills: list[float] = []
    refused = 0
    for _ in range(times):
        drawn = [rng.normal(mean, 1.0, 300) for mean in (-1.5, *TYPES.values())]
        try:
            point = choose(policy, _curve(np.concatenate(drawn)), np.arange(900) >= 300, names)
        except DataError:
            refused += 1
            continue
        cut = np.log(point.stops_at / (1 - point.stops_at)) / 2
        held.append(tuple(bool(norm.cdf(cut - mean) <= bound) for mean in TYPES.values()))
        overkills.append(simulated_rates(point.threshold)["overkill"])
    return _kept(
        "simulated", f"brightfield: {policy}, fresh draws", held, refused, {"mean_overkill": overkills}
    )


def _kept(
    name: str, variant: str, held: list[tuple[bool, ...]], refused: int, paid: dict[str, list[float]]
) -> list[Row]:
    """Return the rows of two promises; by the union bound both may fail as often as each of them together."""
    times = len(held) + refused
    found = {"chosen": 1 - refused / times} | {k: float(np.mean(v)) for k, v in paid.items() if v}
    for what, each, least in (
        ("first", [h[0] for h in held], CONFIDENCE),
        ("second", [h[1] for h in held], CONFIDENCE),
        ("both", [all(h) for h in held], 2 * CONFIDENCE - 1),
    ):
        kept = refused + sum(each)  # a promise that is not given is not broken
        found[f"kept_{what}"] = kept / times
        found[f"p_value_of_keeping_{what}_less"] = float(
            binomtest(kept, times, least, alternative="less").pvalue
        )
    print(f"{name} {variant}: {', '.join(f'{k} {v:.4f}' for k, v in found.items())}", flush=True)
    return [Row("guarantees", name, variant, 1, metric, v, "share") for metric, v in found.items()]


def main() -> None:
    """Run what was asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--magnetic-tile", default="magnetic-tile", help="a folder, or the catalog's name")
    parser.add_argument("--only", nargs="+", choices=tuple(PROMISES), default=list(PROMISES))
    parser.add_argument("--resplits", type=int, default=1000)
    parser.add_argument("--together", action="store_true", help="only two promises at once")
    with begun(parser, "guarantees") as (args, folder):
        rivals = {} if args.together else all_rivals()
        times = 10 if args.smoke else args.resplits
        places = {"elpv": "elpv", "magnetic-tile": args.magnetic_tile}
        for name in ("elpv", "simulated") if args.smoke else args.only:
            pool = None
            if name in places:
                pool = held_out_scores(data(args, places[name], folder), options(args, {"seed": 0}))
            for how in ("fresh draws",) if pool is None else ("halves", "with replacement"):
                if rivals:
                    append(args.output, measure(name, pool, how, times, rivals))
                append(args.output, measure_together(name, pool, how, times))
            if pool is None:
                append(args.output, measure_types(times))


def all_rivals() -> dict[str, Rival]:
    """Return our way to a threshold, and MAPIE's where it is installed."""
    rivals: dict[str, Rival] = {"brightfield": ours}
    for method in ("bonferroni_holm", "fixed_sequence"):
        if (rival := mapie(method)) is not None:
            rivals[f"MAPIE {method}"] = rival
    if len(rivals) == 1:
        print("mapie is not installed: only our own thresholds are measured")
    return rivals


if __name__ == "__main__":
    main()
