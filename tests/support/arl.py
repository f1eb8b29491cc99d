"""Run lengths of charts by Markov chains, an independent value beside simulations."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np


def cusum_run_length(allowance: float, limit: float, shift: float = 0.0, states: int = 400) -> float:
    """Return the mean run length of an upper CUSUM of standard normal values (Brook and Evans, 1972)."""
    width = 2 * limit / (2 * states - 1)
    middle = np.arange(states) * width
    normal = NormalDist(shift - allowance)
    cut = np.vectorize(normal.cdf)
    upper = cut(middle[None, :] - middle[:, None] + width / 2)
    lower = cut(middle[None, :] - middle[:, None] - width / 2)
    moves = upper - lower
    moves[:, 0] = upper[:, 0]  # everything below 0 is 0
    return float(np.linalg.solve(np.eye(states) - moves, np.ones(states))[0])
