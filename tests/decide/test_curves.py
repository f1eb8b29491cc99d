"""Curves against scikit-learn's logistic and isotonic fits, and against the truth they were drawn from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from brightfield.decide.curves import CURVES, Beta, Isotonic, Platt
from brightfield.decide.fit_curves import (
    FITS,
    fit_beta,
    fit_curve,
    fit_isotonic,
    fit_platt,
    out_of_fold_losses,
)
from brightfield.errors import DataError


def platt_by_logistic_regression(scores: np.ndarray, defect: np.ndarray) -> tuple[float, float]:
    """Fit the soft targets by giving scikit-learn each score twice, weighted."""
    good = np.where(defect, (defect.sum() + 1) / (defect.sum() + 2), 1 / ((~defect).sum() + 2))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000)
    model.fit(
        np.concatenate((scores, scores))[:, None],
        np.repeat([1, 0], len(scores)),
        sample_weight=np.concatenate((good, 1 - good)),
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("apart", [1.0, 2.0, 20.0])
def test_platt_agrees_with_weighted_logistic_regression(seed: int, apart: float) -> None:
    generator = np.random.default_rng(seed)
    defect = generator.random(120) < 0.3
    scores = generator.normal(size=120) + apart * defect
    found = fit_platt(scores, defect)
    slope, offset = platt_by_logistic_regression(scores, defect)
    assert found.slope == pytest.approx(slope, rel=1e-3)
    assert found.offset == pytest.approx(offset, rel=1e-3, abs=1e-3)


def test_platt_does_not_care_for_the_scale_of_the_scores() -> None:
    scores, defect = np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([False, False, True, False, True])
    plain = fit_platt(scores, defect).apply(scores)
    np.testing.assert_allclose(
        fit_platt(scores * 1e6 - 5e7, defect).apply(scores * 1e6 - 5e7), plain, rtol=1e-5
    )
    np.testing.assert_allclose(
        fit_platt(scores * 1e-6 + 1, defect).apply(scores * 1e-6 + 1), plain, rtol=1e-5
    )


@pytest.mark.parametrize("seed", range(5))
def test_platt_keeps_the_auroc(seed: int) -> None:
    generator = np.random.default_rng(seed)
    defect = generator.random(200) < 0.4
    scores = (generator.normal(size=200) + defect).round(1)  # with ties
    calibrated = fit_platt(scores, defect).apply(scores)
    assert roc_auc_score(defect, calibrated) == roc_auc_score(defect, scores)
    np.testing.assert_array_equal(
        np.unique(calibrated, return_inverse=True)[1], np.unique(scores, return_inverse=True)[1]
    )


def test_platt_on_separable_scores_is_finite() -> None:
    found = fit_platt([0.0, 0.1, 0.9, 1.0], [False, False, True, True])
    low, high = found.apply([0.0, 1.0])
    assert 0.05 < low < 0.3
    assert high == pytest.approx(1 - low)


@pytest.mark.parametrize("scores", [[3.0, 2.0, 1.0, 0.0], [5.0, 5.0, 5.0, 5.0]])
def test_platt_on_scores_that_tell_nothing_is_flat_but_increasing(
    scores: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    found = fit_platt(scores, [False, False, False, True])
    assert "do not separate" in caplog.text
    calibrated = found.apply(scores)
    # The mean of the smoothed targets: three times 1 / 5 and once 2 / 3.
    np.testing.assert_allclose(calibrated, (3 / 5 + 2 / 3) / 4, atol=0.01)
    assert found.apply([0.0])[0] < found.apply([100.0])[0]


def drawn(seed: int, n: int = 600, bend: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores and labels; far above 0 the true log-odds rise `bend` times as steeply as below."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(-0.5, 2.5, n)
    odds = bend * np.logaddexp(0, scores) - np.logaddexp(0, -scores)
    return scores, rng.random(n) < expit(odds)


def test_beta_agrees_with_logistic_regression_on_its_two_columns() -> None:
    scores, defect = drawn(0, bend=0.3)
    found = fit_beta(scores, defect)
    columns = np.stack((np.log(expit(scores)), -np.log(expit(-scores))), axis=1)
    n_defect, n_good = defect.sum(), (~defect).sum()
    # Platt's targets as weights of either label
    share = np.where(defect, (n_defect + 1) / (n_defect + 2), 1 / (n_good + 2))
    rival = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(
        np.vstack((columns, columns)), np.repeat([1, 0], len(scores)), np.concatenate((share, 1 - share))
    )
    assert (found.lower, found.upper) == pytest.approx(tuple(rival.coef_[0]), rel=1e-3)
    assert found.offset == pytest.approx(rival.intercept_[0], abs=1e-3)


def test_beta_finds_the_bend() -> None:
    found = fit_beta(*drawn(1, n=40_000, bend=0.3))
    assert found.upper / found.lower == pytest.approx(0.3, abs=0.08)


def test_isotonic_runs_through_the_steps_of_the_plain_fit() -> None:
    scores, defect = drawn(2)
    found = fit_isotonic(scores, defect)
    plain = IsotonicRegression().fit(scores, defect).predict(scores)
    steps = np.unique(plain[(plain > 0) & (plain < 1)])
    pinned = expit(np.array(found.log_odds))
    np.testing.assert_allclose(pinned[1:-1], steps, atol=1e-12)
    for x, share in zip(found.scores[1:-1], steps, strict=True):
        assert x == pytest.approx(scores[plain == share].mean())
    np.testing.assert_allclose(found.apply(found.scores), pinned)
    assert (pinned[0], pinned[-1]) == pytest.approx((1 / 602, 601 / 602))


@pytest.mark.parametrize("name", list(FITS))
@pytest.mark.parametrize("seed", range(4))
def test_every_curve_keeps_the_order_of_the_parts(name: str, seed: int) -> None:
    scores, defect = drawn(seed, n=300, bend=0.2)
    found = FITS[name](scores, defect).apply(np.sort(scores))
    assert (np.diff(found) > 0).all()
    assert (found > 0).all()
    assert (found < 1).all()


@pytest.mark.parametrize("name", list(FITS))
def test_curves_of_parts_that_separate_are_finite(name: str) -> None:
    scores = np.concatenate((np.linspace(-9, -5, 60), np.linspace(5, 9, 60)))
    found = FITS[name](scores, scores > 0).apply(scores)
    assert found[:60].max() < 0.1
    assert found[60:].min() > 0.9


def test_few_or_plain_parts_get_platt() -> None:
    plain = [isinstance(fit_curve(*drawn(seed, bend=1.0)), Platt) for seed in range(10)]
    assert sum(plain) >= 9  # chance prefers another now and then
    scores, defect = drawn(4, n=90, bend=0.1)
    assert min(defect.sum(), (~defect).sum()) < 50
    assert isinstance(fit_curve(scores, defect), Platt)


def test_another_curve_is_taken_where_it_pays() -> None:
    scores, defect = drawn(5, n=4000, bend=0.1)
    found = fit_curve(scores, defect)
    assert isinstance(found, Beta)
    fresh, truth = drawn(6, n=4000, bend=0.1)
    assert log_loss(truth, found.apply(fresh)) < log_loss(truth, fit_platt(scores, defect).apply(fresh))
    # two steps: no logistic curve follows them
    rng = np.random.default_rng(0)
    scores = rng.uniform(-4, 4, 4000)
    defect = rng.random(4000) < np.select([scores < -2, scores < 2], [0.02, 0.4], 0.95)
    assert isinstance(fit_curve(scores, defect), Isotonic)


def test_left_out_parts_have_no_say() -> None:
    """A part's loss does not change with its own label's fit: by hand for the first fold."""
    scores, defect = drawn(7, n=100)
    from sklearn.model_selection import StratifiedKFold

    fit, left = next(StratifiedKFold(5, shuffle=True, random_state=0).split(scores[:, None], defect))
    p = fit_platt(scores[fit], defect[fit]).apply(scores[left])
    wanted = -np.log(np.where(defect[left], p, 1 - p))
    np.testing.assert_allclose(out_of_fold_losses("platt", scores, defect)[left], wanted)


@pytest.mark.parametrize(
    "curve", [Platt(0.1 + 0.2, -1e-9), Beta(0.5, 1 / 3, -2.0), Isotonic((0.0, 1.0), (-1.0, 2.0), 0.5)]
)
def test_a_curve_survives_json(curve: Platt | Beta | Isotonic) -> None:
    values = json.loads(json.dumps(curve.as_dict()))
    assert CURVES[values["kind"]].from_dict(values) == curve


def test_isotonic_steps_that_differ_by_rounding_alone_are_one() -> None:
    # of these tied scores two steps have shares that differ in the last bit
    rng = np.random.default_rng(427)
    n = int(rng.integers(60, 700))
    defect = rng.random(n) < rng.uniform(0.1, 0.6)
    scores = (rng.normal(size=n) * rng.uniform(0.1, 8) + rng.uniform(0, 3) * defect).round(2)
    shares = np.unique(IsotonicRegression().fit_transform(scores, defect.astype(float)))
    assert np.diff(shares).min() < 1e-15, "the draw shows nothing"
    found = fit_isotonic(scores, defect)
    assert len(found.scores) == len(np.unique(shares.round(9)))
    assert (np.diff(found.log_odds) > 0).all()


def test_isotonic_by_hand() -> None:
    curve = Isotonic((0.0, 2.0), (-1.0, 3.0), 0.5)
    np.testing.assert_allclose(logit(curve.apply([-2.0, 0.0, 1.0, 2.0, 4.0])), [-2.0, -1.0, 1.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("scores", "log_odds", "slope"),
    [((), (), 1.0), ((0.0, 1.0), (1.0, 0.0), 1.0), ((0.0, 0.0), (0.0, 1.0), 1.0), ((0.0,), (0.0,), 0.0)],
)
def test_a_falling_curve_is_refused(
    scores: tuple[float, ...], log_odds: tuple[float, ...], slope: float
) -> None:
    with pytest.raises(DataError, match="expected"):
        Isotonic(scores, log_odds, slope)
