from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from brightfield.evaluation.compare import against
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.summary import ANY_DEFECT, summarise
from brightfield.verdict import Scale

CONTRACT = {
    "n",
    "n_defect",
    "accuracy",
    "auroc",
    "average_precision",
    "f1",
    "precision",
    "recall",
    "escape_rate",
    "overkill_rate",
    "ece",
    "brier",
    "confusion_matrix",
    "classes",
    "per_class",
    "operating_point",
}


def inspected() -> Predictions:
    """Ten parts: six good, two cracks, two dents; one crack escapes, one dent is for review, one overkill."""
    truth = ("OK",) * 6 + ("crack", "crack", "dent", "dent")
    probabilities = np.array([0.05, 0.1, 0.1, 0.2, 0.45, 0.8, 0.3, 0.9, 0.5, 0.95])
    by_type = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.8, 0.1, 0.7])  # share of crack in the defect
    table = np.stack([1 - probabilities, probabilities * by_type, probabilities * (1 - by_type)], axis=1)
    return Predictions(
        images=tuple(f"{i}.png" for i in range(10)),
        truth=truth,
        splits=("test",) * 10,
        decisions=tuple("DEFECT" if p >= 0.6 else "REVIEW" if p >= 0.4 else "OK" for p in probabilities),
        labels=tuple(("OK", "crack", "dent")[k] for k in table.argmax(axis=1)),
        scores=np.log(probabilities / (1 - probabilities)),
        probabilities=probabilities,
        p_values=None,
        thresholds=np.full(10, 0.6),
        class_probabilities=table,
        classes=("OK", "crack", "dent"),
        normal="OK",
    )


def classified() -> Predictions:
    table = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.1, 0.4]])
    classes = ("bird", "cat", "dog")
    return Predictions(
        images=tuple("abcde"),
        truth=("bird", "bird", "cat", "dog", "dog"),
        splits=("test",) * 5,
        decisions=(None,) * 5,
        labels=tuple(classes[k] for k in table.argmax(axis=1)),
        scores=table.max(axis=1),
        probabilities=None,
        p_values=None,
        thresholds=None,
        class_probabilities=table,
        classes=classes,
        normal=None,
    )


def test_figures_of_defects_by_hand() -> None:
    found = summarise(inspected(), operating_point={"policy": "fixed=0.6"})
    assert set(found) >= CONTRACT
    assert (found["n"], found["n_defect"]) == (10, 4)
    # Stopped: 0.45 (review), 0.8, 0.9, 0.5 (review), 0.95; of these three are defective, one defect passed.
    assert found["accuracy"] == pytest.approx(0.7)
    assert found["precision"] == pytest.approx(3 / 5)
    assert found["recall"] == pytest.approx(3 / 4)
    assert found["f1"] == pytest.approx(2 / 3)
    assert (found["escape_rate"]["k"], found["escape_rate"]["n"]) == (1, 4)
    assert (found["overkill_rate"]["k"], found["overkill_rate"]["n"]) == (1, 6)
    assert (found["review_share"]["k"], found["review_share"]["n"]) == (2, 10)
    assert found["operating_point"] == {"policy": "fixed=0.6"}


def test_ranking_figures_agree_with_scikit_learn() -> None:
    predictions = inspected()
    found = summarise(predictions, operating_point={})
    truth, values = predictions.is_defect, predictions.scores
    assert found["auroc"] == pytest.approx(roc_auc_score(truth, values))
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, values))


def test_verdicts_are_counted_by_true_class() -> None:
    found = summarise(inspected(), operating_point={})
    assert found["verdict_counts"] == {
        "OK": {"OK": 4, "REVIEW": 1, "DEFECT": 1},
        "crack": {"OK": 1, "REVIEW": 0, "DEFECT": 1},
        "dent": {"OK": 0, "REVIEW": 1, "DEFECT": 1},
    }


def test_each_defect_type_has_its_own_escape_rate() -> None:
    per_class = summarise(inspected(), operating_point={})["per_class"]
    assert "escape_rate" not in per_class["OK"]
    assert per_class["crack"]["escape_rate"]["value"] == 0.5
    assert per_class["dent"]["escape_rate"]["value"] == 0.0
    assert per_class["dent"]["escape_rate"]["high"] == pytest.approx(1 - 0.025 ** (1 / 2))


