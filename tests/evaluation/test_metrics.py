from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from brightfield.errors import InputError
from brightfield.evaluation import metrics


def test_escape_and_overkill_leave_review_out() -> None:
    defect = np.array([True, True, True, True, False, False, False, False, False])
    decided = np.array(["OK", "REVIEW", "DEFECT", "DEFECT", "OK", "OK", "REVIEW", "DEFECT", "OK"])
    escape = metrics.escape_rate(defect, decided == "OK")
    overkill = metrics.overkill_rate(defect, decided == "DEFECT")
    review = metrics.review_share(decided == "REVIEW")
    assert (escape.k, escape.n, escape.value) == (1, 4, 0.25)
    assert (overkill.k, overkill.n, overkill.value) == (1, 5, 0.2)
    assert (review.k, review.n) == (2, 9)


def test_auroc_counts_pairs() -> None:
    event = np.array([False, False, True, True])
    # Of the four pairs of a good and a bad part, three are in order and one is a tie.
    assert metrics.auroc(event, np.array([0.1, 0.5, 0.5, 0.9])) == pytest.approx(3.5 / 4)
    assert metrics.average_precision(event, np.array([0.1, 0.6, 0.5, 0.9])) == pytest.approx(
        0.5 + 0.5 * 2 / 3
    )


@pytest.mark.parametrize("only", [True, False])
def test_ranking_one_class_is_not_known(only: bool) -> None:
    event = np.full(3, only)
    assert metrics.auroc(event, np.arange(3.0)) is None
    assert metrics.average_precision(event, np.arange(3.0)) is None


def test_defect_figures_by_hand() -> None:
    defect = np.array([True, True, True, False, False])
    stopped = np.array([True, True, False, True, False])
    figures = metrics.defect_figures(defect, stopped)
    assert figures == pytest.approx({"accuracy": 0.6, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3})


def test_without_defects_only_the_accuracy_is_known() -> None:
    figures = metrics.defect_figures(np.zeros(4, dtype=bool), np.array([False, False, False, True]))
    assert figures == {"accuracy": 0.75, "precision": None, "recall": None, "f1": None}


def test_calibration_error_by_hand() -> None:
    event = np.array([False, True, True, True])
    probability = np.array([0.1, 0.15, 0.9, 1.0])
    # Two bins: 0.125 predicted, half true; 0.95 predicted, all true.
    found = metrics.calibration_bins(event, probability, bins=2)
    np.testing.assert_array_equal(found.counts, [2, 2])
    np.testing.assert_allclose(found.predicted, [0.125, 0.95])
    np.testing.assert_allclose(found.observed, [0.5, 1.0])
    assert metrics.expected_calibration_error(event, probability, bins=2) == pytest.approx((0.375 + 0.05) / 2)


def test_an_empty_bin_adds_nothing() -> None:
    found = metrics.calibration_bins(np.array([True]), np.array([1.0]))
    assert found.counts.tolist() == [0] * 14 + [1]
    assert np.isnan(found.predicted[:14]).all()
    assert metrics.expected_calibration_error(np.array([True]), np.array([1.0])) == 0.0
    assert metrics.expected_calibration_error(np.array([], dtype=bool), np.array([])) is None


def test_scores_are_not_taken_for_probabilities() -> None:
    with pytest.raises(InputError, match="calibrate"):
        metrics.calibration_bins(np.array([True]), np.array([3.5]))


def test_brier_scores_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    event, probability = generator.random(50) < 0.4, generator.random(50)
    assert metrics.brier_score(event, probability) == pytest.approx(brier_score_loss(event, probability))
    # By hand: (0.8 - 1)^2 + 0.1^2 + 0.1^2, and (0.5 - 1)^2 + 0.5^2.
    table = np.array([[0.8, 0.1, 0.1], [0.0, 0.5, 0.5]])
    assert metrics.brier_score_by_class(np.array([0, 2]), table) == pytest.approx((0.06 + 0.5) / 2)


def test_confusion_matrix_has_the_truth_in_rows() -> None:
    matrix = metrics.confusion_matrix(["a", "a", "b"], ["a", "b", "b"], ["a", "b", "c"])
    assert matrix == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_classification_report_is_scikit_learns_without_its_warning() -> None:
    report = metrics.classification_report(["a", "a", "b"], ["a", "a", "a"])
    assert report["a"] == pytest.approx({"precision": 2 / 3, "recall": 1.0, "f1-score": 0.8, "support": 2})
    assert report["b"] == {"precision": 0.0, "recall": 0.0, "f1-score": 0.0, "support": 1}
    assert report["macro avg"]["f1-score"] == pytest.approx(0.4)
    assert report["accuracy"] == pytest.approx(2 / 3)
