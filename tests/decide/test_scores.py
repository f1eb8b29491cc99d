"""Scores of pictures: what they hold and refuse, and what logits make of them."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.decide.scores import Scores, defect_score, scores_of_logits
from brightfield.errors import DataError


def test_defect_score_is_the_log_odds() -> None:
    logits = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    np.testing.assert_allclose(defect_score(logits, 0), np.log([0.5 / 0.5, 0.9 / 0.1]), atol=1e-12)
    np.testing.assert_allclose(defect_score(logits, 2), np.log([0.8 / 0.2, 0.2 / 0.8]), atol=1e-12)
    for missing in (3, -1):
        with pytest.raises(DataError, match=f"3 columns and the normal class is column {missing}"):
            defect_score(logits, missing)


def test_without_a_normal_class_the_margin_counts() -> None:
    found = scores_of_logits([[1.0, 4.0, 2.5], [0.0, 0.0, -1.0]], None)
    np.testing.assert_array_equal(found.defect, [1.5, 0.0])
    with pytest.raises(DataError, match="expected at least two, one per class"):
        scores_of_logits([[1.0]], None)


def test_some_rows() -> None:
    scores = scores_of_logits([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]], 0)
    assert len(scores) == 3
    for rows in ([2, 0], [True, False, True]):
        found = scores.only(rows)
        assert sorted(found.defect) == [1.0, 3.0]
        assert found.logits is not None
        np.testing.assert_array_equal(found.logits[:, 1], found.defect)
    assert Scores(np.zeros(3)).only([0]).logits is None
    assert len(scores.only([])) == 0


@pytest.mark.parametrize(
    ("defect", "logits", "message"),
    [
        ([[1.0]], None, r"scores have shape \(1, 1\); expected \(N,\)"),
        ([1.0, np.inf], None, "1 of 2 scores are not finite"),
        ([1.0], [1.0], r"logits have shape \(1,\); expected \(N, K\)"),
        ([1.0], [[1.0, np.nan]], "1 of 2 logits are not finite"),
        ([1.0], [[1.0, 2.0], [1.0, 2.0]], "1 scores and 2 rows of logits"),
    ],
)
def test_what_is_refused(defect: list[float], logits: list[list[float]] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Scores(np.array(defect), None if logits is None else np.array(logits))
