from __future__ import annotations

import numpy as np
import pytest

from brightfield.errors import DataError
from brightfield.evaluation.label_errors import label_errors, transition


def test_the_transition_is_the_one_counted_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9], [0.3, 0.7], [0.8, 0.2]])
    y = np.array([0, 0, 0, 0, 1, 1, 1])
    # called 0 are rows 0, 6, 1 and 3, the surest first: of 0 and 6 one is labelled 1. Called 1 are rows 4, 2
    # and 5: both 4 and 2 count, and one is labelled 0
    assert transition(p, y) == pytest.approx(np.full((2, 2), 0.5))
    assert transition(p[[0, 1, 4]], y[[0, 1, 4]]) == pytest.approx(np.eye(2))


def test_a_class_that_nothing_is_called_has_no_errors() -> None:
    assert transition(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1])) == pytest.approx(np.eye(2))


def line(n: int, noise: float, seed: int, classes: int = 2) -> tuple[np.ndarray, ...]:
    """Return probabilities of labels with noise, exactly calibrated; the labels, and which are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.choice(classes, n, p=[0.7, *[0.3 / (classes - 1)] * (classes - 1)])
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), true] += 3.5
    prior = np.log(np.bincount(true, minlength=classes) / n)
    of_true = np.exp(3.5 * logits + prior)  # the posterior of normal scores that lie 3.5 apart
    of_true /= of_true.sum(axis=1, keepdims=True)
    transition = np.full((classes, classes), noise / (classes - 1))
    np.fill_diagonal(transition, 1 - noise)
    wrong = rng.random(n) < noise
    shift = rng.integers(1, classes, n) if classes > 2 else np.ones(n, dtype=int)
    labels = np.where(wrong, (true + shift) % classes, true)
    return of_true @ transition, labels, wrong, true


@pytest.mark.parametrize(("noise", "classes"), [(0.05, 2), (0.1, 2), (0.05, 4), (0.0, 2)])
def test_the_expected_number_is_how_many_are_wrong(noise: float, classes: int) -> None:
    p, labels, wrong, true = line(6000, noise, 1, classes)
    found = label_errors(p, labels)
    assert found.expected == pytest.approx(wrong.sum(), abs=0.1 * wrong.sum() + 1)
    assert len(found.proposed) == round(found.expected)
    least_probable = np.argsort(p[np.arange(len(p)), labels], kind="stable")[: len(found.proposed)]
    assert set(found.proposed) == set(least_probable)
    assert (np.diff(found.wrong[found.proposed]) <= 0).all(), "the most probably wrong is first"
    if noise:
        assert wrong[found.proposed].mean() > 0.75
        assert found.wrong[found.proposed[0]] > 0.9
        right = found.suggested[wrong] == true[wrong]
        assert right.mean() > 0.9, "the true class is suggested"


def test_images_that_are_hard_to_tell_are_no_errors() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.2, 0.8, 2000)
    labels = (rng.random(2000) < probability).astype(int)
    sure = np.concatenate((np.full(1000, 0.001), np.full(1000, 0.999)))
    p = np.concatenate((probability, sure))
    y = np.concatenate((labels, np.repeat([0, 1], 1000)))
    found = label_errors(np.stack((1 - p, p), axis=1), y)
    assert (1 - p[y == 1]).sum() + p[y == 0].sum() > 700, (
        "as many labels are not the more probable one by chance"
    )
    assert found.expected < 200


def test_a_label_without_any_sure_image_is_taken_as_it_is() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.95, 0.05]])
    found = label_errors(p, [0, 0, 1])
    assert np.isfinite(found.wrong).all()


@pytest.mark.parametrize(
    ("p", "y", "said"),
    [
        ([[0.5, 0.5]], [0, 1], "expected (N, K) and (N,)"),
        ([[0.9, 0.9]], [0], "do not add up to 1"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 0], "labels are of 1 classes; expected 2"),
        ([[0.5, 0.5]], [-1], "labels are of 0 classes"),
    ],
)
def test_wrong_input_is_said(p: list[list[float]], y: list[int], said: str) -> None:
    with pytest.raises(DataError) as raised:
        label_errors(p, y)
    assert said in str(raised.value)
