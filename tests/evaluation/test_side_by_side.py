"""Two inspectors on the same pictures: what one cannot judge, neither is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.load import load
from brightfield.decide.calibration import Temperature
from brightfield.evaluation.side_by_side import evaluate_beside, judge_both
from brightfield.inspector import Inspector


def test_both_judge_the_same_pictures_in_order(
    folded_bundle: Path, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    one, two = Inspector.load(folded_bundle), Inspector.load(trained_bundle)
    data = load(synthetic_parts)
    (tmp_path / "torn.png").write_bytes(b"no picture")
    torn = Sample("OK/torn.png", tmp_path / "torn.png", "OK")
    few = data.subset([*data.samples[:3], torn, *data.samples[-3:]])
    first, second = judge_both(one, two, few)
    assert first.images == second.images == tuple(s.image for s in (*data.samples[:3], *data.samples[-3:]))
    alone = [one.inspect(s.path, explain=False).score for s in data.samples[:3]]
    np.testing.assert_allclose(first.scores[:3], alone, rtol=1e-4)
    before, after, evaluation = evaluate_beside(one, two, few)
    np.testing.assert_array_equal(before.scores, first.scores)
    np.testing.assert_array_equal(after.scores, second.scores)
    assert evaluation.unreadable == ("OK/torn.png",)


def test_without_a_normal_class_unknown_classes_are_left_out(
    folded_bundle: Path, synthetic_parts: Path
) -> None:
    inspector = Inspector.load(folded_bundle)
    plain = replace(inspector, normal=None, operating_point=None, calibrator=Temperature(1.0))
    data = load(synthetic_parts)
    others = tuple(replace(s, label="dent") if i == 0 else s for i, s in enumerate(data.samples[:4]))
    first, second = judge_both(plain, plain, Dataset("few", others, ("OK", "dent", "pit"), None))
    assert first.images == second.images == tuple(s.image for s in others[1:])
