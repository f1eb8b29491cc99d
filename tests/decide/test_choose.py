"""Operating points against brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score, roc_curve

from brightfield.decide.choose import check_enough, choose, count
from brightfield.decide.cost import shifted
from brightfield.decide.policy import Clause, Policy, parse_policy
from brightfield.errors import ConfigError, DataError
from brightfield.verdict import Decision


def made_up_parts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a few probabilities, with ties in every other draw, and at least one part of each kind."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 30))
    values = generator.random(n)
    if seed % 2:
        values = values.round(1)
    defect = generator.random(n) < values
    defect[:2] = (True, False)
    return values, defect


def expected_f1(values: np.ndarray, cut: float) -> float:
    """Twice the defects to be expected among the rejected, by all rejected and all defects to be expected."""
    rejected = [v for v in values if v >= cut]
    return 2 * sum(rejected) / (len(rejected) + sum(values))


def counted_f1(defect: np.ndarray, rejected: np.ndarray) -> float:
    """Twice the defects among the rejected, by all rejected and all defects; scikit-learn's takes longer."""
    return 2 * np.count_nonzero(defect & rejected) / (np.count_nonzero(rejected) + np.count_nonzero(defect))


@pytest.mark.parametrize("seed", range(24))
def test_f1_is_the_greatest_to_be_expected(seed: int) -> None:
    values, defect = made_up_parts(seed)
    point = choose(parse_policy("f1"), values, defect)
    every_cut = [expected_f1(values, cut) for cut in np.unique(values)]
    assert expected_f1(values, point.threshold) == pytest.approx(max(every_cut), abs=1e-12)


@pytest.mark.parametrize("seed", range(24))
def test_f1_cuts_in_the_middle_of_a_gap(seed: int) -> None:
    values, defect = made_up_parts(seed)
    threshold = choose(parse_policy("f1"), values, defect).threshold
    middles = [(lower + upper) / 2 for lower, upper in pairwise([0.0, *np.unique(values)])]
    assert min(abs(threshold - m) for m in middles) < 1e-12


def test_f1_by_hand() -> None:
    """Rejecting the upper two of 0.1, 0.2, 0.8, 0.9 is to find 1.7 of 2.0 defects: 3.4 / 4."""
    values = [0.1, 0.2, 0.8, 0.9]
    assert choose(parse_policy("f1"), values, [False, False, True, True]).threshold == 0.5
    # the labels of these few parts do not move it: they have spoken in the calibration
    assert choose(parse_policy("f1"), values, [False, True, True, False]).threshold == 0.5
    # where all are likely defects, all are rejected
    assert choose(parse_policy("f1"), [0.6, 0.7], [False, True]).threshold == 0.3


def test_f1_cuts_less_wildly_than_counting_does() -> None:
    """Over draws of 100 calibrated parts, the threshold varies less than that of the greatest counted F1."""
    rng = np.random.default_rng(0)
    expected, counted = [], []
    for _ in range(100):
        values = rng.beta(0.6, 1.2, 100)
        defect = rng.random(100) < values
        expected.append(choose(parse_policy("f1"), values, defect).threshold)
        counted.append(max(values, key=lambda cut: counted_f1(defect, values >= cut)))
    assert np.std(expected) < 0.7 * np.std(counted)


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("recall", [0.01, 0.07, 0.5, 0.9, 0.99, 1.0])
def test_recall_is_met_by_the_highest_threshold_that_can(seed: int, recall: float) -> None:
    values, defect = made_up_parts(seed)
    point = choose(Policy((Clause("recall", recall),)), values, defect)
    assert recall_score(defect, values >= point.threshold) >= recall
    above = np.nextafter(point.threshold, 2)
    assert recall_score(defect, values >= above, zero_division=0.0) < recall


@pytest.mark.parametrize(("recall", "caught"), [(0.07, 7), (0.29, 29), (0.57, 57), (0.99, 99), (0.991, 100)])
def test_recall_is_not_misled_by_rounding(recall: float, caught: int) -> None:
    values = np.linspace(0.001, 1, 100)
    point = choose(Policy((Clause("recall", recall),)), values, np.ones(100, dtype=bool))
    assert 100 - point.escapes == caught


