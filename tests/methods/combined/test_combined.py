"""The combined method: how two scores become one, and that it learns, is stored and judges alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import brightfield
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.synthetic import make_parts
from brightfield.decide.scores import scores_of_logits
from brightfield.errors import ConfigError, DataError
from brightfield.methods.base import Judgement, Picture, Stored
from brightfield.methods.combined.fit import weight_of_classifier
from brightfield.methods.combined.fitted import Combined, Half, Scale, shifted
from brightfield.verdict import HeatmapKind

RULE = Preprocessing(8, 8, True, 8, 0, (0.5,) * 3, (0.25,) * 3, square=True)
QUICK = {"backbone": "test_resnet", "weights": "none", "bank": 50, "flow_epochs": 1}


class Fixed:
    """A method that says the same of every picture."""

    name = "fixed"
    heatmap_kind = HeatmapKind.EVIDENCE
    score_step = 0.0

    def __init__(self, judgement: Judgement) -> None:
        self.judgement = judgement
        self.seen: list[tuple[int, ...]] = []

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Return the judgement for each picture."""
        self.seen += [p.shape for p in pictures]
        return [self.judgement for _ in pictures]

    def stored(self) -> Stored:
        """Return nothing."""
        return Stored({}, {}, {})


def test_shifted_logits_change_the_odds_of_any_defect_and_not_the_shares_of_types() -> None:
    logits = np.array([0.3, 1.0, -0.5])
    moved = shifted(logits, 0, 2.0)
    before, after = (scores_of_logits(x[None], 0).defect[0] for x in (logits, moved))
    assert after == pytest.approx(before + 2.0)
    assert moved[1] - moved[2] == pytest.approx(1.5)


def test_the_score_is_the_weighted_sum_in_units_of_good_parts() -> None:
    logits = np.array([0.0, 3.0])  # log-odds of a defect: 3
    heat = np.array([[0.0, 4.0], [2.0, 0.0]], np.float32)
    classifier, patches = Fixed(Judgement(3.0, logits, None)), Fixed(Judgement(10.0, None, heat))
    method = Combined(
        Half(classifier, RULE, Scale(1.0, 2.0), 0.25),
        Half(patches, RULE, Scale(4.0, 3.0), 0.75),
        normal=0,
        tells_types=True,
    )
    (found,) = method.judge([np.zeros((20, 30, 3), np.uint8)], explain=True)
    assert found.score == pytest.approx(0.25 * 1.0 + 0.75 * 2.0)
    assert found.logits is not None
    assert scores_of_logits(found.logits[None], 0).defect[0] == pytest.approx(found.score)
    assert classifier.seen == patches.seen == [(8, 8, 3)], "each half resizes pictures by its own rule"
    assert found.heat is not None
    assert found.heat.shape == (20, 30)
    assert found.heat[:5, 25:].min() == found.heat.max() == 1
    assert found.heat[:5, :5].max() == 0
    method.tells_types = False
    assert method.judge([np.zeros((20, 30, 3), np.uint8)], explain=False)[0].logits is None


def test_the_weight_goes_to_what_tells_the_known_defects() -> None:
    rng = np.random.default_rng(0)
    is_defect = np.arange(200) < 40
    useful, useless = is_defect * 6 + rng.normal(size=200), rng.normal(size=200)
    assert weight_of_classifier(useful, useless, is_defect) > 0.6
    assert weight_of_classifier(useless, useful, is_defect) < 0.25
    few = np.arange(200) < 1
    assert weight_of_classifier(few * 9.0, few * 9.0, few) == pytest.approx(
        1 / 41 + 1 / 11 * (0.5 - 1 / 41)
    ), "both alike: the middle, which one defect hardly moves"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    make_parts(folder, n_ok=40, n_defect=18, size=(120, 120), defect_px=22, kinds=("pit",))
    return folder


def test_it_learns_from_few_defects_and_says_why(parts: Path, tmp_path: Path) -> None:
    made = brightfield.train(parts, tmp_path / "i", **QUICK)
    assert made.method.name == "combined"
    assert made.facts["training"]["known_defects"] == 14
    assert 0 <= made.facts["training"]["weight_of_classifier"] <= 1
    assert "fewer than 60 defects are known" in made.facts["training"]["notes"][0]
    assert made.facts["agreement"]["largest_difference"] < 1e-3
    picture = parts / "pit" / "0040.png"
    first, second = made.inspect(picture), brightfield.load(tmp_path / "i").inspect(picture)
    assert first.probability is not None
    assert second.score == pytest.approx(first.score, abs=1e-6)
    assert first.heatmap is not None
    assert first.heatmap.shape == (120, 120)


def test_what_it_cannot_do_is_refused(parts: Path) -> None:
    with pytest.raises(ConfigError, match="proves no rate"):
        brightfield.train(parts, method="combined", policy="overkill<=0.3@0.6", **QUICK)
    with pytest.raises(DataError, match="--method fusion"):
        brightfield.train(parts, method="combined", test=0.9 - 0.01, **QUICK)
