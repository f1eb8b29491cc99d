"""From the probabilities of pixels to scores, evidence and the logits of classes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from brightfield.decide.scores import defect_score
from brightfield.methods.segmenter.evidence import (
    CALM,
    LEAST_SHARE,
    class_logits,
    evidence_of,
    highest,
)


def test_evidence_grows_with_probability() -> None:
    p = np.array([0, 1e-6, CALM, 0.1, 0.5, 1], np.float32)
    found = evidence_of(p)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([math.log(1 + v / CALM) for v in p.tolist()], rel=1e-5)
    assert found[0] == 0
    assert (np.diff(found) > 0).all()


def test_the_highest_are_found_among_those_that_count() -> None:
    values = np.array([[0.1, 0.9, 0.3], [0.8, 0.2, 0.7]], np.float32)
    assert set(highest(values, None, 3).tolist()) == {1, 3, 5}
    inside = np.array([[True, False, True], [True, True, False]])
    assert set(highest(values, inside, 2).tolist()) == {2, 3}
    assert set(highest(values, inside, 9).tolist()) == {0, 2, 3, 4}
    assert set(highest(values, None, 6).tolist()) == set(range(6))


@pytest.mark.parametrize("score", [0.0, 0.7, 6.9])
@pytest.mark.parametrize("normal", [0, 2])
def test_the_log_odds_of_any_defect_are_the_score(score: float, normal: int) -> None:
    others = [i for i in range(4) if i != normal]
    of_type = np.array([others[0], others[2], others[0]])
    found = np.array([0.2, 0.3, 0.1], np.float32)
    logits = class_logits(score, found, of_type, 4, normal)
    assert logits[normal] == 0
    assert np.isfinite(logits).all()
    assert defect_score(logits[None], normal)[0] == pytest.approx(score)
    # two types of one class count together, and a class without any type has the least share
    shares = np.exp(logits[others])
    expected = np.array([0.3, 0, 0.3]) + LEAST_SHARE
    assert shares / shares.sum() == pytest.approx(expected / expected.sum(), rel=1e-5)


def test_nothing_found_tells_no_class_apart() -> None:
    logits = class_logits(0.0, np.zeros(2, np.float32), np.array([1, 2]), 3, 0)
    assert logits.tolist() == pytest.approx([0, math.log(0.5), math.log(0.5)])
    (only,) = class_logits(4.0, np.zeros(1, np.float32), np.array([1]), 2, 0)[1:]
    assert only == pytest.approx(4)
