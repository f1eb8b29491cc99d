"""Does the audit's bound hold at all looks, and how many looks does it take?

Lines are simulated whose true rates are known. On each, people look at pages of 30 parts: 18 that passed, 6
that did not, 3 known good pieces and 3 known defective ones. After every page the bounds are computed; a line
counts as held if not one of them was ever wrong. People miss defects and call good parts defective; whoever
calls a part defective that passed is asked again, and two of three looks settle it. Each known piece is
another one. On one kind of line known pieces are missed less often than real ones, which the bounds do not
allow for but where repeated looks tell.

Eight known pieces alone, shown again and again, some of which nearly everybody misses: is the bound of what
people miss ever too low, if each piece counts once, and if each look does?

Then one rate alone, without errors of people: how many looks until at most 2% is proven, beside the bound of
Clopper and Pearson for a fixed sample computed after every look, which breaks, and beside the same with a
Bonferroni correction for every look or every page of 5,000 looks.

    python benchmarks/audit.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from brightfield.monitor.audit.bounds import Audit, Bound, audit
from brightfield.monitor.audit.reviewers import MISSED, errors_of
from brightfield.monitor.audit.sequences import log_capital
from brightfield.monitor.audit.tally import Evidence, Known, Looks, Pairs
from record import Row, append
from runs import begun, new_parser

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
BOUND = 0.02
PASSED, REJECTED, KNOWN = 18, 6, 3
PARTS = 2000
"""Parts of the line between two pages."""
TWICE = 2
"""Parts of a page that did not pass and are looked at twice."""
MOST_LOOKS = 5000


@dataclass(frozen=True)
class Line:
    """A simulated line.

    Attributes:
        defects: The share of defective parts.
        escapes: The share of them that passes.
        overkills: The share of good parts that does not.
        missed: The share of defective parts that people call good.
        alarms: The share of good parts that people call defective.
        easy: By how much known pieces are missed less often than real ones, as a factor.
        lots: How much the rates differ from lot to lot, as a coefficient of variation.
    """

    defects: float = 0.05
    escapes: float = 0.02
    overkills: float = 0.02
    missed: float = 0.0
    alarms: float = 0.0
    easy: float = 1.0
    lots: float = 0.0


LINES = {
    "people without errors": Line(),
    "people miss 10%, call 1% of good parts defective": Line(missed=0.1, alarms=0.01),
    "people miss 30%, call 5% of good parts defective": Line(missed=0.3, alarms=0.05),
    "few escapes, people miss 10%, call 1% defective": Line(escapes=0.002, missed=0.1, alarms=0.01),
    "rates differ from lot to lot by 50%": Line(missed=0.1, alarms=0.01, lots=0.5),
    "known pieces are missed three times less than real ones": Line(missed=0.3, alarms=0.01, easy=3.0),
}


def looked_at(line: Line, lines: int, pages: int, rng: np.random.Generator) -> Evidence:
    """Return what people found on many such lines after each page, counts (lines, pages)."""
    size = (lines, pages)
    factor = np.ones(size)
    if line.lots:
        shape = 1.0 / line.lots**2
        factor = np.minimum(rng.gamma(shape, 1.0 / shape, size), 5.0)
    defects = line.defects * factor
    bad_passed, bad_rejected = defects * line.escapes, defects * (1 - line.escapes)
    good_passed, good_rejected = (1 - defects) * (1 - line.overkills), (1 - defects) * line.overkills
    share_passed = bad_passed / (bad_passed + good_passed)
    share_rejected = bad_rejected / (bad_rejected + good_rejected)
    m, f = line.missed, line.alarms
    settled = (m + (1 - m) * m**2, f * (1 - (1 - f) ** 2))  # a second look and, if they differ, a third
    called_passed = share_passed * (1 - settled[0]) + (1 - share_passed) * settled[1]
    called_rejected = share_rejected * (1 - m) + (1 - share_rejected) * f
    m_known = m / line.easy
    differ = 2 * (share_rejected * m * (1 - m) + (1 - share_rejected) * f * (1 - f))
    alarmed = rng.binomial(KNOWN, f, size)
    numbers = [
        rng.binomial(PARTS, bad_passed + good_passed, size),
        rng.binomial(PASSED, called_passed, size),
        rng.binomial(REJECTED, called_rejected, size),
        rng.binomial(KNOWN, m_known, size),
        alarmed,
        rng.binomial(alarmed, 1 - (1 - f) ** 2),
        rng.binomial(TWICE, differ, size),
    ]
    passes, found_passed, found_rejected, missed, alarms, confirmed, twice = (
        np.cumsum(number, axis=1).astype(np.float64) for number in numbers
    )
    page = np.broadcast_to(np.arange(1.0, pages + 1), size)
    return Evidence(
        n_passed=passes,
        n_rejected=PARTS * page - passes,
        passed=Looks(found_passed, PASSED * page - found_passed),
        rejected=Looks(found_rejected, REJECTED * page - found_rejected),
        known=Known(KNOWN * page, missed, KNOWN * page, alarms, confirmed),
        rejected_twice=Pairs(twice, TWICE * page - twice),
    )


def truth(line: Line) -> dict[str, float]:
    """Return the true rates of a line."""
    bad, good = line.defects * line.escapes, (1 - line.defects) * (1 - line.overkills)
    return {
        "escape_rate": line.escapes,
        "overkill_rate": line.overkills,
        "defective_passed": bad / (bad + good),
    }


def measure_lines(lines: int, pages: int) -> list[Row]:
    """Return how often the bounds hold at all looks, and what they prove after how many."""
    rows = []
    for name, line in LINES.items():
        found = audit(looked_at(line, lines, pages, np.random.default_rng(1)), CONFIDENCE)
        measured = _held(found, truth(line))
        for page in sorted({min(pages, 20), pages}):
            high = np.asarray(found.escape_rate.high)[:, page - 1]
            measured[f"median_bound_of_escape_rate_after_{30 * page}_looks"] = float(np.median(high))
        if line.easy != 1:
            measured["raised_by_repeated_looks"] = float(np.asarray(found.raised)[:, -1].mean())
        print(f"{name}: {', '.join(f'{k} {v:.4f}' for k, v in measured.items())}", flush=True)
        rows += [Row("audit", "simulated", name, 1, metric, v, "share") for metric, v in measured.items()]
        looks = _looks_until(np.asarray(found.defective_passed.high) <= BOUND)
        print(f"{name}: median looks until 2% of those that passed is proven {looks:.0f}", flush=True)
        rows.append(Row("audit", "simulated", name, 1, "median_looks_until_2pct_of_passed", looks, "looks"))
    return rows


def _looks_until(proven: npt.NDArray[np.bool_]) -> float:
    """Return the median number of looks until a bound (lines, pages) is proven, at most all there were."""
    first = np.where(proven.any(axis=1), proven.argmax(axis=1) + 1, proven.shape[1])
    return 30 * float(np.median(first))


def _held(found: Audit, true: Mapping[str, float]) -> dict[str, float]:
    """Return the share of lines of which no upper bound was ever too low, and no lower one too high."""
    bounds: dict[str, Bound] = {name: getattr(found, name) for name in true}
    high = np.stack([bounds[name].high >= true[name] for name in true])  # (rates, lines, pages)
    low = np.stack([bounds[name].low <= true[name] for name in true])
    escape = [name == "escape_rate" for name in true].index(True)
    held = {
        "upper_bound_of_escape_rate_held": high[escape].all(axis=1).mean(),
        "all_upper_bounds_held": high.all(axis=(0, 2)).mean(),
        "all_lower_bounds_held": low.all(axis=(0, 2)).mean(),
    }
    return {name: float(share) for name, share in held.items()}


Allowed = Callable[[Floats], npt.NDArray[np.int64]]
"""From numbers of looks to the most events of each with which 2% is proven; -1 where it never is."""


def ours(looks: Floats) -> npt.NDArray[np.int64]:
    """Return the most events with which the confidence sequence proves the bound."""
    events = np.arange(120.0)[:, None]
    capital = log_capital(np.array(BOUND), events, np.maximum(looks - events, 0.0))
    proven = (capital >= -math.log(1 - CONFIDENCE)) & (events <= looks)
    return np.asarray(proven.sum(axis=0) - 1)


def clopper_pearson(times: float) -> Allowed:
    """Return the same for Clopper and Pearson's bound, whose error is divided among so many looks."""

    def allowed(looks: Floats) -> npt.NDArray[np.int64]:
        events = np.arange(120.0)[:, None]
        proven = binom.cdf(events, looks, BOUND) <= (1 - CONFIDENCE) / times
        return np.asarray(proven.sum(axis=0) - 1)

    return allowed


