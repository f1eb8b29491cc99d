"""Drift: parts until it is noticed, and parts between false alarms, on lines made of real pictures.

python benchmarks/drift.py --magnetic-tile FOLDER --groups CSV --ballscrew MANIFEST
python benchmarks/drift.py ... --evidently PYTHON    beside evidently, in an environment that has it

An inspector is trained on 300 pictures of each set, which are the reference. Lines are drawn from other
pictures: of other tiles; of cells that were not trained on; of screws at the same places at other times. Each
picture is judged and measured once as it is and once under each disturbance; lines are drawn from these. All
methods see the same lines. Charts and constants were chosen on other pictures, of seed 0.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.engine.measurement import compressed, measure
from brightfield.monitor.drift.charts import Parts, start, step
from brightfield.monitor.drift.limits import Limits
from brightfield.monitor.drift.limits import limits as limits_of
from brightfield.monitor.drift.neighbours import Alike, independent
from brightfield.monitor.drift.reference import reference_of
from brightfield.monitor.drift.watch import GROUPS, VERDICT_CHARTS, Plan, Watch, plan
from disturbed import RAMP
from drift_peers import (
    PEER_LIMIT,
    PEER_WINDOW,
    PLAIN,
    SHORT_WINDOW,
    hotelling,
    plain_values,
    psi,
    write_for_evidently,
)
from drift_pictures import Lines, cells, lines_of, screws, synthetic, tiles
from record import Row, append
from runs import begun, new_parser

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Figure = tuple[str, str, float]
"""A method, what was measured, and its value."""

First = Callable[[IntArray], IntArray]
"""From the pictures of lines (S, T) to the first alarm of each, 1 to T; T + 1 for none."""

OTHERS = ("brighter", "darker", "blur", "noise", "contrast", "JPEG", "shift", "texture")
LIGHTS = tuple(f"light {share}" for share in RAMP)
KINDS = ("base", *OTHERS, *LIGHTS)
WELL, LINES_WELL, CHANGE, AFTER, LINES_CHANGED = 1500, 200, 520, 400, 100
RAMP_PARTS = 200
ORDERED_PARTS, ORDERED_LINES = 400, 24
EVIDENTLY_WINDOWS = 12


@dataclass(frozen=True)
class Set:
    """A set's lines, what ours watches them with, and what methods take of its pictures, kind after kind."""

    lines: Lines
    plan: Plan
    limits: Limits
    scores: FloatArray
    active: npt.NDArray[np.bool_]
    rejected: npt.NDArray[np.bool_]
    plain: FloatArray
    sizes: IntArray
    reference: FloatArray

    def of_kind(self, kind: str) -> FloatArray:
        """Return the plain values of the pictures of one kind."""
        first = int(self.sizes[: KINDS.index(kind)].sum())
        return self.plain[first : first + int(self.sizes[KINDS.index(kind)])]


def prepared(lines: Lines, run_length: float) -> Set:
    """Return a set's lines with what is needed of every picture."""
    reference = reference_of(lines.inspector)
    planned = plan(reference, run_length)
    alone = independent(planned.pool.values.shape[1])
    standard = planned.standard
    taken = [lines.taken[kind] for kind in KINDS]
    every = [part for one in taken for part in one.parts]
    return Set(
        lines=lines,
        plan=planned,
        limits=limits_of(planned.pool, GROUPS, run_length, alone),
        scores=standard.scores(standard.values(every)),
        active=standard.active(every),
        rejected=np.array([part.rejected for part in every]),
        plain=plain_values(every),
        sizes=np.array([len(one.parts) for one in taken]),
        reference=plain_values(reference.parts),
    )


def ours(of: Set, rows: IntArray) -> IntArray:
    """Return the first alarm of drift on each line, with the limits of independent neighbours."""
    state = start(of.limits.design, len(rows))
    first = np.full(len(rows), rows.shape[1] + 1)
    for t in range(rows.shape[1]):
        seen = rows[:, t]
        parts = Parts(of.scores[seen], of.active[seen], of.rejected[seen])
        state, now = step(of.limits.design, state, parts)
        over = (now > of.limits.of_charts)[:, GROUPS != VERDICT_CHARTS].any(axis=1)
        first[over & (first > t + 1)] = t + 1
    return first


