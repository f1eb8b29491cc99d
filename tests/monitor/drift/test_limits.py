from __future__ import annotations

import numpy as np
import pytest
from arl import cusum_run_length
from drift_lines import Line, reference

from brightfield.monitor.drift import limits as module
from brightfield.monitor.drift.charts import ALLOWANCE, Parts, start, step
from brightfield.monitor.drift.limits import Limits, limits, shared_limits
from brightfield.monitor.drift.neighbours import Alike, independent
from brightfield.monitor.drift.standard import CHARTED, Standard, fit_standard
from brightfield.monitor.drift.watch import GROUPS, VERDICT_CHARTS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFERENCES", 25)


def test_limits_are_passed_by_the_share_asked_for() -> None:
    rng = np.random.default_rng(0)
    highest = rng.gamma(2.0, size=(50, 40, 5)) * [1, 1, 10, 1, 3]
    groups = np.array([0, 1, 1, 1, 2])
    found = shared_limits(highest, groups, 0.2)
    passed = (highest > found).any(axis=2).mean(axis=1)  # (B,)
    assert np.quantile(passed, 0.9) == pytest.approx(0.2, abs=0.06)
    each = [(highest > found)[..., groups == g].any(axis=2).mean() for g in range(3)]
    assert max(each) < 2 * min(each)  # no group alarms much more often than another
    of_charts = (highest > found)[..., 1:4].mean(axis=(0, 1))
    assert of_charts.max() < 3 * of_charts.min()  # nor does a chart with a larger scale


@pytest.mark.parametrize("share", [0.05, 0.005, 0.0025])
def test_shares_too_small_to_count_are_kept_too(share: float) -> None:
    groups = np.array([0, 1, 1, 1, 2])
    scale = [1, 1, 10, 1, 3]
    passed = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        found = shared_limits(rng.gamma(2.0, size=(100, 40, 5)) * scale, groups, share)
        lines = rng.gamma(2.0, size=(200_000, 5)) * scale
        passed.append((lines > found).any(axis=1).mean())
    assert 0.2 * share < np.mean(passed) <= share


def test_limits_grow_steadily_with_the_run_length() -> None:
    _, pool = fit_standard(reference(150))
    alone = independent(pool.values.shape[1])
    lengths = (100, 1000, 10_000, 30_000, 100_000)
    found = np.stack([limits(pool, GROUPS, length, alone).of_charts for length in lengths])
    assert (np.diff(found, axis=0) >= 0).all()
    varying = found[0] > 1e-6
    assert (found[-1] > 1.05 * found[2])[varying].all()


def of_line(standard: Standard, line: Line, found: Limits, parts: int, **changes: float) -> np.ndarray:
    """Return the first part at which a line alarms of drift, or one more than there are."""
    state = start(found.design)
    seen = line.parts(parts, **changes)
    scores, active = standard.scores(standard.values(seen)), standard.active(seen)
    for i, part in enumerate(seen):
        rows = slice(i, i + 1)
        state, now = step(found.design, state, Parts(scores[rows], active[rows], np.array([part.rejected])))
        if (now[0] > found.of_charts)[GROUPS != VERDICT_CHARTS].any():
            return i + 1
    return parts + 1


def run_lengths(count: int, run_length: float, parts: int, **how: object) -> list[float]:
    """Return the mean run length of 20 lines for each of some references, censored alarms counted as none."""
    found = []
    for seed in range(6):
        standard, pool = fit_standard(reference(count, seed=100 + seed))
        own = limits(pool, GROUPS, run_length, independent(pool.values.shape[1]))
        ends = [of_line(standard, Line(1000 * seed + i, **how), own, parts) for i in range(20)]
        found.append(np.minimum(ends, parts).sum() / max(1, sum(end <= parts for end in ends)))
    return found


@pytest.mark.parametrize("count", [60, 250])
def test_lines_in_control_run_as_long_as_promised_for_most_references(count: int) -> None:
    assert sum(length >= 200 for length in run_lengths(count, 200, 300)) >= 5


def test_so_they_do_where_most_parts_are_defective() -> None:
    assert sum(length >= 200 for length in run_lengths(250, 200, 300, defective=0.6)) >= 4


def test_a_change_is_found_soon() -> None:
    standard, pool = fit_standard(reference(250))
    found = limits(pool, GROUPS, 1000, independent(pool.values.shape[1]))
    ends = [of_line(standard, Line(i), found, 60, brightness=-0.15) for i in range(20)]
    assert np.mean(ends) < 10


def test_one_chart_gets_about_the_limit_of_its_markov_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    # the reference is large and there is one chart, so its limit is that of a CUSUM of normal values
    monkeypatch.setattr(module, "KEPT", 0.5)
    _, pool = fit_standard(reference(1000, defective=0.0))
    groups = np.zeros(len(GROUPS), np.int64)
    alone = independent(pool.values.shape[1])
    highest = module.maxima(pool, limits(pool, GROUPS, 1000, alone).design, alone, 300, (3, 0))  # (B, S, K)
    brightness = 1 + CHARTED.index("brightness")
    found = shared_limits(highest[..., [brightness]], groups[:1], 0.26)[0]
    run_length = -300 / np.log(1 - 0.26)
    assert cusum_run_length(ALLOWANCE, found) == pytest.approx(run_length, rel=0.35)


def test_lots_widen_limits_where_values_are_alike() -> None:
    _, pool = fit_standard(reference(200))
    shares = np.zeros(pool.values.shape[1])
    shares[pool.embedded + CHARTED.index("brightness")] = 0.8
    alone = limits(pool, GROUPS, 500, independent(len(shares))).of_charts
    alike = limits(pool, GROUPS, 500, Alike(shares, 20.0)).of_charts
    brightness, contrast = (1 + CHARTED.index(name) for name in ("brightness", "contrast"))
    assert alike[brightness] > 1.8 * alone[brightness]
    assert alike[contrast] < 1.5 * alone[contrast]


def test_the_same_reference_gives_the_same_limits() -> None:
    _, pool = fit_standard(reference(80))
    first, second = (limits(pool, GROUPS, 500, independent(pool.values.shape[1])) for _ in range(2))
    assert (first.of_charts == second.of_charts).all()
