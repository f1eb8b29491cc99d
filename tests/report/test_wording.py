from __future__ import annotations

import pytest

from brightfield.evaluation.intervals import clopper_pearson
from brightfield.report.wording import flatten, glossary, percent, policy_sentence, rate_sentence
from brightfield.verdict import Scale


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "n/a"),
        (0.0, "0.0%"),
        (1.0, "100.0%"),
        (3 / 197, "1.5%"),
        (1 / 400, "0.3%"),  # 0.25, half up
        (0.0004, "0.04%"),
        (0.00001, "below 0.01%"),
        (0.9996, "99.96%"),
        (0.99999, "above 99.99%"),
    ],
)
def test_percent_never_rounds_away_the_last_escape(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_rate_in_words() -> None:
    sentence = rate_sentence(clopper_pearson(3, 197).as_dict(), "defective parts", "passed")
    expected = "3 of 197 defective parts passed: 1.5%; with 95% confidence between 0.3% and 4.4%."
    assert sentence == expected


def test_one_part_was_and_two_were() -> None:
    one = rate_sentence(clopper_pearson(1, 9).as_dict(), "good parts", "{were} rejected")
    two = rate_sentence(clopper_pearson(2, 9).as_dict(), "good parts", "{were} rejected")
    assert one.startswith("1 of 9 good parts was rejected")
    assert two.startswith("2 of 9 good parts were rejected")


def test_nothing_judged_in_words() -> None:
    sentence = rate_sentence(clopper_pearson(0, 0).as_dict(), "defective parts", "passed")
    assert sentence == "No defective parts were judged, so this rate is not known."


def test_operating_point_as_names_and_values() -> None:
    point = {"policy": "f1", "threshold": 0.48751234, "review": None, "n_calibration": 130, "a": {"b": True}}
    assert flatten(point) == {
        "Policy": "f1",
        "Threshold": "0.4875",
        "Parts it was chosen on": "130",
        "A: b": "yes",
    }


def test_every_policy_is_explained() -> None:
    from brightfield.decide.policy import POLICIES

    assert [name for name in POLICIES if policy_sentence({"policy": f"{name}=0.5"}) is None] == []
    assert policy_sentence({}) is None


def test_glossary_has_only_the_words_of_the_page() -> None:
    assert "Escape" in glossary(has_normal=True, has_pixels=False)
    assert "AUPRO" not in glossary(has_normal=True, has_pixels=False)
    assert "Escape" not in glossary(has_normal=False, has_pixels=True)


def test_policies_are_explained_on_their_scale() -> None:
    assert "expected F1, given the calibrated" in str(policy_sentence({"policy": "f1"}))
    assert "for the best F1 on the calibration split" in str(
        policy_sentence({"policy": "f1", "scale": "score"})
    )
    assert "proves the requested overkill rate" in str(policy_sentence({"policy": "overkill<=0.01@0.95"}))
    assert "is expected to be rejected" in str(policy_sentence({"policy": "overkill=0.01"}))


def test_probability_is_a_word_only_where_there_is_one() -> None:
    for scale in (Scale.P_VALUE, Scale.SCORE):
        words = glossary(has_normal=True, has_pixels=False, scale=scale)
        assert not {"Probability", "ECE", "Brier score"} & set(words)
        assert ("P-value" in words) == (scale is Scale.P_VALUE)
    assert "P-value" not in glossary(has_normal=True, has_pixels=False)
    assert "Probability" in glossary(has_normal=False, has_pixels=False, scale=Scale.SCORE)
