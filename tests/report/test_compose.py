"""Which images a report shows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from brightfield.evaluation.run import Evaluation
from brightfield.report.compose import MOST_OF_A_PAIR, worst


class Rows(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.truth)


def test_the_surest_mistakes_of_the_pairs_confused_most_often() -> None:
    truth = ["cat"] * 6 + ["dog"] * 3 + ["car"]
    labels = ["dog", "dog", "dog", "dog", "dog", "cat", "cat", "cat", "dog", "dog"]
    sure = np.array([0.5, 0.9, 0.6, 0.7, 0.8, 0.99, 0.55, 0.65, 0.99, 0.95])
    rows = Rows(normal=None, truth=truth, labels=labels, class_probabilities=np.stack([sure, 1 - sure], 1))
    made = cast(Evaluation, SimpleNamespace(predictions=rows))
    found: dict[str, Any] = worst(made)
    # five cats called dog, of which the surest three; two dogs called cat; one car called dog
    assert MOST_OF_A_PAIR == 3
    assert found == {"confusion": [1, 4, 3, 7, 6, 9]}