def measure_looks(lines: int) -> list[Row]:
    """Return how many looks prove a rate of at most 2%, and how often it is proven where it is not true."""
    looks = np.arange(1.0, MOST_LOOKS + 1)
    every_page = looks % 30 == 0
    rivals: dict[str, tuple[Allowed, npt.NDArray[np.bool_]]] = {
        "confidence sequence": (ours, looks > 0),
        "Clopper-Pearson with peeking": (clopper_pearson(1), looks > 0),
        "Bonferroni for every look": (clopper_pearson(MOST_LOOKS), looks > 0),
        "Bonferroni for every page of 30": (clopper_pearson(int(every_page.sum())), every_page),
    }
    rows: list[Row] = []
    for rate in (0.0, 0.0025, 0.005, 0.01, BOUND):
        found = (np.random.default_rng(1).random((lines, MOST_LOOKS)) < rate).cumsum(axis=1)
        for name, (allowed, asked) in rivals.items():
            proven = (found <= allowed(looks)) & asked
            first = np.where(proven.any(axis=1), proven.argmax(axis=1) + 1, np.inf)
            variant = f"{name}, true rate {rate:g}"
            metric, unit, value = (
                "median_looks_until_proven",
                "looks",
                min(float(np.median(first)), MOST_LOOKS),
            )
            if rate >= BOUND:
                metric, unit, value = "proven_though_not_below", "share", float(np.isfinite(first).mean())
            row = Row("audit", "one rate", variant, 1, metric, value, unit)
            rows.append(row)
            print(f"{variant}: {row.metric} {row.value:.4g}", flush=True)
    return rows