def test_fixed_is_taken_as_it_is() -> None:
    point = choose(parse_policy("fixed=0.4"), [0.1, 0.4, 0.3, 0.9], [False, False, True, True])
    assert (point.policy, point.threshold, point.review) == ("fixed=0.4", 0.4, None)
    assert (point.n_calibration, point.n_defect, point.escapes, point.overkills) == (4, 2, 1, 1)
    assert choose(parse_policy("fixed=0.4"), [], np.array([], dtype=bool)).n_calibration == 0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    "text",
    [
        "f1",
        "youden",
        "recall=0.8",
        "precision=0.6",
        "fixed=0.5",
        "recall=0.9 and fixed=0.7",
        "fixed=0.2 and f1",
    ],
)
def test_counts_are_those_of_the_decisions(seed: int, text: str) -> None:
    values, defect = made_up_parts(seed)
    point = choose(parse_policy(text), values, defect)
    decisions = [point.decide(float(p)) for p in values]
    pairs = list(zip(decisions, defect, strict=True))
    assert point.escapes == sum(d is Decision.OK and bool(bad) for d, bad in pairs)
    assert point.overkills == sum(d is Decision.DEFECT and not bad for d, bad in pairs)
    assert point.reviewed == decisions.count(Decision.REVIEW)
    assert point.reviewed_defect == sum(d is Decision.REVIEW and bool(bad) for d, bad in pairs)
    assert point.n_defect == defect.sum()