def test_confusion_is_that_of_the_operating_point() -> None:
    found = summarise(inspected(), operating_point={})
    assert found["classes"] == ["OK", "crack", "dent"]
    # The part at 0.45 is most probably good, but went to review: it counts as a crack.
    assert found["confusion_matrix"] == [[4, 2, 0], [1, 1, 0], [0, 1, 1]]
    assert found["classification_report"]["crack"]["precision"] == pytest.approx(1 / 4)
    assert found["per_class"]["crack"]["precision"] == pytest.approx(1 / 4)


def test_a_method_that_knows_no_types_gets_two_classes() -> None:
    labels = tuple("OK" if d == "OK" else "defect" for d in inspected().decisions)
    found = summarise(replace(inspected(), labels=labels, class_probabilities=None), operating_point={})
    assert found["classes"] == ["OK", ANY_DEFECT]
    assert found["confusion_matrix"] == [[4, 2], [1, 3]]
    assert found["per_class"]["crack"]["escape_rate"]["k"] == 1
    assert found["per_class"]["crack"]["precision"] is None


def test_scores_without_probabilities_have_no_calibration() -> None:
    found = summarise(replace(inspected(), probabilities=None), operating_point={})
    assert (found["ece"], found["brier"]) == (None, None)
    assert found["auroc"] is not None


def test_pixel_figures_are_there_where_given() -> None:
    assert "pixel" not in summarise(inspected(), operating_point={})
    assert summarise(inspected(), operating_point={}, pixel={"auroc": 0.9})["pixel"] == {"auroc": 0.9}


@pytest.mark.parametrize("only", ["OK", "crack"])
def test_one_class_alone_raises_and_warns_nothing(only: str) -> None:
    found = summarise(replace(inspected(), truth=(only,) * 10), operating_point={})
    assert (found["auroc"], found["average_precision"]) == (None, None)
    assert found["accuracy"] is not None
    missing = "escape_rate" if only == "OK" else "overkill_rate"
    assert found[missing]["value"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_plain_classification_against_scikit_learn() -> None:
    predictions = classified()
    found = summarise(predictions, operating_point={})
    assert set(found) >= CONTRACT
    assert found["accuracy"] == pytest.approx(3 / 5)
    expected = f1_score(predictions.truth, predictions.labels, average="macro")
    assert found["f1"] == pytest.approx(expected)
    expected = roc_auc_score(predictions.truth, predictions.class_probabilities, multi_class="ovr")
    assert found["auroc"] == pytest.approx(expected)
    assert found["confusion_matrix"] == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert found["n_defect"] is found["escape_rate"] is found["overkill_rate"] is None
    # Brier's sum over classes, by hand, in the order of the rows.
    assert found["brier"] == pytest.approx((0.14 + 0.62 + 0.06 + 0.24 + 0.62) / 5)


def test_a_class_nobody_saw_is_left_out_of_the_means() -> None:
    predictions = replace(classified(), truth=("bird", "bird", "cat", "bird", "bird"))
    found = summarise(predictions, operating_point={})
    assert found["per_class"]["dog"]["n"] == 0
    assert found["per_class"]["dog"]["auroc"] is None
    assert found["auroc"] is not None


def test_document_holds_json_values_only() -> None:
    for predictions in (inspected(), classified()):
        found = summarise(predictions, operating_point={"policy": "f1", "threshold": 0.5})
        assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_ranking_is_by_score_where_values_tie_or_turn() -> None:
    """Below the least p-value that good parts can show, parts tie; scores still tell them apart."""
    scores = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 4.0, 6.0])
    unusual = Predictions(
        images=tuple("abcdefg"),
        truth=("OK",) * 4 + ("dent", "OK", "dent"),
        splits=("test",) * 7,
        decisions=("OK",) * 4 + ("DEFECT",) * 3,
        labels=("OK",) * 4 + ("defect",) * 3,
        scores=scores,
        probabilities=None,
        p_values=np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2]),
        thresholds=np.full(7, 0.2),
        class_probabilities=None,
        classes=("OK", "dent"),
        normal="OK",
        scale=Scale.P_VALUE,
    )
    found = summarise(unusual, operating_point={})
    assert found["auroc"] == roc_auc_score(unusual.is_defect, scores) == 1.0
    assert found["average_precision"] == average_precision_score(unusual.is_defect, scores)
    assert (found["ece"], found["brier"], found["calibration_spread"]) == (None, None, None)
    assert found["confusion_matrix"] == [[4, 1], [0, 2]]
    # the difference between two inspectors is one of scores too
    assert against(unusual, unusual)["auroc"].first == 1.0
