"""What a promise and the parts tested have to say of each other."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from brightfield.decide.guarantee import Guarantee
from brightfield.evaluation.contradiction import contradictions
from brightfield.evaluation.predictions import Predictions
from brightfield.verdict import Scale


def judged(
    good: tuple[int, int], crack: tuple[int, int] = (0, 0), dent: tuple[int, int] = (0, 0)
) -> Predictions:
    """Return predictions of parts of three kinds, each as (rejected, passed)."""
    counts = {"OK": good, "crack": crack, "dent": dent}
    truth = [name for name, (rejected, passed) in counts.items() for _ in range(rejected + passed)]
    decisions = [d for r, p in counts.values() for d in ["DEFECT"] * r + ["OK"] * p]
    scores = np.array([float(d == "DEFECT") for d in decisions])
    return Predictions(
        images=tuple(f"{i}.png" for i in range(len(truth))),
        truth=tuple(truth),
        splits=("test",) * len(truth),
        decisions=tuple(decisions),
        labels=tuple("OK" if d == "OK" else "crack" for d in decisions),
        scores=scores,
        probabilities=None,
        p_values=None,
        thresholds=np.full(len(truth), 0.5),
        class_probabilities=None,
        classes=("OK", "crack", "dent"),
        normal="OK",
        scale=Scale.SCORE,
    )


def test_more_overkills_than_chance_allows() -> None:
    promised = [Guarantee("overkill", 0.05, 0.95, 59, 0)]
    for rejected in range(41):
        p_value = binomtest(rejected, 40, 0.05, alternative="greater").pvalue
        said = list(contradictions(promised, judged((rejected, 40 - rejected))))
        assert bool(said) == (p_value <= 0.01), rejected
    assert "at most 5% of good parts are rejected, but 40 of these 40 are" in said[0]


def test_escapes_of_one_type() -> None:
    promised = [
        Guarantee("escape", 0.1, 0.95, 29, 0, "crack"),
        Guarantee("escape", 0.1, 0.95, 29, 0, "dent"),
        Guarantee("escape", 0.4, 0.95, 29, 0),
    ]
    (said,) = contradictions(promised, judged((0, 10), crack=(4, 6), dent=(20, 0)))
    assert "at most 10% of parts with crack are passed, but 6 of these 10 are" in said
    assert list(contradictions(promised, judged((9, 1)))) == [], "no defects say nothing of escapes"