def measure_pieces(lines: int, pieces: int = 8, times: int = 40) -> list[Row]:
    """Return how often the bound of what people miss is ever too low where few pieces are shown again."""
    rng, missed = np.random.default_rng(1), 0.2
    hard = rng.beta(missed, 1 - missed, (lines, 1, pieces))  # how often each piece is missed
    misses = (rng.random((lines, times, pieces)) < hard).cumsum(axis=1)
    shown = np.arange(1.0, times + 1)
    ways = {
        "each piece counts once": ((misses / shown[:, None]).sum(axis=2), np.full(times, float(pieces))),
        "each look counts": (misses.sum(axis=2).astype(np.float64), pieces * shown),
    }
    rows = []
    for name, (found, of) in ways.items():
        known = Known(defective=np.broadcast_to(of, found.shape), missed=found)
        # of the probability of an error that is passed on, this is the part of misses
        alpha = (1 - CONFIDENCE) / MISSED
        low = float((errors_of(known, alpha).missed < missed).any(axis=1).mean())
        print(f"{pieces} pieces shown {times} times, {name}: ever too low {low:.4f}", flush=True)
        variant = f"{pieces} known pieces shown {times} times, {name}"
        rows.append(Row("audit", "known pieces", variant, 1, "bound_of_misses_ever_too_low", low, "share"))
    return rows


def main() -> None:
    """Simulate, and write the rows."""
    parser = new_parser(__doc__)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=150)
    with begun(parser, "audit") as (args, _):
        lines, pages = (20, 10) if args.smoke else (args.lines, args.pages)
        append(args.output, measure_lines(lines, pages))
        append(args.output, measure_looks(lines))
        append(args.output, measure_pieces(lines))


if __name__ == "__main__":
    main()