@pytest.mark.parametrize(
    ("text", "values", "defect", "message"),
    [
        ("f1", [0.1, 0.2], [False, False], "0 of 2 calibration parts are defective"),
        ("f1", [0.1, 0.2], [True, True], "2 of 2 calibration parts are defective"),
        ("f1", [], [], "0 of 0"),
        ("recall=0.9", [0.1, 0.2], [False, False], "no defective part"),
        ("f1", [0.1, 1.2], [False, True], r"not in \[0, 1\]"),
        ("f1", [0.1, np.nan], [False, True], r"not in \[0, 1\]"),
        ("f1", [0.1, 0.2, 0.3], [False, True], r"\(3,\) probabilities and \(2,\) labels"),
        ("f1", [0.1, 0.2], [0.5, 1], "expected bool"),
    ],
)
def test_parts_that_do_not_suffice(text: str, values: list[float], defect: list[bool], message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose(parse_policy(text), values, defect)


@pytest.mark.parametrize("policy", [Clause("magic"), Clause("recall"), Clause("fixed")])
def test_a_policy_that_nobody_parsed_is_refused(policy: Clause) -> None:
    with pytest.raises(ConfigError, match="lacks its value"):
        choose(Policy((policy,)), [0.1, 0.9], [False, True])


@pytest.mark.parametrize("seed", range(24))
def test_youden_is_the_greatest(seed: int) -> None:
    values, defect = made_up_parts(seed)
    point = choose(parse_policy("youden"), values, defect)
    false_positive, true_positive, _ = roc_curve(defect, values)
    reached = 1 - point.escapes / point.n_defect - point.overkills / point.n_good
    assert reached == pytest.approx(max(true_positive - false_positive))


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("precision", [0.3, 0.5, 0.8])
def test_precision_is_met_by_the_lowest_threshold_that_can(seed: int, precision: float) -> None:
    values, defect = made_up_parts(seed)
    reached = {t: precision_score(defect, values >= t) for t in np.unique(values)}
    possible = [t for t, p in reached.items() if p >= precision]
    if not possible:
        with pytest.raises(DataError, match=f"no threshold rejects with precision {precision}.*best reaches"):
            choose(parse_policy(f"precision={precision}"), values, defect)
        return
    assert choose(parse_policy(f"precision={precision}"), values, defect).threshold == min(possible)


def test_precision_lost_beside_another_policy_is_refused() -> None:
    values = np.array([0.1, 0.2, 0.5, 0.6, 0.7, 0.9])
    defect = np.array([False, False, True, True, True, False])
    assert choose(parse_policy("precision=0.75"), values, defect).threshold == 0.5
    with pytest.raises(DataError, match="from 0.8 on, with precision 0.000 instead of 0.75"):
        choose(parse_policy("precision=0.75 and fixed=0.8"), values, defect)


def separable(n_good: int, n_defect: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw parts whose kinds overlap a little."""
    rng = np.random.default_rng(seed)
    values = np.concatenate((rng.beta(2, 6, n_good), rng.beta(6, 2, n_defect)))
    return values, np.arange(n_good + n_defect) >= n_good


def test_a_promise_on_escapes() -> None:
    values, defect = separable(200, 149)
    point = choose(parse_policy("escape<=0.02@0.95"), values, defect)
    (promise,) = point.guarantees
    # 149 are the fewest that prove 2%, so not one may escape
    assert (point.threshold, point.escapes) == (values[defect].min(), 0)
    assert (promise.kind, promise.bound, promise.confidence, promise.n, promise.errors) == (
        *("escape", 0.02, 0.95, 149),
        0,
    )
    with pytest.raises(DataError, match="there are 148 defective parts.*at least 149.*1 more"):
        choose(parse_policy("escape<=0.02@0.95"), values[:-1], defect[:-1])


def test_a_promise_on_overkills_needs_no_defect() -> None:
    values, _ = separable(299, 0)
    point = choose(parse_policy("overkill<=0.01@0.95"), values, np.zeros(299, dtype=bool))
    assert (point.overkills, point.n_defect) == (0, 0)
    assert point.threshold == np.nextafter(values.max(), 2)
    assert point.guarantees[0].kind == "overkill"


def test_a_band_between_two_promises() -> None:
    values, defect = separable(400, 400)
    escape, overkill = (
        choose(parse_policy(p), values, defect) for p in ("escape<=0.01@0.95", "overkill<=0.01@0.95")
    )
    both = choose(parse_policy("escape<=0.01@0.95 and overkill<=0.01@0.95"), values, defect)
    assert (both.review, both.threshold) == (escape.threshold, overkill.threshold)
    assert [g.errors for g in both.guarantees] == [escape.escapes, overkill.overkills]
    assert both.reviewed == ((values >= both.passes_below) & (values < both.threshold)).sum()


def test_no_band_where_one_threshold_keeps_both_promises() -> None:
    values, defect = separable(400, 400)
    point = choose(parse_policy("escape<=0.2@0.95 and overkill<=0.2@0.95"), values, defect)
    assert point.review is None
    assert point.threshold == choose(parse_policy("overkill<=0.2@0.95"), values, defect).threshold
    # the counts of the promise are those at the threshold in use
    assert [g.errors for g in point.guarantees] == [point.escapes, point.overkills]


def test_each_defect_type_has_its_own_promise() -> None:
    values, defect = separable(100, 200)
    types = ["OK"] * 100 + ["crack", "dent"] * 100
    crack = np.array(types) == "crack"
    values[crack] -= 0.1
    values = values.clip(0, 1)
    point = choose(parse_policy("escape[crack]<=0.05 and escape[dent]<=0.05"), values, defect, types)
    alone = choose(parse_policy("escape[crack]<=0.05"), values, defect, types)
    assert point.threshold == alone.threshold  # what holds for the fainter type holds for the other
    assert [(g.defect, g.n) for g in point.guarantees] == [("crack", 100), ("dent", 100)]
    with pytest.raises(ConfigError, match="type 'scratch'; the calibration part holds crack, dent"):
        choose(parse_policy("escape[scratch]<=0.05"), values, defect, types)
    with pytest.raises(ConfigError, match="holds no types"):
        choose(parse_policy("escape[crack]<=0.05"), values, defect)


def test_costs_choose_both_ends() -> None:
    values, defect = separable(300, 100)
    point = choose(parse_policy("cost escape=100 overkill=10 review=1 prevalence=0.25"), values, defect)
    # at the calibration part's own share of defects the probabilities need no correction
    assert (point.review, point.threshold) == (pytest.approx(0.01), pytest.approx(0.9))
    alone = choose(parse_policy("cost escape=100 overkill=10 prevalence=0.25"), values, defect)
    assert (alone.review, alone.threshold) == (None, pytest.approx(10 / 110))
    assert alone.costs is not None
    with pytest.raises(DataError, match="0 of 300.*policy cost"):
        choose(parse_policy("cost escape=1 overkill=1 prevalence=0.1"), values[:300], defect[:300])


def test_the_share_of_defects_that_the_probabilities_know() -> None:
    """The same probabilities mean the same thresholds, whatever parts the choice is made on."""
    values, defect = separable(300, 100)
    rare = np.concatenate((np.arange(300), np.arange(300, 306)))
    cost = parse_policy("cost escape=100 overkill=10 prevalence=0.02")
    known = choose(cost, values[rare], defect[rare], calibrated_share=0.25)
    assert known.threshold == pytest.approx(choose(cost, values, defect).threshold)
    # and the expected F1 is that of the parts at hand: the cut of the shifted probabilities
    f1 = choose(parse_policy("f1"), values[rare], defect[rare], calibrated_share=0.25).threshold
    there = shifted(values[rare], 0.25, 6 / 306)
    cut = choose(parse_policy("f1"), there, defect[rare]).threshold
    assert ((values[rare] >= f1) == (there >= cut)).all()


def test_too_few_parts_are_known_before_the_training() -> None:
    types = ["OK"] * 300 + ["crack"] * 60
    defect = [t != "OK" for t in types]
    for fine in ("escape<=0.05@0.95 and overkill<=0.01@0.95", "escape[crack]<=0.05", "recall=0.99"):
        check_enough(parse_policy(fine), defect, types)
    with pytest.raises(DataError, match="at least 149"):
        check_enough(parse_policy("escape<=0.02@0.95"), defect, types)
    with pytest.raises(ConfigError, match="holds crack"):
        check_enough(parse_policy("escape[dent]<=0.05"), defect, types)


def test_counts_on_other_parts_promise_nothing() -> None:
    values, defect = separable(200, 200)
    point = choose(parse_policy("escape<=0.02 and overkill<=0.02"), values, defect)
    other = count(point, values[::2], defect[::2])
    assert (other.threshold, other.review, other.guarantees) == (point.threshold, point.review, ())
    assert (other.n_calibration, other.n_defect) == (200, 100)
