"""What the methods on patches refuse before anything is computed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from brightfield.data.dataset import Dataset, Sample
from brightfield.errors import ConfigError, DataError
from brightfield.methods.patches.learner import (
    PatchLearner,
    make_flow,
    make_fusion,
    make_patchcore,
)
from brightfield.methods.patches.options import FlowOptions, FusionOptions, PatchCoreOptions


def parts(good: int, bad: int = 0, normal: str | None = "OK") -> Dataset:
    labels = ["OK"] * good + ["pit"] * bad
    samples = tuple(Sample(f"{i}.png", Path("x"), label) for i, label in enumerate(labels))
    return Dataset("made", samples, ("OK", "pit"), normal)


def learner() -> PatchLearner:
    return make_patchcore(PatchCoreOptions(), parts(5))


def test_each_method_makes_its_own() -> None:
    made = [
        make_patchcore(PatchCoreOptions(), parts(2)),
        make_flow(FlowOptions(), parts(2)),
        make_fusion(FusionOptions(), parts(2)),
    ]
    assert [one.name for one in made] == ["patchcore", "flow", "fusion"]
    assert [one.identity["method"] for one in made] == ["patchcore", "flow", "fusion"]
    assert all(one.good_parts_alone and one.folds == 0 for one in made)


def test_too_few_good_parts_are_refused() -> None:
    learner().check(parts(2), parts(1, 3))
    with pytest.raises(DataError, match=r"training split holds 1 good parts \(OK\); patchcore needs 2"):
        learner().check(parts(1, 9), parts(5))
    with pytest.raises(DataError, match=r"calibration split holds 0 good parts"):
        learner().check(parts(9), parts(0, 5))
    with pytest.raises(DataError, match="--normal"):
        learner().check(parts(9, normal=None), parts(5))


def test_one_process_only() -> None:
    learner().check_processes(SimpleNamespace(world=1))
    with pytest.raises(ConfigError, match="3 processes were started; patchcore cannot be distributed"):
        learner().check_processes(SimpleNamespace(world=3))


@pytest.mark.parametrize(
    "wrong",
    [{"bank": 0}, {"share": 0.0}, {"share": 1.5}, {"position": "maybe"}, {"tile": 10}, {"image_size": 3}],
)
def test_options_out_of_range(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} is"):
        PatchCoreOptions(**wrong)  # type: ignore[arg-type]
