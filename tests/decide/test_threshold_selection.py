"""Operating points against brute force."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_curve

from brightfield.decide.calibration import LEAST_DEFECTS, Calibrated, Conformal
from brightfield.decide.conformal import conformal_p_values
from brightfield.decide.cost import shifted
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import Clause, Policy, parse_policy
from brightfield.decide.threshold_selection import check_enough, choose, count
from brightfield.errors import ConfigError, DataError
from brightfield.verdict import Decision, Scale


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
        ("recall=0.9", [0.1, 0.2], [False, False], "0 of 2 calibration parts are defective; policy recall"),
        ("recall=0.9", [], [], "holds no defective part"),
        ("f1", [0.1, 1.2], [False, True], r"not in \[0, 1\]"),
        ("f1", [0.1, np.nan], [False, True], r"not in \[0, 1\]"),
        ("f1", [0.1, 0.2, 0.3], [False, True], r"\(3,\) probability values and \(2,\) labels"),
        ("f1", [0.1, 0.2], [0.5, 1], "expected bool"),
    ],
)
def test_parts_that_do_not_suffice(text: str, values: list[float], defect: list[bool], message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose(parse_policy(text), values, defect)


@pytest.mark.parametrize("policy", [Clause("magic"), Clause("recall"), Clause("fixed"), Clause("overkill")])
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
    assert both.reviewed == ((values >= both.stops_at) & (values < both.threshold)).sum()


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
    with pytest.raises(ConfigError, match="type 'scratch'; the calibration split holds crack, dent"):
        choose(parse_policy("escape[scratch]<=0.05"), values, defect, types)
    with pytest.raises(ConfigError, match="holds no types"):
        choose(parse_policy("escape[crack]<=0.05"), values, defect)


def test_costs_choose_both_ends() -> None:
    values, defect = separable(300, 100)
    point = choose(parse_policy("cost escape=100 overkill=10 review=1 prevalence=0.25"), values, defect)
    # at the calibration split's own share of defects the probabilities need no correction
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


def good_alone(n: int, seed: int = 0) -> tuple[np.ndarray, Calibrated, np.ndarray]:
    """Draw scores of good parts, with their p-values among themselves."""
    scores = np.random.default_rng(seed).gumbel(40.0, 6.0, n)
    return scores, Calibrated(p_value=conformal_p_values(scores, scores)), np.zeros(n, dtype=bool)


def test_good_parts_alone_are_judged_by_their_p_values() -> None:
    scores, judged, defect = good_alone(199)
    point = choose(parse_policy("overkill=1%"), judged, defect, scores=scores)
    assert (point.scale, point.threshold, point.review) == (Scale.P_VALUE, 0.01, None)
    # of 200, the new part among them, two may be rejected: the one of the 199 that lies highest
    assert (point.overkills, point.n_calibration, point.n_defect) == (1, 199, 0)
    assert point.policy == "overkill=0.01"
    assert point.guarantees == ()


@pytest.mark.parametrize(("n", "share"), [(99, 0.01), (199, 0.01), (30, 0.1), (57, 0.05)])
def test_of_new_good_parts_no_more_than_the_share_is_rejected_on_average(n: int, share: float) -> None:
    """The rank of a new part among n + 1 is uniform, so that share * (n + 1), rounded down, are rejected."""
    rng = np.random.default_rng(n)
    by_p, by_score, draws = [], [], 400
    policy = parse_policy(f"overkill={share}")
    for _ in range(draws):
        scores, new = rng.normal(size=n), rng.normal(size=200)
        judged, defect = Calibrated(p_value=conformal_p_values(scores, scores)), np.zeros(n, dtype=bool)
        point = choose(policy, judged, defect, scores=scores)
        by_p.append(point.rejected(conformal_p_values(scores, new)).mean())
        on_scores = choose(policy, Calibrated(), defect, scores=scores)
        assert on_scores.scale is Scale.SCORE
        by_score.append(on_scores.rejected(new).mean())
    np.testing.assert_array_equal(by_p, by_score)  # the same parts, on either scale
    exact = np.floor(share * (n + 1) + 1e-9) / (n + 1)
    assert np.mean(by_p) == pytest.approx(exact, abs=4 * np.std(by_p) / np.sqrt(draws))


def test_too_few_good_parts_for_a_share() -> None:
    scores, judged, defect = good_alone(98)
    for known in (judged, Calibrated()):
        with pytest.raises(
            DataError, match=r"98 good parts.*at least 99, 1 more.*allow a share of 0\.0102 or more"
        ):
            choose(parse_policy("overkill=0.01"), known, defect, scores=scores)
    with pytest.raises(DataError, match="98 good parts.*at least 99"):
        check_enough(parse_policy("overkill=0.01"), defect, ["OK"] * 98)
    check_enough(parse_policy("overkill=0.0102"), defect, ["OK"] * 98)


def test_a_promise_on_good_parts_alone_is_a_score() -> None:
    scores, judged, defect = good_alone(299)
    point = choose(parse_policy("overkill<=0.01@0.95"), judged, defect, scores=scores)
    assert (point.scale, point.threshold) == (Scale.SCORE, np.nextafter(scores.max(), np.inf))
    assert [(g.kind, g.n, g.errors) for g in point.guarantees] == [("overkill", 299, 0)]
    fixed = choose(parse_policy("fixed=51.5"), judged, defect, scores=scores)
    assert (fixed.scale, fixed.threshold, fixed.overkills) == (Scale.SCORE, 51.5, (scores >= 51.5).sum())
    band = choose(parse_policy("fixed=-3 and overkill=0.01"), judged, defect, scores=scores)
    assert (band.scale, band.review, band.overkills) == (Scale.SCORE, -3.0, 2)
    assert band.reviewed == 297


@pytest.mark.parametrize(
    "text",
    ["f1", "youden", "recall=0.9", "precision=0.9", "escape<=0.1", "cost escape=9 overkill=1 prevalence=0.1"],
)
def test_what_good_parts_alone_cannot_choose(text: str) -> None:
    scores, judged, defect = good_alone(50)
    works = "choose by good parts alone with overkill=O, overkill<=O@C or fixed=T"
    with pytest.raises(DataError, match=f"0 of 50 calibration parts are defective; policy .*{works}"):
        choose(parse_policy(text), judged, defect, scores=scores)
    with pytest.raises(DataError, match=works):
        check_enough(parse_policy(text), defect, ["OK"] * 50)


def test_an_expected_share_on_probabilities() -> None:
    values, defect = separable(199, 50)
    point = choose(parse_policy("overkill=0.02"), values, defect)
    # floor(0.02 * 200) - 1 = 3 of the 199 lie above
    assert (point.scale, point.overkills) == (Scale.PROBABILITY, 3)
    assert point.threshold == np.nextafter(np.sort(values[~defect])[-4], 2)
    assert choose(parse_policy("overkill=0.02"), values[:199], defect[:199]).scale is Scale.PROBABILITY
    with pytest.raises(DataError, match="199 of 199 good parts have probability 1"):
        choose(parse_policy("overkill=0.02"), np.where(defect, values, 1.0), defect)


def test_auto_follows_the_parts(caplog: pytest.LogCaptureFixture) -> None:
    auto = parse_policy("auto")
    values, defect = separable(100, 40)
    assert choose(auto, values, defect) == choose(parse_policy("f1"), values, defect)
    scores, judged, good = good_alone(299)
    point = choose(auto, judged, good, scores=scores)
    assert point == choose(parse_policy("overkill<=0.01@0.95"), judged, good, scores=scores)
    assert (point.policy, point.scale) == ("overkill<=0.01@0.95", Scale.SCORE)
    assert [(g.kind, g.bound, g.confidence, g.n) for g in point.guarantees] == [("overkill", 0.01, 0.95, 299)]
    assert OperatingPoint.from_dict(json.loads(json.dumps(point.as_dict()))) == point
    assert parse_policy(point.policy) == Policy((Clause("overkill", 0.01, 0.95),))
    assert caplog.text == ""
    scores, judged, good = good_alone(19)
    point = choose(auto, judged, good, scores=scores)
    assert (point.policy, point.scale, point.overkills) == ("overkill=0.05", Scale.P_VALUE, 0)
    assert "19 good parts calibrate" in caplog.text
    assert "29 good parts would prove at most 10%" in caplog.text
    check_enough(auto, good, ["OK"] * 19)


def test_few_defects_are_counted_and_choose_nothing() -> None:
    good, bad = np.random.default_rng(3).normal(size=149), [9.0, -9.0, 8.0]
    scores, defect = np.append(good, bad), np.arange(152) >= 149
    judged = Calibrated(p_value=conformal_p_values(good, scores))
    point = choose(parse_policy("auto"), judged, defect, scores=scores)
    assert (point.policy, point.scale, point.threshold) == (
        "overkill<=0.02@0.95",
        Scale.SCORE,
        np.nextafter(good.max(), np.inf),
    )
    assert (point.n_calibration, point.n_defect, point.escapes, point.overkills) == (152, 3, 1, 0)
    by_p = choose(parse_policy("overkill=0.02"), judged, defect, scores=scores)
    # of 150 places three may be rejected, the new part's own among them
    assert (by_p.scale, by_p.n_good, by_p.overkills, by_p.escapes) == (Scale.P_VALUE, 149, 2, 1)
    many = np.append(good, np.linspace(3, 9, LEAST_DEFECTS))
    chosen = choose(parse_policy("auto"), Calibrated(), np.arange(len(many)) >= 149, scores=many)
    assert (chosen.policy, chosen.scale) == ("f1", Scale.SCORE)
    cost = parse_policy("cost escape=9 overkill=1 prevalence=0.1")
    check_enough(cost, defect, ["OK"] * 149 + ["pit"] * 3)
    with pytest.raises(DataError, match="train with 10 defective parts or more"):
        check_enough(cost, defect, ["OK"] * 149 + ["pit"] * 3, LEAST_DEFECTS)


def test_auto_needs_good_parts() -> None:
    auto = parse_policy("auto")
    with pytest.raises(DataError, match="2 of 2 calibration parts are defective"):
        choose(auto, [0.1, 0.2], [True, True])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "text", ["youden", "recall=0.8", "precision=0.6", "escape<=0.6@0.5", "overkill<=0.6@0.5"]
)
def test_scores_are_cut_where_any_increasing_curve_of_them_is(seed: int, text: str) -> None:
    """What only ranks the parts decides alike on scores and on probabilities."""
    values, defect = made_up_parts(seed)
    scores = 1e3 * np.log(values + 1e-3) - 50
    try:
        expected = choose(parse_policy(text), values, defect)
    except DataError as error:
        with pytest.raises(DataError, match=str(error)[:25]):
            choose(parse_policy(text), Calibrated(), defect, scores=scores)
        return
    found = choose(parse_policy(text), Calibrated(), defect, scores=scores)
    assert found.scale is Scale.SCORE
    counts = ("escapes", "overkills", "n_defect", "reviewed")
    if text != "youden":  # of equal cuts the widest gap is taken, and gaps are other ones
        assert [getattr(found, k) for k in counts] == [getattr(expected, k) for k in counts]
    reached = [p.escapes / p.n_defect + p.overkills / p.n_good for p in (found, expected)]
    assert text != "youden" or reached[0] == pytest.approx(reached[1])


@pytest.mark.parametrize("seed", range(12))
def test_f1_of_scores_is_counted(seed: int) -> None:
    values, defect = made_up_parts(seed)
    point = choose(parse_policy("f1"), Calibrated(), defect, scores=-7 + 3 * values)
    best = max(f1_score(defect, values >= cut) for cut in values)
    assert f1_score(defect, point.rejected(-7 + 3 * values)) == pytest.approx(best)


def test_costs_need_probabilities() -> None:
    with pytest.raises(DataError, match="this inspector gives none, as good parts calibrated it"):
        choose(
            parse_policy("cost escape=9 overkill=1 prevalence=0.1"),
            Calibrated(p_value=np.array([0.2, 0.1])),
            [False, True],
            scores=[1.0, 2.0],
        )


@pytest.mark.parametrize("value", ["-0.1", "1.1", "40"])
def test_a_fixed_probability_is_one(value: str) -> None:
    with pytest.raises(ConfigError, match="out of range.*expected a probability"):
        choose(parse_policy(f"fixed={value}"), [0.1, 0.9], [False, True])
    with pytest.raises(ConfigError, match="out of range"):
        check_enough(parse_policy(f"fixed={value}"), [False, True], ["OK", "crack"])
    check_enough(parse_policy(f"fixed={value}"), [False, False], ["OK", "OK"])


def test_counts_are_taken_on_the_points_own_scale() -> None:
    scores, judged, defect = good_alone(99)
    by_p = choose(parse_policy("overkill=0.05"), judged, defect, scores=scores)
    by_score = choose(parse_policy("overkill<=0.05"), judged, defect, scores=scores)
    new = np.array([scores.max() + 1, scores.min(), 1e4])
    bad = np.array([False, True, True])
    found = Calibrated(p_value=Conformal(tuple(np.sort(scores).tolist())).apply(new))
    for point in (by_p, by_score):
        counted = count(point, found, bad, new)
        assert (counted.escapes, counted.overkills, counted.n_defect) == (1, 1, 2)
    assert count(by_score, new, bad).overkills == 1
    with pytest.raises(DataError, match="'score', but these parts have values only on: p_value"):
        count(by_score, found, bad)
    with pytest.raises(DataError, match="a p-value is not in"):
        count(by_p, new, bad)
    with pytest.raises(DataError, match="a score is not finite"):
        count(by_score, [np.inf, 0.0, 1.0], bad)