def by_value(values: FloatArray, rows: IntArray) -> IntArray:
    """Return the first part of each line whose own value is above 1."""
    return _first(values[rows] > 1)


def by_window(of: Set, window: int, limit: float, rows: IntArray) -> IntArray:
    """Return the first part of each line at which the PSI of the last parts is above a limit."""
    index = psi(of.reference[:, :PLAIN], window, limit)
    deciles = index.deciles(of.plain[:, :PLAIN])
    # line by line, as it takes memory
    return np.concatenate([_first(index.highest(deciles[line])[None] > limit) for line in rows])


def _first(over: npt.NDArray[np.bool_]) -> IntArray:
    found = np.where(over.any(axis=1), over.argmax(axis=1) + 1, over.shape[1] + 1)
    return np.asarray(found, dtype=np.int64)


def own_limit(of: Set, highest: Callable[[IntArray], float], run_length: float, window: int = 1) -> float:
    """Return the limit at which a statistic has this run length on lines of the very pictures watched.

    Ours knows the reference alone. What a peer would need more than that is given to it here.
    """
    rng = np.random.default_rng(0)
    parts = WELL // 2
    found = np.array([highest(rows) for rows in drawn(of, LINES_WELL, parts, rng)])
    return float(np.quantile(found, np.exp(-(parts - window) / run_length)))


def methods(of: Set, run_length: float) -> dict[str, First]:
    """Return every method by name."""
    t_squared = hotelling(of.reference, run_length)(of.plain)
    index = psi(of.reference[:, :PLAIN], SHORT_WINDOW, 0.0)
    deciles = index.deciles(of.plain[:, :PLAIN])
    short = own_limit(of, lambda rows: float(index.highest(deciles[rows]).max()), run_length, SHORT_WINDOW)
    own = own_limit(of, lambda rows: float(t_squared[rows].max()), run_length)
    return {
        "ours": partial(ours, of),
        "Hotelling's T2, normal limit": partial(by_value, t_squared),
        "Hotelling's T2, limit of the line": partial(by_value, t_squared / own),
        f"PSI, {PEER_WINDOW} parts, {PEER_LIMIT:g}": partial(by_window, of, PEER_WINDOW, PEER_LIMIT),
        f"PSI, {SHORT_WINDOW} parts, limit of the line": partial(by_window, of, SHORT_WINDOW, short),
    }


def drawn(of: Set, lines: int, parts: int, rng: np.random.Generator, share: float | None = None) -> IntArray:
    """Return which picture of `base` each part is, (S, T), with a share of defective parts or as it is."""
    defective = of.lines.taken["base"].defective
    if share is None:
        return rng.integers(len(defective), size=(lines, parts))
    either = [np.flatnonzero(defective == wanted) for wanted in (False, True)]
    picked = [some[rng.integers(len(some), size=(lines, parts))] for some in either]
    return np.where(rng.random((lines, parts)) < share, picked[1], picked[0])


def run_length_of(first: IntArray, parts: int) -> float:
    """Return the mean run length of lines of which some have not ended; if none has, that of one alarm."""
    ended = int((first <= parts).sum())
    return float(np.minimum(first, parts).sum() / max(ended, 1))


def well(of: Set, found: dict[str, First], rng: np.random.Generator) -> Iterator[Figure]:
    """Yield run lengths of lines that are well: independent parts, and other shares of defective parts."""
    natural = float(of.lines.taken["base"].defective.mean())
    shares = {"": None, ", twice the defects": 2 * natural, ", a tenth of the defects": 0.1 * natural}
    for name, share in shares.items():
        rows = drawn(of, LINES_WELL, WELL, rng, share)
        for method, first in found.items():
            if method == "ours" or share is None:
                yield method, f"run_length{name}", run_length_of(first(rows), WELL)


