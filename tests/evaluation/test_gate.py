"""The gate: an equal successor passes, a worse one does not, and what is not known is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.compare import delong
from brightfield.evaluation.gate import (
    OPEN,
    PAID,
    SHOWN,
    UNTESTED,
    WORSE,
    Check,
    Demands,
    Gate,
    Golden,
    compare_successor,
    replay,
)
from brightfield.evaluation.paired import rise_p
from brightfield.evaluation.predictions import Predictions

TYPES = ("pit", "scratch", "stain")


def judged(
    truth: list[str], scores: np.ndarray, threshold: float = 0.5, review: float | None = None
) -> Predictions:
    """Return predictions that reject from a threshold on, and review from another one up to it."""
    low = threshold if review is None else review
    decisions = tuple("DEFECT" if s >= threshold else "REVIEW" if s >= low else "OK" for s in scores)
    return Predictions(
        images=tuple(f"{i}.png" for i in range(len(truth))),
        truth=tuple(truth),
        splits=("test",) * len(truth),
        decisions=decisions,
        labels=tuple("OK" if d == "OK" else "pit" for d in decisions),
        scores=scores.astype(np.float64),
        probabilities=None,
        p_values=None,
        thresholds=np.full(len(truth), threshold),
        class_probabilities=None,
        classes=("OK", *TYPES),
        normal="OK",
    )


def parts(n_good: int, n_defect: int, kinds: tuple[str, ...] = ("pit",)) -> list[str]:
    return ["OK"] * n_good + [kinds[i % len(kinds)] for i in range(n_defect)]


def checks(gate: Gate) -> dict[str, Check]:
    return {check.name: check for check in (*gate.checks, *gate.types)}


def pair_of(
    truth: list[str], right: float, seed: int, shared: float = 0.7
) -> tuple[Predictions, Predictions]:
    """Return two inspectors of the same quality, whose scores share much of their noise."""
    rng = np.random.default_rng(seed)
    defect = np.array([t != "OK" for t in truth])
    noise = rng.normal(size=(3, len(truth)))
    own = np.sqrt(1 - shared**2)
    scores = [0.5 + right * (defect - 0.5) + 0.25 * (shared * noise[0] + own * noise[i]) for i in (1, 2)]
    return judged(truth, scores[0]), judged(truth, scores[1])


def test_counts_by_hand() -> None:
    truth = parts(40, 20)
    before = np.array([0.0] * 36 + [1.0] * 4 + [1.0] * 18 + [0.0] * 2)
    after = before.copy()
    after[[0, 1]] = 1.0  # two good parts more are rejected
    after[36] = 0.0  # one fewer
    after[40:48] = 0.0  # eight defects escape
    gate = compare_successor((judged(truth, before), judged(truth, after)), Demands())
    found = checks(gate)
    escapes, overkills = found["escape_rate"], found["overkill_rate"]
    assert (escapes.before, escapes.after, escapes.worse, escapes.better) == (0.1, 0.5, 8, 0)
    assert (overkills.before, overkills.after, overkills.worse, overkills.better) == (0.1, 0.125, 2, 1)
    assert (escapes.outcome, overkills.outcome) == (WORSE, OPEN)
    assert escapes.rise == pytest.approx(0.4)
    assert (gate.accepted, gate.n, gate.n_defect) == (False, 60, 20)
    # the AUROC falls with the escapes: also against it
    assert [check.name for check in gate.against] == ["escape_rate", "auroc"]
    assert gate.as_dict()["accepted"] is False


def test_the_auroc_is_tested_one_sided() -> None:
    truth = parts(60, 60)
    before, after = pair_of(truth, 0.5, 3)
    defect = before.is_defect
    both_sides = delong(defect, before.scores, after.scores)
    assert both_sides.p_value is not None
    for pair, fall in (((before, after), both_sides.value), ((after, before), -both_sides.value)):
        check = checks(compare_successor(pair, Demands()))["auroc"]
        expected = both_sides.p_value / 2 if fall > 0 else 1 - both_sides.p_value / 2
        assert check.p_value == pytest.approx(expected)
        assert check.rise == pytest.approx(fall)
    few = checks(compare_successor(pair_of(parts(60, 9), 0.5, 3), Demands()))["auroc"]
    assert few.outcome == UNTESTED


def test_an_equal_successor_is_accepted() -> None:
    accepted = 0
    for seed in range(150):
        truth = parts(120, 60, TYPES)
        gate = compare_successor(pair_of(truth, 0.6, seed), Demands(margin=0.0))
        accepted += gate.accepted
    assert binomtest(accepted, 150, 0.8, alternative="less").pvalue > 0.05, accepted


def test_a_worse_successor_is_refused() -> None:
    refused = 0
    for seed in range(100):
        truth = parts(200, 100)
        before, _ = pair_of(truth, 0.6, seed)
        _, after = pair_of(truth, 0.35, seed)
        refused += not compare_successor((before, after), Demands()).accepted
    assert refused >= 95


def test_no_worse_is_shown_with_many_parts_only() -> None:
    for n, outcome in ((60, OPEN), (6000, SHOWN)):
        truth = parts(n, n)
        scores = np.array([t != "OK" for t in truth]) * 1.0
        gate = compare_successor((judged(truth, scores), judged(truth, scores)), Demands(margin=0.005))
        found = checks(gate)
        assert {found[name].outcome for name in ("escape_rate", "overkill_rate")} == {outcome}
        assert gate.accepted
        strict = replace(gate, demands=Demands(margin=0.005, strict=True))
        assert strict.accepted == (outcome == SHOWN)


def test_a_rise_within_the_margin_does_not_matter() -> None:
    truth = parts(400, 100)
    before = np.array([t != "OK" for t in truth]) * 1.0
    after = before.copy()
    after[:8] = 1.0  # 2% of the good parts
    pair = (judged(truth, before), judged(truth, after))
    assert checks(compare_successor(pair, Demands(margin=0.01)))["overkill_rate"].outcome == WORSE
    assert checks(compare_successor(pair, Demands(margin=0.03)))["overkill_rate"].outcome != WORSE


def test_one_type_that_escapes_is_enough() -> None:
    truth = parts(300, 300, TYPES)
    before = np.array([t != "OK" for t in truth]) * 1.0
    after = before.copy()
    stains = [i for i, t in enumerate(truth) if t == "stain"]
    pits = [i for i, t in enumerate(truth) if t == "pit"]
    before[pits[:10]] = 0.0  # ten pits that escaped before are found
    after[stains[:10]] = 0.0  # ten stains escape
    gate = compare_successor((judged(truth, before), judged(truth, after)), Demands())
    found = checks(gate)
    assert found["escape_rate"].outcome != WORSE
    assert [c.name for c in gate.against] == ["escape_rate of stain"]
    # times 3 as there are three types
    assert found["escape_rate of stain"].p_value == pytest.approx(3 * rise_p(10, 0, 100, 0.01))
    assert not gate.accepted


def test_types_are_corrected_for_their_number() -> None:
    truth = parts(20, 60, TYPES)
    before = np.array([t != "OK" for t in truth]) * 1.0
    after = before.copy()
    after[[i for i, t in enumerate(truth) if t == "pit"][:4]] = 0.0  # 4 and 0: 2^-5, below 0.05
    after[[i for i, t in enumerate(truth) if t == "stain"][:2]] = 0.0  # 6 and 0 of all: 2^-7
    found = checks(compare_successor((judged(truth, before), judged(truth, after)), Demands()))
    assert found["escape_rate of pit"].p_value == pytest.approx(3 * 0.5**5)
    assert found["escape_rate of pit"].outcome == OPEN
    assert found["escape_rate"].outcome == WORSE


def test_rates_are_corrected_for_their_number() -> None:
    truth = parts(60, 60)
    before = np.array([t != "OK" for t in truth]) * 1.0
    after = before.copy()
    after[[i for i, t in enumerate(truth) if t != "OK"][:4]] = 0.0
    found = checks(compare_successor((judged(truth, before), judged(truth, after)), Demands(margin=0.0)))
    assert found["escape_rate"].p_value == pytest.approx(2 * 0.5**5)  # escapes and overkills
    assert found["escape_rate"].outcome == OPEN


def test_sending_good_parts_to_review_is_no_way_out() -> None:
    truth = parts(100, 50)
    scores = np.array([t != "OK" for t in truth]) * 1.0
    everything = judged(truth, np.maximum(scores, 0.3), 0.5, review=0.2)
    gate = compare_successor((judged(truth, scores), everything), Demands())
    assert "good_for_review" in {check.name for check in gate.against}


def test_fewer_escapes_pay_only_once() -> None:
    truth = parts(200, 200)
    before = np.array([t != "OK" for t in truth]) * 1.0
    after = before.copy()
    good = [i for i, t in enumerate(truth) if t == "OK"]
    bad = [i for i, t in enumerate(truth) if t != "OK"]
    before[bad[:22]] = 0.0  # 11% of the escapes are mended
    after[good[:20]] = 1.0  # 10% of the good parts are rejected
    first = judged(truth, before, 0.5, review=0.2)
    assert compare_successor((first, judged(truth, after, 0.5, review=0.2)), Demands()).accepted
    after[good[20:40]] = 0.3  # and 10% sent to review
    gate = compare_successor((first, judged(truth, after, 0.5, review=0.2)), Demands())
    assert {check.name for check in gate.against} == {"overkill_rate", "good_for_review"}


def test_strict_asks_for_more_than_golden_pictures() -> None:
    truth = parts(2, 1)
    scores = np.array([t != "OK" for t in truth]) * 1.0
    golden = (judged(truth, scores), judged(truth, scores))
    assert compare_successor(None, Demands(), golden).accepted
    assert not compare_successor(None, Demands(strict=True), golden).accepted


def test_a_moved_threshold_is_no_worse_inspector() -> None:
    truth = parts(200, 100)
    rng = np.random.default_rng(0)
    scores = 0.5 + 0.3 * np.array([t != "OK" for t in truth]) + rng.normal(0, 0.2, 300)
    before, lower, higher = (judged(truth, scores, at) for at in (0.65, 0.58, 0.72))
    gate = compare_successor((before, lower), Demands())
    assert checks(gate)["overkill_rate"].outcome == PAID
    assert (gate.accepted, replace(gate, demands=Demands(strict=True)).accepted) == (True, False)
    without = compare_successor((before, lower), Demands(trade=False))
    assert checks(without)["overkill_rate"].outcome == WORSE
    assert not without.accepted
    # more escapes are never paid for
    other_way = compare_successor((before, higher), Demands())
    assert [c.name for c in other_way.against] == ["escape_rate"]
    # nor are fewer escapes worth any number of overkills
    far = compare_successor((before, judged(truth, scores, 0.1)), Demands())
    assert [c.name for c in far.against] == ["overkill_rate"]


def test_golden_pictures() -> None:
    truth = ["OK", "OK", "OK", "pit", "pit", "pit"]
    before = judged(truth, np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0]))
    after = judged(truth, np.array([0.0, 0.3, 0.0, 1.0, 0.0, 0.0]), 0.5, review=0.2)
    golden = replay(before, after)
    assert golden == Golden(6, ("1.png", "4.png"), ("2.png",), ("5.png",))
    assert not compare_successor(None, Demands(), (before, after)).accepted
    assert compare_successor(None, Demands(golden_flips=2), (before, after)).accepted
    with pytest.raises(DataError, match="different images"):
        replay(before, replace(after, images=after.images[::-1]))


def test_nothing_to_compare_on() -> None:
    with pytest.raises(DataError, match="--golden"):
        compare_successor(None, Demands())
    without_defects = checks(compare_successor(pair_of(parts(50, 0), 0.6, 0), Demands()))
    assert without_defects["escape_rate"].outcome == UNTESTED
    assert without_defects["overkill_rate"].outcome != UNTESTED


def test_without_a_normal_class_errors_count() -> None:
    truth = ["a"] * 40 + ["b"] * 40

    def named(wrong: int) -> Predictions:
        labels = ["b" if i < wrong else t for i, t in enumerate(truth)]
        return replace(
            judged(["OK"] * 80, np.zeros(80)),
            truth=tuple(truth),
            classes=("a", "b"),
            normal=None,
            decisions=(None,) * 80,
            labels=tuple(labels),
            thresholds=None,
        )

    gate = compare_successor((named(2), named(20)), Demands())
    assert [c.name for c in gate.against] == ["error_rate", "error_rate of a"]
    assert compare_successor((named(20), named(2)), Demands()).accepted


@pytest.mark.parametrize(
    "wrong", [{"margin": -0.1}, {"margin": 1.0}, {"confidence": 0.4}, {"golden_flips": -1}]
)
def test_demands_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Demands(**wrong)  # type: ignore[arg-type]
