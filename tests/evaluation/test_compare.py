"""Differences between inspectors against a bootstrap, and against counts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, rankdata
from sklearn.metrics import roc_auc_score

from brightfield.errors import DataError
from brightfield.evaluation.compare import against, delong, mcnemar, pixels_against
from brightfield.evaluation.predictions import Predictions


def drawn(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw labels and two inspectors' values, which share much of their noise."""
    rng = np.random.default_rng(seed)
    defect = rng.random(n) < 0.4
    shared = rng.normal(size=n)
    first = 1.5 * defect + shared + 0.5 * rng.normal(size=n)
    second = 1.2 * defect + shared + 0.5 * rng.normal(size=n)
    return defect, first.round(1), second.round(1)  # rounded, so that some tie


def areas(defect: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the area under each row's ROC curve by Mann and Whitney's U: ties count one half."""
    ranks = rankdata(values, axis=1)
    n = defect.sum(axis=1)
    return ((ranks * defect).sum(axis=1) - n * (n + 1) / 2) / (n * (defect.shape[1] - n))


def test_delong_agrees_with_the_bootstrap() -> None:
    defect, first, second = drawn()
    found = delong(defect, first, second)
    assert found.first == pytest.approx(roc_auc_score(defect, first))
    assert found.second == pytest.approx(roc_auc_score(defect, second))
    rows = np.random.default_rng(1).integers(0, len(defect), (1500, len(defect)))
    width = 1.96 * np.std(areas(defect[rows], first[rows]) - areas(defect[rows], second[rows]))
    assert found.high - found.value == pytest.approx(width, rel=0.12)
    assert found.value == pytest.approx(found.first - found.second)


def test_delong_errs_as_often_as_it_says() -> None:
    p_values = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        defect = np.arange(80) < 40
        shared = defect + rng.normal(size=80)
        first, second = (shared + rng.normal(size=80) for _ in range(2))  # equally good
        p_values.append(delong(defect, first, second).p_value)
    below = int((np.array(p_values) < 0.1).sum())
    assert binomtest(below, 400, 0.1).pvalue > 1e-3


def test_delong_of_the_same_values_and_of_too_few_parts() -> None:
    defect, first, _ = drawn()
    same = delong(defect, first, first)
    assert (same.value, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    with pytest.raises(DataError, match="1 good and 0 defective"):
        delong(np.array([False]), np.zeros(1), np.zeros(1))


def test_where_nobody_errs_something_is_left_open() -> None:
    defect = np.arange(20) < 8
    perfect = delong(defect, defect + 0.0, defect + np.linspace(0, 0.5, 20))
    assert (perfect.value, perfect.p_value) == (0.0, 1.0)
    assert perfect.high == -perfect.low == pytest.approx(1 - 0.025 ** (1 / 8))
    never = mcnemar(np.zeros(10, bool), np.zeros(10, bool))
    assert (never.value, never.p_value) == (0.0, 1.0)
    assert 0.1 < never.high == -never.low < 0.3


def test_mcnemars_interval_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        first = rng.random(60) < 0.9
        second = np.where(rng.random(60) < 0.15, ~first, first)  # differs from the first in 15 of 100
        found = mcnemar(first, second)
        held += found.low <= 0.15 * 0.9 - 0.15 * 0.1 <= found.high
    assert binomtest(held, 1000, 0.95).pvalue > 1e-3 or held > 950


def test_mcnemar_by_hand() -> None:
    first = np.array([True] * 90 + [False] * 10)
    second = np.array([True] * 75 + [False] * 15 + [True] * 3 + [False] * 7)
    found = mcnemar(first, second)
    assert (found.first, found.second) == (0.9, 0.78)
    assert found.p_value == pytest.approx(binomtest(15, 18).pvalue)
    error = np.sqrt((18 / 100 - 0.12**2) / 100)
    assert (found.low, found.high) == pytest.approx((0.12 - 1.96 * error, 0.12 + 1.96 * error), abs=0.015)
    assert mcnemar(first, first).p_value == 1.0


def judged(values: np.ndarray, defect: np.ndarray, threshold: float) -> Predictions:
    n = len(values)
    return Predictions(
        images=tuple(str(i) for i in range(n)),
        truth=tuple("Defect" if d else "OK" for d in defect),
        splits=("test",) * n,
        decisions=tuple("DEFECT" if v >= threshold else "OK" for v in values),
        labels=("OK",) * n,
        scores=values,
        probabilities=None,
        p_values=None,
        thresholds=np.full(n, threshold),
        class_probabilities=None,
        classes=("OK", "Defect"),
        normal="OK",
    )


def test_all_figures_of_two_inspectors() -> None:
    defect, first, second = drawn()
    one, two = judged(first, defect, 0.7), judged(second, defect, 0.7)
    found = against(one, two)
    assert found["escape_rate"].first == pytest.approx((first[defect] < 0.7).mean())
    assert found["overkill_rate"].second == pytest.approx((second[~defect] >= 0.7).mean())
    assert found["accuracy"].first == pytest.approx((defect == (first >= 0.7)).mean())
    assert found["auroc"].value == pytest.approx(delong(defect, first, second).value)
    with pytest.raises(DataError, match="judged different images"):
        against(one, replace(two, images=two.images[::-1]))
    with pytest.raises(DataError, match="same normal class for both"):
        against(one, replace(two, classes=("Defect", "OK"), normal="Defect"))


def test_pixel_figures_that_both_have_stand_beside_each_other() -> None:
    first, second = {"auroc": 0.9, "iou": None, "images": 4}, {"auroc": 0.75, "iou": 0.2, "images": 5}
    assert pixels_against(first, second) == {
        "pixel_auroc": {"first": 0.9, "second": 0.75, "value": pytest.approx(0.15)}
    }
    assert pixels_against(first, None) == {}
