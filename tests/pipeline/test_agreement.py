"""The gate: what is saved judges as what learned does, or nothing is saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import brightfield
from brightfield.bundle import read_bundle
from brightfield.data.cache import PixelCache
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.calibration import Calibrator, Conformal, Temperature
from brightfield.decide.curves import Platt
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.scores import Scores
from brightfield.errors import AgreementError
from brightfield.inspector import Inspector
from brightfield.methods.base import Fitted, Judgement, Picture, Stored
from brightfield.methods.classifier import fit
from brightfield.pipeline import agreement
from brightfield.pipeline.agreement import LEAST_PICTURES, MOST_PICTURES, compare, joined
from brightfield.progress import silent
from brightfield.verdict import HeatmapKind, Scale

RULE = Preprocessing(8, 8, True, 8, 0, (0.5,) * 3, (0.5,) * 3)
IDENTITY = Platt(1.0, 0.0)  # the score is the log-odds


def number(i: int) -> Picture:
    """Return a picture that says which one it is."""
    return np.array([[[i // 256, i % 256, 0]]], np.uint8)


@dataclass(frozen=True)
class Table:
    """A method that looks its scores up, and with two columns its logits."""

    values: np.ndarray
    name: str = "table"
    heatmap_kind: HeatmapKind = HeatmapKind.EVIDENCE
    score_step: float = 0.0

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        rows = [int(p[0, 0, 0]) * 256 + int(p[0, 0, 1]) for p in pictures]
        if self.values.ndim == 1:
            return [Judgement(float(self.values[i]), None, None) for i in rows]
        logits = self.values[rows].astype(np.float64)
        return [Judgement(float(z[1] - z[0]), z, None) for z in logits]

    def stored(self) -> Stored:
        return Stored({}, {}, {})


def compared(
    ours: Any,
    theirs: Any,
    calibrator: Calibrator = IDENTITY,
    point: OperatingPoint | None = None,
    step: float = 0.0,
) -> dict[str, Any]:
    """Return what the gate says of these values of the inspector and of what learned."""
    table, other = Table(np.asarray(ours), score_step=step), Table(np.asarray(theirs))
    inspector = Inspector(table, RULE, ("OK", "bad"), "OK", calibrator, point, {}, {}, {})

    def learned(pictures: Sequence[Picture]) -> Scores:
        found = other.judge(pictures, explain=False)
        logits = None if found[0].logits is None else np.array([j.logits for j in found])
        return Scores(np.array([j.score for j in found]), logits)

    cache = cast(PixelCache, [number(i) for i in range(len(table.values))])
    fitted = Fitted(table, RULE, cache, [], None, {}, "none", None, learned)
    return compare(inspector, fitted, [f"{i}.png" for i in range(len(table.values))], silent)


def at(threshold: float, scale: Scale = Scale.PROBABILITY, review: float | None = None) -> OperatingPoint:
    return OperatingPoint("by hand", threshold, 0, 0, 0, 0, review=review, scale=scale)


def odds(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_the_largest_difference_is_that_of_probabilities() -> None:
    ours = np.linspace(-4, 4, 30)
    theirs = ours.copy()
    theirs[7] += 1e-3  # 0.001 p (1 - p) of probability
    p = 1 / (1 + np.exp(-ours[7]))
    found = compared(ours, theirs, point=at(0.5))
    assert (found["pictures"], found["scale"]) == (30, "probability")
    assert found["largest_difference"] == pytest.approx(1e-3 * p * (1 - p), rel=1e-2)


def test_a_value_apart_is_refused_by_name_though_the_decision_is_the_same() -> None:
    ours = np.linspace(-4, 4, 30)
    ours[16] = 0.0
    here = np.arange(30) == 16
    # at a probability of a half it moves by a quarter of the score
    assert compared(ours, ours + 0.003 * here, point=at(0.9))["largest_difference"] < 1e-3
    said = r"on 1 of 30 pictures: 16\.png \(largest difference 0\.0015,.*--backbone"
    with pytest.raises(AgreementError, match=said):
        compared(ours, ours + 0.006 * here, point=at(0.9))


def test_many_are_named_in_part() -> None:
    ours = np.linspace(-2, 2, 30)
    with pytest.raises(
        AgreementError, match=r"30 of 30.*: 0\.png, 1\.png, 10\.png, 11\.png, 12\.png and 25 more"
    ):
        compared(ours, ours + 1)


@pytest.mark.parametrize(
    ("apart", "fails"),
    [(0.0, False), (5e-6, False), (5e-5, True)],  # in probability, all of them less than is allowed
)
@pytest.mark.parametrize("review", [None, 0.3])
def test_a_tie_at_the_threshold_is_no_other_decision(apart: float, fails: bool, review: float | None) -> None:
    bound = 0.7 if review is None else review
    p = np.linspace(0.05, 0.95, 30)
    p[3] = bound  # judged exactly at the threshold, as a policy that takes a part's own value has it
    ours = np.array([odds(x) for x in p])
    theirs = ours.copy()
    theirs[3] = odds(bound - apart)
    point = at(float(IDENTITY.apply(ours)[3]) if review is None else 0.7, review=review)
    if review is not None:
        point = replace(point, review=float(IDENTITY.apply(ours)[3]))
    if fails:
        with pytest.raises(AgreementError, match=r"pictures: 3\.png"):
            compared(ours, theirs, point=point)
    else:
        assert compared(ours, theirs, point=point)["largest_difference"] <= 1e-5


def test_a_near_value_of_one_side_alone_is_no_tie() -> None:
    p = np.linspace(0.05, 0.95, 30)
    p[3] = 0.7
    ours = np.array([odds(x) for x in p])
    theirs = ours.copy()
    theirs[3] = odds(0.6995)
    with pytest.raises(AgreementError, match=r"3\.png"):
        compared(ours, theirs, point=at(0.7 - 1e-7))


def test_every_classs_probability_counts() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 2)) * 3
    moved = logits.copy()
    moved[4] += 5.0  # the same for both classes says nothing
    found = compared(logits, moved, Temperature(2.0))
    assert (found["scale"], found["pictures"]) == ("probability", 20)
    assert found["largest_difference"] == pytest.approx(0, abs=1e-12)
    moved[4] = logits[4] + [0.0, 1.0]
    with pytest.raises(AgreementError, match=r"4\.png"):
        compared(logits, moved, Temperature(2.0))


def test_scores_alone_differ_as_a_share_of_their_range() -> None:
    ours = np.linspace(100.0, 300.0, 40)
    good = Conformal(tuple(ours))
    theirs = ours + 0.1 * (np.arange(40) == 8)
    found = compared(ours, theirs, good, at(1e9, Scale.SCORE))
    assert found["scale"] == "score"
    assert found["largest_difference"] == pytest.approx(0.1 / 200)
    with pytest.raises(AgreementError, match=r"8\.png"):
        compared(ours, ours + 0.3 * (np.arange(40) == 8), good)


@pytest.mark.parametrize("point", [at(1e9, Scale.SCORE), at(0.965, Scale.SCORE), None])
@pytest.mark.parametrize("calibrated", [False, True])
def test_one_step_of_a_rounded_score_is_no_disagreement(
    point: OperatingPoint | None, calibrated: bool
) -> None:
    ours = np.linspace(0.0, 2.0, 41).round(2)  # 0.95 is the twentieth, and one step is 0.5% of the range
    calibrator = IDENTITY if calibrated else Conformal(tuple(ours))
    here = np.arange(41) == 19
    for step in (0.0, 0.01):
        theirs = ours + step * here
        assert compared(ours, theirs, calibrator, point, step=0.01)["pictures"] == 41
    with pytest.raises(AgreementError, match=r"19\.png"):
        compared(ours, ours + 0.02 * here, calibrator, point, step=0.01)
    with pytest.raises(AgreementError, match=r"19\.png"):
        compared(ours, ours + 0.01 * here, calibrator, point)


def test_a_p_value_that_jumps_at_a_parts_own_score_is_a_tie() -> None:
    ours = np.linspace(0.0, 1.0, 99)
    good = Conformal(tuple(ours))
    point = at(0.05, Scale.P_VALUE)  # the four most unusual of 99, each at its own p-value
    order = np.arange(99) == 94
    for by in (1e-9, -1e-9):
        assert compared(ours, ours + by * order, good, point)["pictures"] == 99
    p_values = good.apply(ours + 1e-9 * order)
    assert (good.apply(ours)[94] > 0.05) != (p_values[94] > 0.05), "the decision does not even differ"
    with pytest.raises(AgreementError, match=r"94\.png"):
        compared(ours, ours + 5e-4 * order, good, point)


def test_two_hundred_pictures_at_the_most_evenly_spaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "SECONDS", float("inf"))
    ours = np.linspace(-2, 2, 500)
    assert MOST_PICTURES == 200
    assert compared(ours, ours)["pictures"] == 200
    with pytest.raises(AgreementError) as e:
        compared(ours, ours + 1)
    assert "200 of 200" in str(e.value)
    assert compared(ours[:201], ours[:201])["pictures"] == 200
    assert compared(ours[:7], ours[:7])["pictures"] == 7
    assert compared(ours[:1], ours[:1])["pictures"] == 1


def test_where_it_takes_long_a_few_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "SECONDS", -1.0)
    ours = np.linspace(-2, 2, 500)
    assert compared(ours, ours)["pictures"] == LEAST_PICTURES


def test_scores_are_joined_with_their_logits() -> None:
    one, two = (
        Scores(np.array([1.0]), np.array([[0.0, 1.0]])),
        Scores(np.array([2.0]), np.array([[3.0, 4.0]])),
    )
    both = joined([one, two])
    assert both.defect.tolist() == [1.0, 2.0]
    assert both.logits is not None
    assert both.logits.tolist() == [[0.0, 1.0], [3.0, 4.0]]
    assert joined([one, Scores(np.array([2.0]))]).logits is None


def quick(data: Path, output: Path | None, **more: Any) -> brightfield.Inspector:
    options = {"backbone": "test_resnet", "weights": "none", "image_size": 64, "epochs": 3, **more}
    return brightfield.train(data, output, **options)


@pytest.fixture
def few(tmp_path: Path, make_spots: Callable[..., Path]) -> Path:
    return make_spots(tmp_path / "few", each=12)


def test_a_training_notes_how_far_the_two_differ(few: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = quick(few, tmp_path / "bundle", progress=lambda *what: told.append(what))
    noted = read_bundle(tmp_path / "bundle").manifest["agreement"]
    trained = list(made.splits.values()).count("train")
    assert noted == made.facts["agreement"]
    assert (noted["pictures"], noted["scale"]) == (trained, "probability")
    assert 0 <= noted["largest_difference"] < 1e-3
    assert [t for t in told if t[0] == "agree"][-1] == ("agree", trained, trained)


def test_a_training_whose_network_judges_otherwise_saves_nothing(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = fit.judge_with_torch

    def shifted(*args: Any) -> Scores:
        found = judge(*args)
        assert found.logits is not None
        return Scores(found.defect + 1.0, found.logits + np.array([0.0, 1.0]))

    with monkeypatch.context() as patched:
        patched.setattr(fit, "judge_with_torch", shifted)
        with pytest.raises(AgreementError, match=r"disagrees.*pictures: \w+/\d+\.png"):
            quick(few, tmp_path / "bundle", calibration=0.3)
        with pytest.raises(AgreementError):
            quick(few, None, calibration=0.3)
    assert not (tmp_path / "bundle").exists()
    quick(few, tmp_path / "bundle", calibration=0.3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "few"]