class Shared(Watch):
    """A watch that shares limits with lines that are about as alike, as they take seconds to find."""

    known: ClassVar[dict[tuple[object, ...], Limits]] = {}

    def _limits(self, alike: Alike) -> Limits:
        key = (id(self.plan), alike.length, *np.round(alike.shares, 1).tolist())
        if key not in self.known:
            self.known[key] = super()._limits(alike)
        return self.known[key]


def ordered(of: Set, rng: np.random.Generator) -> Iterator[Figure]:
    """Yield the parts for an alarm of drift on lines whose neighbours are alike: stretch by stretch."""
    base, alarms = of.lines.taken["base"], 0
    for _ in range(ORDERED_LINES):
        watch = Shared(of.plan)
        lots = rng.permutation(np.unique(base.lots))
        line = np.concatenate([np.flatnonzero(base.lots == lot) for lot in lots])
        for row in line[:ORDERED_PARTS]:
            alarm = watch.see(base.parts[row], "")
            if alarm is not None:
                alarms += alarm.kind == "drift"
                watch.begin_anew()
    parts = ORDERED_LINES * min(ORDERED_PARTS, len(base.parts))
    yield "ours", "run_length, neighbours alike", parts / max(alarms, 1)
    yield "ours", "false alarms, neighbours alike", float(alarms)


def changed(of: Set, found: dict[str, First], rng: np.random.Generator) -> Iterator[Figure]:
    """Yield the mean parts to an alarm after each change, of lines without one before."""
    means: dict[str, list[float]] = {method: [] for method in found}
    for kind in (*OTHERS, "light"):
        rows = _after_change(of, kind, rng)
        for method, first in found.items():
            at = first(rows)
            late = np.minimum(at[at > CHANGE], CHANGE + AFTER) - CHANGE
            if not len(late):
                continue
            name = "a lamp that ages" if kind == "light" else kind
            yield method, f"parts to the alarm: {name}", float(late.mean())
            if kind != "light":
                means[method].append(float(late.mean()))
            if method == "ours":
                yield method, f"95% of lines: {name}", float(np.quantile(late, 0.95))
    for method, delays in means.items():
        if delays:
            yield method, "parts to the alarm", float(np.mean(delays))


def _after_change(of: Set, kind: str, rng: np.random.Generator) -> IntArray:
    """Return the pictures of lines that are well for a while and changed after that, (S, T)."""
    kinds = np.zeros((LINES_CHANGED, CHANGE + AFTER), dtype=np.int64)
    if kind == "light":
        light = 1 - (1 - RAMP[-1]) * np.minimum(np.arange(AFTER) / RAMP_PARTS, 1)
        nearest = np.abs(light[:, None] - np.array([1.0, *RAMP])).argmin(axis=1)
        kinds[:, CHANGE:] = np.where(nearest == 0, 0, KINDS.index(LIGHTS[0]) + nearest - 1)
    else:
        kinds[:, CHANGE:] = KINDS.index(kind)
    firsts = np.cumsum(of.sizes) - of.sizes
    return np.asarray(firsts[kinds] + (rng.random(kinds.shape) * of.sizes[kinds]).astype(np.int64))


