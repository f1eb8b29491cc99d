"""Which images a report shows."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from PIL import Image

from brightfield.evaluation.run import Evaluation
from brightfield.inspector import Look
from brightfield.report.compose import MOST_OF_A_PAIR, _exhibits, worst
from brightfield.verdict import Decision, HeatmapKind, Verdict


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


def test_exhibits_are_drawn_at_the_size_they_are_shown_in(tmp_path: Path) -> None:
    Image.new("RGB", (1600, 800), (90, 90, 90)).save(tmp_path / "a.png")
    heat = np.zeros((800, 1600), np.float32)
    heat[400, 1000] = 1.5  # one pixel
    rows = Rows(
        normal="OK",
        truth=["pit"],
        labels=["pit"],
        classes=("OK", "pit"),
        class_probabilities=None,
        values=np.array([0.9]),
        scores=np.array([0.9]),
        thresholds=None,
        is_defect=np.array([True]),
        decided=lambda kind: np.array([kind == "REVIEW"]),
    )
    sample = SimpleNamespace(path=tmp_path / "a.png", image="a.png", mask=None)
    made = cast(
        Evaluation, SimpleNamespace(predictions=rows, dataset=SimpleNamespace(samples=[sample], normal="OK"))
    )
    shown = Verdict(
        *(Decision.REVIEW, "pit", 0.9, 0.5, "classifier", 1.0),
        heatmap=heat,
        heatmap_kind=HeatmapKind.ATTRIBUTION,
    )
    inspector: Any = SimpleNamespace(
        looks=lambda asked: [Look(np.asarray(Image.open(path)), shown) for path, _ in asked]
    )
    (exhibit,) = _exhibits(inspector, made, None)
    assert exhibit.overlay_png is not None
    laid = np.asarray(Image.open(io.BytesIO(exhibit.overlay_png)))
    assert laid.shape == np.asarray(Image.open(io.BytesIO(exhibit.picture_png))).shape == (320, 640, 3)
    # a line one pixel wide around the one pixel, as the page shows it
    assert np.argwhere((laid == 255).all(2)).mean(0).tolist() == [160, 400]
    assert (laid == 255).all(2).sum() == 8
