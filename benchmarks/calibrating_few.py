"""How honest is a probability that few known defects calibrate?

Scores of good and of defective parts are drawn from two normal distributions, so that the probability of a
defect at a score is known. Platt's curve is fitted to 100 good parts and a few defective ones, many times.
Measured is what the probability truly is where the curve says 0.5, and how far the curve is off at the scores
of defects.

    python benchmarks/calibrating_few.py
"""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from brightfield.decide.fit_curves import fit_platt
from record import Row, append
from runs import begun, new_parser

Floats = npt.NDArray[np.float64]

GOOD = 100
DEFECTS = (1, 2, 3, 5, 10, 20, 50)
SCORES = {"2 apart": (2.0, 1.0), "3 apart": (3.0, 1.0), "3 apart, defects twice as spread": (3.0, 2.0)}
"""Mean and standard deviation of the defects' scores; those of good parts are 0 and 1."""


def true_probability(scores: Floats, n_defect: int, mean: float, spread: float) -> Floats:
    """Return the probability of a defect at scores (N,), by Bayes' rule at the share that calibrates."""
    defective, good = n_defect * norm.pdf(scores, mean, spread), GOOD * norm.pdf(scores)
    return np.asarray(defective / (defective + good))


def measure(name: str, n_defect: int, times: int) -> list[Row]:
    """Return the rows of curves that so many defects calibrate."""
    mean, spread = SCORES[name]
    rng = np.random.default_rng(n_defect)
    grid = np.linspace(-5.0, 15.0, 4001)
    true, density = true_probability(grid, n_defect, mean, spread), norm.pdf(grid, mean, spread)
    at_half, error = [], []
    for _ in range(times):
        scores = np.concatenate((rng.normal(size=GOOD), rng.normal(mean, spread, n_defect)))
        said = fit_platt(scores, np.arange(len(scores)) >= GOOD).apply(grid)
        at_half.append(float(true[min(int(np.searchsorted(said, 0.5)), len(grid) - 1)]))
        error.append(float(np.sqrt(np.average((said - true) ** 2, weights=density))))
    low, middle, high = np.quantile(at_half, (0.05, 0.5, 0.95))
    found = {"true_at_0.5_low": low, "true_at_0.5_median": middle, "true_at_0.5_high": high}
    found |= {"rms_error_median": np.median(error), "rms_error_95": np.quantile(error, 0.95)}
    print(f"{name}, {n_defect} defects: {', '.join(f'{k} {v:.2f}' for k, v in found.items())}", flush=True)
    variant = f"{n_defect} defects"
    return [Row("calibrating_few", name, variant, 0, k, float(v), "probability") for k, v in found.items()]


def main() -> None:
    """Run what was asked for."""
    logging.disable(logging.WARNING)  # a few draws of one or two defects rank backwards
    parser = new_parser(__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    with begun(parser, "calibrating_few") as (args, _):
        for name in SCORES:
            for n_defect in DEFECTS:
                append(args.output, measure(name, n_defect, 5 if args.smoke else args.draws))


if __name__ == "__main__":
    main()