def beside_evidently(of: Set, python: Path, folder: Path, rng: np.random.Generator) -> Iterator[Figure]:
    """Yield what evidently says of windows one after the other: false alarms, and parts to an alarm."""
    base = of.of_kind("base")[:, PLAIN:]
    windows = [base[rng.integers(len(base), size=SHORT_WINDOW)] for _ in range(EVIDENTLY_WINDOWS)]
    late = rng.integers(1, SHORT_WINDOW, size=len(OTHERS))  # parts of the first window that are changed
    for kind, count in zip(OTHERS, late, strict=True):
        of_kind = of.of_kind(kind)[:, PLAIN:]
        picked = of_kind[rng.integers(len(of_kind), size=SHORT_WINDOW)]
        windows.append(np.concatenate([windows[0][count:], picked[:count]]))
        windows.append(picked)
    given, taken = folder / "windows.npz", folder / "drifted.npy"
    write_for_evidently(given, of.reference[:, PLAIN:], np.stack(windows))
    asked = "import evidently_side; import sys; evidently_side.answer(*sys.argv[1:])"
    beside = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([str(python), "-c", asked, str(given), str(taken)], check=True, env=beside)
    drifted = np.load(taken)
    calm, rest = drifted[:EVIDENTLY_WINDOWS], drifted[EVIDENTLY_WINDOWS:].reshape(-1, 2)
    method = f"evidently's embeddings, {SHORT_WINDOW} parts"
    yield method, "run_length", SHORT_WINDOW * EVIDENTLY_WINDOWS / max(int(calm.sum()), 1)
    delays = np.where(rest[:, 0], late, late + np.where(rest[:, 1], SHORT_WINDOW, 2 * SHORT_WINDOW))
    yield method, "parts to the alarm", float(delays.mean())


def cost(of: Set) -> Iterator[tuple[str, str, float, str]]:
    """Yield what noticing drift adds to an inspection: measuring, compressing the features, and watching."""
    watch, base, inspector = Watch(of.plan), of.lines.taken["base"], of.lines.inspector
    size = base.parts[0].measurement.height, base.parts[0].measurement.width
    working = inspector.preprocessing.working(np.zeros((*size, 3), np.uint8))
    tiles_of_it = len(inspector.preprocessing.tiles(working)[0])
    features = np.zeros((tiles_of_it, len(getattr(inspector.method, "head").center)), np.float32)  # noqa: B009
    parts = iter(base.parts)
    steps: dict[str, Callable[[], object]] = {
        "measure": lambda: measure(working, None, size, np.zeros(1, np.float32)),
        "compress": lambda: compressed(features),
        "watch": lambda: watch.see(next(parts), ""),
    }
    each = {name: _milliseconds(step_of) for name, step_of in steps.items()}
    for name, value in each.items():
        yield "ours", f"milliseconds to {name}", value, "ms"
    yield "ours", "share of an inspection", sum(each.values()) / base.milliseconds, "share"


def _milliseconds(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(25):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken)) * 1000


def sets(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Dataset, Dataset]]:
    """Yield each data set, and one whose texture is laid over it."""
    if args.smoke:
        parts = synthetic(folder)
        yield parts, parts
        return
    other = load("elpv")
    if args.magnetic_tile is not None:
        of_tiles = tiles(args.magnetic_tile, args.groups, args.seed)
        yield of_tiles, other
        other = of_tiles
    yield cells(args.seed), other
    if args.ballscrew is not None:
        yield screws(args.ballscrew, args.seed), other


def rows_of(lines: Lines, args: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Yield all figures of one data set."""
    rng = np.random.default_rng(args.seed)
    of = prepared(lines, args.run_length)
    found = methods(of, args.run_length)
    figures = [*well(of, found, rng), *changed(of, found, rng), *ordered(of, rng)]
    if args.evidently is not None:
        figures += beside_evidently(of, args.evidently, folder, rng)
    for method, metric, value, unit in (*((*figure, "parts") for figure in figures), *cost(of)):
        print(f"{lines.name:24} {method:32} {metric:44} {value:.4g}", flush=True)
        yield Row("drift", lines.name, method, args.seed, metric, value, unit)


def main() -> None:
    """Run all data sets asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--magnetic-tile", type=Path)
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--ballscrew", type=Path, help="manifest.csv")
    parser.add_argument("--evidently", type=Path, help="a Python that has evidently")
    parser.add_argument("--run-length", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for inspectors and measured pictures, to run again")
    with begun(parser, "drift") as (args, folder):
        kept = args.keep or folder
        kept.mkdir(parents=True, exist_ok=True)
        for dataset, textures in sets(args, folder):
            lines = lines_of(dataset, textures.samples, kept, args.seed, smoke=args.smoke)
            append(args.output, rows_of(lines, args, folder))


if __name__ == "__main__":
    main()
