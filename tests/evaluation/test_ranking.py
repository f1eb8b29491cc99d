"""Several methods on the same parts: who is best, who is no worse, and where they differ."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from brightfield.evaluation.compare import auroc_interval
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.ranking import agreements, by_type, disagreed, is_right, rank

N_GOOD, N_DEFECT = 60, 40


def predictions(
    scores: np.ndarray, truth: tuple[str, ...], decisions: tuple[str | None, ...] | None = None
) -> Predictions:
    n = len(truth)
    if decisions is None:
        decisions = tuple("DEFECT" if s >= 0 else "OK" for s in scores)
    classes = ("OK", *sorted(set(truth) - {"OK"}))
    return Predictions(
        images=tuple(f"{i}.png" for i in range(n)),
        truth=truth,
        splits=("test",) * n,
        decisions=decisions,
        labels=tuple("OK" if d == "OK" else "defect" for d in decisions),
        scores=np.asarray(scores, dtype=np.float64),
        probabilities=None,
        p_values=None,
        thresholds=None,
        class_probabilities=None,
        classes=classes,
        normal="OK",
    )


@pytest.fixture
def truth() -> tuple[str, ...]:
    return ("OK",) * N_GOOD + ("pit",) * 25 + ("crack",) * 15


@pytest.fixture
def shift(truth: tuple[str, ...]) -> np.ndarray:
    return np.array([name != "OK" for name in truth], dtype=np.float64)


def test_the_best_comes_first_and_luck_is_told_from_skill(truth: tuple[str, ...], shift: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    good = 3 * shift - 1.5 + rng.normal(0, 1, len(truth))
    of_method = {
        "blind": predictions(rng.normal(0, 1, len(truth)), truth),
        "good": predictions(good, truth),
        "nearly": predictions(good + rng.normal(0, 0.2, len(truth)), truth),
    }
    figure, standings = rank(of_method)
    assert figure == "auroc"
    areas = {name: roc_auc_score(shift, p.scores) for name, p in of_method.items()}
    assert list(standings) == sorted(areas, key=lambda name: -areas[name])
    assert {name: s.value for name, s in standings.items()} == pytest.approx(areas)
    first, second, last = standings.values()
    assert first.against_best is None
    assert first.no_worse
    assert second.no_worse
    assert list(standings)[-1] == "blind"
    assert not last.no_worse
    assert last.against_best is not None
    assert last.against_best.value == pytest.approx(areas["blind"] - max(areas.values()))
    assert last.low < last.value < last.high


def test_an_interval_is_delongs(truth: tuple[str, ...], shift: np.ndarray) -> None:
    scores = shift + np.random.default_rng(1).normal(0, 1, len(truth))
    defect = shift > 0
    # every pair of a defective and a good part by itself, (defective, good)
    wins = (scores[defect][:, None] > scores[~defect]) + 0.5 * (scores[defect][:, None] == scores[~defect])
    variance = wins.mean(1).var(ddof=1) / N_DEFECT + wins.mean(0).var(ddof=1) / N_GOOD
    low, high = auroc_interval(defect, scores)
    assert (high - low) / 2 == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-5)
    assert (low + high) / 2 == pytest.approx(wins.mean())


def test_a_perfect_score_has_a_width_too(truth: tuple[str, ...], shift: np.ndarray) -> None:
    low, high = auroc_interval(shift > 0, shift)
    assert high == 1
    # 40 defective parts without a miss: the two-sided exact bound of 0 of 40
    assert 1 - low == pytest.approx(1 - 0.025 ** (1 / 40))


def test_without_both_kinds_accuracy_ranks(truth: tuple[str, ...]) -> None:
    only_good = ("OK",) * 40
    calm, nervous = -np.ones(40), np.where(np.arange(40) < 30, 1.0, -1.0)
    figure, standings = rank(
        {"nervous": predictions(nervous, only_good), "calm": predictions(calm, only_good)}
    )
    assert figure == "accuracy"
    assert [s.value for s in standings.values()] == [1.0, 0.25]
    assert list(standings) == ["calm", "nervous"]
    assert not standings["nervous"].no_worse
    assert standings["nervous"].against_best is not None
    assert standings["nervous"].against_best.test == "McNemar"


def test_a_part_for_review_did_not_pass() -> None:
    p = predictions(np.zeros(4), ("OK", "OK", "pit", "pit"), ("OK", "REVIEW", "REVIEW", "OK"))
    assert is_right(p).tolist() == [True, False, True, False]


def test_types_are_ranked_against_all_good_parts(truth: tuple[str, ...], shift: np.ndarray) -> None:
    scores = shift - 0.5 + np.random.default_rng(2).normal(0, 1, len(truth))
    p = predictions(scores, truth)
    found = by_type(p)
    names = np.array(truth)
    assert list(found) == ["crack", "pit"]
    for name, figures in found.items():
        rows = (names == name) | (names == "OK")
        assert figures["auroc"] == pytest.approx(roc_auc_score(names[rows] == name, scores[rows]))
        assert figures["recall"]["value"] == pytest.approx((scores[names == name] >= 0).mean())
        assert figures["n"] == (names == name).sum()


def test_agreement_counts_who_is_right() -> None:
    truth = ("OK", "OK", "OK", "pit", "pit")
    of_method = {
        "a": predictions(np.array([-1, -1, 1, 1, -1]), truth),
        "b": predictions(np.array([-1, 1, 1, 1, 1]), truth),
    }
    assert agreements(of_method) == [
        {"right": ["a", "b"], "n": 2, "n_defect": 1},
        {"right": [], "n": 1, "n_defect": 0},
        {"right": ["b"], "n": 1, "n_defect": 1},
        {"right": ["a"], "n": 1, "n_defect": 0},
    ]
    assert disagreed(of_method).tolist() == [False, True, False, False, True]
    both = [accuracy_score(np.array(truth) != "OK", p.scores >= 0) for p in of_method.values()]
    assert [is_right(p).mean() for p in of_method.values()] == both
