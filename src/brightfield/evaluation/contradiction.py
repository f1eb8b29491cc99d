"""Guarantees of an inspector that the parts it is evaluated on contradict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import binom

from brightfield.decide.guarantee import Guarantee
from brightfield.evaluation.predictions import Predictions

CHANCE = 0.01
"""A guarantee is contradicted where so many errors have at most this chance under its bound."""


def contradictions(guarantees: Sequence[Guarantee], predictions: Predictions) -> Iterator[str]:
    """Yield a note for each guarantee that the errors on these parts contradict.

    Args:
        guarantees: The guarantees of the operating point that decided.
        predictions: Predictions on parts that made nothing of the inspector.
    """
    decisions = np.array([str(d) for d in predictions.decisions], dtype=object)
    for promised in guarantees:
        overkill = promised.kind == "overkill"
        members = ~predictions.is_defect if overkill else predictions.is_defect
        if promised.defect is not None:
            members = np.array([truth == promised.defect for truth in predictions.truth], dtype=np.bool_)
        n = int(members.sum())
        errors = int((members & (decisions == ("DEFECT" if overkill else "OK"))).sum())
        if float(binom.sf(errors - 1, n, promised.bound)) <= CHANCE:
            parts = "good parts" if overkill else f"parts with {promised.defect or 'defects'}"
            done = "rejected" if overkill else "passed"
            yield (
                f"the inspector promises that at most {100 * promised.bound:.10g}% of {parts} are {done}, "
                f"but {errors:,} of these {n:,} are, far more than chance allows: they are unlike the "
                "parts that it was calibrated on (other light, camera, lot, place). Choose the threshold on "
                "parts like these with `brightfield threshold`, and test on others"
            )
