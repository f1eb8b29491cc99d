"""Venn-Abers intervals by hand, and their promise on simulated parts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from brightfield.decide.venn_abers import venn_abers
from brightfield.errors import DataError


def test_by_hand() -> None:
    # as good, 0.5 pools with the defective part below it: 1 of 2; as defective it stands with the upper ones
    found = venn_abers([0.0, 0.4, 0.6], [False, True, True], [0.5])
    np.testing.assert_allclose(found, [[0.5, 1.0]])
    # alone on either side
    np.testing.assert_allclose(venn_abers([0.0], [False], [1.0]), [[0.0, 1.0]])


def test_the_interval_holds_what_happens() -> None:
    rng = np.random.default_rng(0)
    scores, new = rng.normal(0, 2, 400), rng.normal(0, 2, 1000)
    found = venn_abers(scores, rng.random(400) < expit(scores), new)
    happened = rng.random(1000) < expit(new)
    assert (found[:, 0] <= found[:, 1]).all()
    assert (found[:, 1] - found[:, 0]).mean() < 0.12
    for low in np.arange(0, 1, 0.25):
        few = (found.mean(1) >= low) & (found.mean(1) < low + 0.25)
        noise = 3 * np.sqrt(0.25 / few.sum())
        assert found[few, 0].mean() - noise <= happened[few].mean() <= found[few, 1].mean() + noise


def test_wrong_scores_are_refused() -> None:
    with pytest.raises(DataError, match="not finite"):
        venn_abers([0.0, np.nan], [False, True], [0.5])
