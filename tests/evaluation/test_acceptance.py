"""Limits: bounds against scipy's exact ones, and files that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import binomtest

from brightfield.errors import ConfigError
from brightfield.evaluation.acceptance import Limits, accept, read_limits
from brightfield.evaluation.agreement import THE_INSPECTOR, attribute_agreement
from brightfield.evaluation.intervals import clopper_pearson
from brightfield.report.wording import acceptance_sentences

METRICS = {
    "n": 400,
    "n_defect": 100,
    "accuracy": 0.95,
    "accuracy_interval": clopper_pearson(380, 400).as_dict(),
    "auroc": 0.97,
    "ece": 0.04,
    "escape_rate": clopper_pearson(2, 100).as_dict(),
    "overkill_rate": clopper_pearson(18, 300).as_dict(),
    "review_share": None,
    "verdict_counts": {
        "OK": {"OK": 270, "REVIEW": 12, "DEFECT": 18},
        "crack": {"OK": 0, "REVIEW": 0, "DEFECT": 60},
        "dent": {"OK": 2, "REVIEW": 0, "DEFECT": 38},
    },
    "per_class": {
        "OK": {},
        "crack": {"escape_rate": clopper_pearson(0, 60).as_dict()},
        "dent": {"escape_rate": clopper_pearson(2, 40).as_dict()},
        "stain": {"escape_rate": clopper_pearson(0, 0).as_dict()},
    },
}


def outcomes(**figures: float) -> dict[str, str]:
    return {c.name: c.outcome for c in accept(METRICS, Limits(figures)).checks}


def test_a_rate_must_keep_its_limit_with_confidence() -> None:
    high = binomtest(2, 100, alternative="less").proportion_ci(0.95, "exact").high
    (check,) = accept(METRICS, Limits({"escape_rate": 0.05})).checks
    assert (check.value, check.bound) == (0.02, pytest.approx(high))
    assert check.outcome == "not proven"  # 2% were counted, 6.2% cannot be ruled out
    assert outcomes(escape_rate=0.07) == {"escape_rate": "met"}
    assert outcomes(escape_rate=0.01) == {"escape_rate": "missed"}


def test_shares_that_must_be_reached() -> None:
    low = binomtest(380, 400, alternative="greater").proportion_ci(0.95, "exact").low
    (check,) = accept(METRICS, Limits({"accuracy": 0.94})).checks
    assert (check.at_most, check.bound, check.outcome) == (False, pytest.approx(low), "not proven")
    assert outcomes(accuracy=0.9) == {"accuracy": "met"}
    assert outcomes(accuracy=0.96) == {"accuracy": "missed"}


def test_recall_and_precision_are_rates_too() -> None:
    recall, precision = accept(METRICS, Limits({"recall": 0.97, "precision": 0.7})).checks
    low = binomtest(98, 100, alternative="greater").proportion_ci(0.95, "exact").low
    assert (recall.value, recall.bound, recall.outcome) == (0.98, pytest.approx(low), "not proven")
    assert precision.value == 98 / 128  # of all that did not pass


def test_what_looks_again_is_bound_over_parts() -> None:
    truth = [True] * 3 + [False] * 40
    looks = [["DEFECT"] * 5] * 3 + [["OK"] * 5] * 40
    study = attribute_agreement(truth, {THE_INSPECTOR: looks}).as_dict()
    found = accept({**METRICS, "agreement": study}, Limits({"miss_rate": 0.02, "false_alarm_rate": 0.2}))
    miss, alarm = found.checks
    assert (miss.value, miss.outcome) == (0.0, "not proven")  # of three parts, however often looked at
    assert miss.bound == pytest.approx(1 - 0.05 ** (1 / 3))
    assert (alarm.outcome, alarm.bound) == ("met", pytest.approx(1 - 0.05 ** (1 / 40)))


def test_another_error_never_gets_an_inspector_accepted() -> None:
    bounds = []
    for misses in range(4):
        looks = [["OK"]] * misses + [["DEFECT"]] * (150 - misses) + [["OK"]] * 20
        study = attribute_agreement([True] * 150 + [False] * 20, {THE_INSPECTOR: looks}).as_dict()
        (check,) = accept({**METRICS, "agreement": study}, Limits({"miss_rate": 0.02})).checks
        assert check.bound is not None
        bounds.append(check.bound)
    exact = [binomtest(k, 150, alternative="less").proportion_ci(0.95, "exact").high for k in range(4)]
    assert bounds == pytest.approx(exact)
    looks = [["DEFECT", "OK"]] + [["DEFECT"] * 2] * 30 + [["OK"] * 2] * 20
    study = attribute_agreement([True] * 31 + [False] * 20, {THE_INSPECTOR: looks}).as_dict()
    (right,) = accept({**METRICS, "agreement": study}, Limits({"effectiveness": 0.9})).checks
    low = binomtest(50, 51, alternative="greater").proportion_ci(0.95, "exact").low
    assert (right.value, right.bound) == (101 / 102, pytest.approx(low))


def test_a_study_it_needs() -> None:
    with pytest.raises(ConfigError, match="needs an agreement study.*--trials"):
        accept(METRICS, Limits({"miss_rate": 0.02}))


def test_figures_that_are_no_rates() -> None:
    assert outcomes(auroc=0.97, ece=0.03, n=400, n_defect=101) == {
        "auroc": "met",
        "ece": "missed",
        "n": "met",
        "n_defect": "missed",
    }


def test_each_defect_type_has_its_limit() -> None:
    found = accept(METRICS, Limits({}, {"crack": 0.05, "dent": 0.01, "stain": 0.5}))
    assert [(c.name, c.outcome) for c in found.checks] == [
        ("escape_rate of crack", "met"),
        ("escape_rate of dent", "missed"),
        ("escape_rate of stain", "not proven"),
    ]
    assert not found.accepted
    assert accept(METRICS, Limits({}, {"crack": 0.05})).accepted
    with pytest.raises(ConfigError, match=r"escapes of 'scratch' does not apply.*crack, dent, stain"):
        accept(METRICS, Limits({}, {"scratch": 0.05}))


def test_a_limit_on_what_is_not_there() -> None:
    with pytest.raises(ConfigError, match="limit on review_share does not apply"):
        accept(METRICS, Limits({"review_share": 0.1}))


def test_in_words() -> None:
    limits = Limits({"escape_rate": 0.05, "auroc": 0.96, "n_defect": 59}, {"stain": 0.1})
    assert acceptance_sentences(accept(METRICS, limits).as_dict()) == [
        "Not accepted: 2 of 4 limits are met.",
        "Escape rate: at most 5.0% was agreed, 2.0% was measured, which with 95% confidence means at most "
        "6.2%: not proven.",
        "AUROC: at least 0.960 was agreed, 0.970 was measured: met.",
        "Defective parts: at least 59 was agreed, 100 was measured: met.",
        "Escape rate of stain: at most 10.0% was agreed, no part of that kind was judged: not proven.",
    ]


def written(folder: Path, text: str) -> Path:
    path = folder / "limits.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_limits_are_read(tmp_path: Path) -> None:
    text = "confidence = 0.9\n[limits]\nescape_rate = 0.02\nn_defect = 59\n"
    path = written(tmp_path, f"{text}[limits.escape_rates]\ncrack = 0.01")
    assert read_limits(path) == Limits({"escape_rate": 0.02, "n_defect": 59.0}, {"crack": 0.01}, 0.9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no limits"),
        ("[limits]", "holds no limits"),
        ("[limits.escape_rates]", "holds no limits"),
        ("[limits]\nescape_rat = 0.1", "unknown limit 'escape_rat'.*did you mean 'escape_rate'"),
        ("[limit]\nescape_rate = 0.1", "unknown limit 'limit'.*did you mean 'limits'"),
        ("[limits]\nescape_rate = 2", "escape_rate is 2; expected a share from 0 to 1"),
        ("[limits]\nescape_rate = true", "escape_rate is True"),
        ("[limits]\nn = -1", "n is -1; expected a count"),
        ("[limits]\nescape_rates = 0.1", "expected a table of defect types"),
        ("confidence = 95\n[limits]\nn = 1", "confidence is 95; expected a share from 0 to 1"),
        ("confidence = 1\n[limits]\nn = 1", "confidence is 1; expected a number between"),
        ("limits =", "is not TOML"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_limits(written(tmp_path, text))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_limits(tmp_path / "none.toml")


def test_pixel_figures_need_masks() -> None:
    masked = {**METRICS, "pixel": {"auroc": 0.98, "aupro_5": 0.6}}
    limits = Limits({"pixel_auroc": 0.985, "pixel_aupro_5": 0.5})
    assert [c.outcome for c in accept(masked, limits).checks] == ["missed", "met"]
    with pytest.raises(ConfigError, match="needs masks"):
        accept(METRICS, limits)
